"""The whole gateway: a real server on a loopback port, a real PostgreSQL, and Kafka where it matters."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.gateway.app import running
from services.gateway.integrations import add_integration, revoke_integration
from services.gateway.outbox import Outbox
from shared.events import FeedbackAnalysed, FeedbackSubmitted, FeedbackSummarised, Sentiment
from shared.publisher import record, running_publisher
from shared.service import Running, at_work
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED, FEEDBACK_SUMMARISED, FEEDBACK_WITHDRAWN
from tests.doubles import RememberingPublisher
from tests.integration.gateway_stage import (
    COMMENT,
    NOW,
    database,
    gateway_url,
    rows,
    settings,
    until,
)
from tests.integration.line import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.settings import GatewaySettings
    from shared.publisher import Publisher
    from shared.settings import ServiceSettings


__all__ = ["database", "gateway_url"]

pytestmark = pytest.mark.integration

NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}
NOTHING = "SELECT (SELECT count(*) FROM feedback) + (SELECT count(*) FROM outbox)"


@asynccontextmanager
async def serving(service: Running) -> AsyncIterator[str]:
    """The service's app behind uvicorn, on a free port."""
    assert service.app is not None
    server = uvicorn.Server(uvicorn.Config(service.app, log_config=None, access_log=False))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve([listening]))

        async def started() -> bool:
            return server.started

        await until(started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


@asynccontextmanager
async def submitting(given: GatewaySettings, publisher: Publisher, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that runs as long as the block."""
    async with (
        running(given, publisher) as service,
        serving(service) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http,
    ):
        yield http


@pytest.fixture
def publisher() -> RememberingPublisher:
    return RememberingPublisher()


@pytest.fixture
async def key(database: AsyncEngine) -> str:
    return await add_integration(database, "survey", ["Brookvale Hospital"], NOW)


@pytest.fixture
async def address(gateway_url: str, database: AsyncEngine, publisher: RememberingPublisher) -> AsyncIterator[str]:
    async with running(settings(gateway_url), publisher) as service, serving(service) as url:
        yield url


@pytest.fixture
async def http(address: str, key: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
        yield client


async def receipt_of(http: httpx.AsyncClient, **changes: Any) -> str:
    answer = await http.post("/v1/feedback", json={**COMMENT, **changes})
    assert answer.status_code == 202, answer.text
    receipt: str = answer.json()["receipt"]
    return receipt


async def test_what_is_accepted_is_published(http: httpx.AsyncClient, publisher: RememberingPublisher) -> None:
    text = "Very kind 🙏\u202eشكرا\u202c" + "x"  # noqa: RUF001 - it is Arabic
    await receipt_of(http, text=text, submitter={"id": "Jo Smith"})

    async def published() -> bool:
        return bool(publisher.sent)

    await until(published)
    (sent,) = publisher.sent
    assert sent.topic == FEEDBACK_SUBMITTED.name
    event = FeedbackSubmitted.model_validate_json(sent.value or b"")
    assert event.text == text
    assert b"Jo Smith" not in (sent.value or b"")


async def test_every_way_in_wakes_the_relay(
    gateway_url: str, database: AsyncEngine, key: str, publisher: RememberingPublisher
) -> None:
    async def published(amount: int) -> None:
        async def so_many() -> bool:
            return len(publisher.sent) == amount

        await until(so_many)

    async with submitting(settings(gateway_url, relay_poll=600), publisher, key) as http:
        receipt = await receipt_of(http)
        await published(1)
        await http.post("/v1/feedback:batch", content=json.dumps({**COMMENT, "source_id": "2"}), headers=NDJSON)
        await published(2)
        await http.delete(f"/v1/feedback/{receipt}")
        await published(3)


BAD: dict[str, tuple[bytes, int, str]] = {
    "malformed": (b'{"kind":', 400, "body"),
    "invalid UTF-8": (b'{"kind":"\xff"}', 400, "body"),
    "lone surrogate": (json.dumps({**COMMENT, "text": "\udc00"}).encode(), 400, "body"),
    "nesting": (b"[" * 200_000, 400, "body"),
    "not an object": (b"[]", 422, "body"),
    "unknown kind": (json.dumps({**COMMENT, "kind": "fax"}).encode(), 422, "kind"),
    "empty text": (json.dumps({**COMMENT, "text": ""}).encode(), 422, "text"),
    "blank text": (json.dumps({**COMMENT, "text": " \u00a0\n"}).encode(), 422, "text"),
    "NUL": (json.dumps({**COMMENT, "text": "a\x00b"}).encode(), 422, "text"),
    "NUL in a name": (json.dumps({**COMMENT, "channel": "a\x00b"}).encode(), 422, "channel"),
    "long text": (json.dumps({**COMMENT, "text": "x" * 100_001}).encode(), 422, "text"),
    "a megabyte": (json.dumps({**COMMENT, "text": "x" * 1_000_000}).encode(), 413, "body"),
    "future": (json.dumps({**COMMENT, "occurred_at": "2999-01-01"}).encode(), 422, "occurred_at"),
    "before the NHS": (json.dumps({**COMMENT, "occurred_at": "1948-07-04"}).encode(), 422, "occurred_at"),
    "organisation": (json.dumps({**COMMENT, "about": {"organisation": "X"}}).encode(), 422, "about.organisation"),
    "NaN": (json.dumps({**COMMENT, "rating": float("nan")}).encode(), 422, "rating"),
    "huge number": (json.dumps({**COMMENT, "rating": 10**400}).encode(), 422, "rating"),
    "typo": (json.dumps({**COMMENT, "languge": "en"}).encode(), 422, "languge"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_is_named_and_leaves_nothing(http: httpx.AsyncClient, database: AsyncEngine, case: str) -> None:
    body, status, field = BAD[case]
    answer = await http.post("/v1/feedback", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await rows(database, NOTHING) == [(0,)]


async def test_bad_lines_leave_their_neighbours_alone(http: httpx.AsyncClient, database: AsyncEngine) -> None:
    bad = [body for body, _, _ in BAD.values()]
    good = [json.dumps({**COMMENT, "source_id": str(number)}).encode() for number in range(len(bad) + 1)]
    lines = [line for pair in zip(good, [*bad, b""], strict=True) for line in pair]
    answer = await http.post("/v1/feedback:batch", content=b"\n".join(lines), headers=NDJSON)
    answers = [json.loads(line) for line in answer.text.splitlines()]
    statuses = [status for status in (status for _, status, _ in BAD.values()) for status in (202, status)]
    assert [row["status"] for row in answers] == [*statuses, 202]
    assert await rows(database, "SELECT count(*) FROM outbox") == [(len(good),)]


async def test_a_batch_with_the_same_ids_many_times(http: httpx.AsyncClient, database: AsyncEngine) -> None:
    def line(number: int) -> bytes:
        return json.dumps({**COMMENT, "source_id": str(number % 400), "text": f"turn {number // 800}"}).encode()

    answer = await http.post("/v1/feedback:batch", content=b"\n".join(map(line, range(1_600))), headers=NDJSON)
    answers = [json.loads(row) for row in answer.text.splitlines()]
    assert [row["version"] for row in answers] == [1] * 800 + [2] * 800
    assert [row["duplicate"] for row in answers] == ([False] * 400 + [True] * 400) * 2
    assert len({row["receipt"] for row in answers}) == 400
    assert await rows(database, "SELECT count(*) FROM outbox") == [(800,)]


async def test_a_body_is_refused_before_it_has_arrived(address: str, key: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rsplit(":", 1)[1]))
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 999999999\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        await reader.read()  # the server closes: it does not wait for the rest
    writer.close()


async def test_a_client_that_goes_away_harms_no_one(address: str, http: httpx.AsyncClient, key: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(address.rsplit(":", 1)[1]))
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 400\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    assert await receipt_of(http)


async def test_the_same_again_and_a_change_keep_the_receipt(http: httpx.AsyncClient) -> None:
    first = await http.post("/v1/feedback", json=COMMENT)
    again = await http.post("/v1/feedback", json=COMMENT)
    changed = await http.post("/v1/feedback", json={**COMMENT, "rating": 1})
    assert again.json() == {**first.json(), "duplicate": True}
    assert changed.json() == {**first.json(), "version": 2}


async def test_withdrawal_over_http(http: httpx.AsyncClient, publisher: RememberingPublisher) -> None:
    receipt = await receipt_of(http)
    first = await http.delete(f"/v1/feedback/{receipt}")
    again = await http.delete(f"/v1/feedback/{receipt}")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    refused = await http.post("/v1/feedback", json={**COMMENT, "text": "Again"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    batch = await http.post("/v1/feedback:batch", content=json.dumps(COMMENT), headers=NDJSON)
    assert batch.json()["status"] == 409
    journey = await http.get(f"/v1/feedback/{receipt}")
    assert journey.json()["state"] == "withdrawn"

    async def told() -> bool:
        return len(publisher.on(FEEDBACK_WITHDRAWN.name)) == 1

    await until(told)


async def test_another_integration_sees_nothing(http: httpx.AsyncClient, database: AsyncEngine) -> None:
    receipt = await receipt_of(http)
    stranger = {"Authorization": f"Bearer {await add_integration(database, 'stranger', [], NOW)}"}
    for method in ("GET", "DELETE"):
        answer = await http.request(method, f"/v1/feedback/{receipt}", headers=stranger)
        assert answer.status_code == 404
    assert (await http.get(f"/v1/feedback/{receipt}")).json()["state"] == "received"


async def test_a_revoked_key_is_unauthorised(address: str, database: AsyncEngine) -> None:
    key = await add_integration(database, "gone", [], NOW)
    await revoke_integration(database, "gone", NOW)
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {key}"}) as http:
        answer = await http.post("/v1/feedback", json=COMMENT)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


async def test_ready_while_all_is_well(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health/ready")
    assert answer.status_code == 200
    assert {"database": True, "relay": True, "outbox": True}.items() <= answer.json()["checks"].items()


async def test_not_ready_while_rows_wait_too_long(gateway_url: str, database: AsyncEngine, key: str) -> None:
    stuck = RememberingPublisher(away=1_000_000)
    async with submitting(settings(gateway_url, gateway_outbox_age=0.01), stuck, key) as http:
        await receipt_of(http)

        async def not_ready() -> bool:
            answer = await http.get("/health/ready")
            return answer.status_code == 503 and answer.json()["checks"]["outbox"] is False

        await until(not_ready)
        assert (await http.get("/health/live")).status_code == 200


async def test_a_stopped_gateway_publishes_the_rest_when_it_starts(
    gateway_url: str, database: AsyncEngine, key: str, publisher: RememberingPublisher
) -> None:
    async with submitting(settings(gateway_url), RememberingPublisher(away=1_000_000), key) as http:
        await receipt_of(http)
    async with running(settings(gateway_url), publisher):

        async def published() -> bool:
            return len(publisher.sent) == 1

        await until(published)


async def test_published_words_are_purged_by_the_clock(
    gateway_url: str, database: AsyncEngine, key: str, publisher: RememberingPublisher
) -> None:
    quick = settings(gateway_url, raw_retention_days=1e-6, purge_interval=0.05)
    async with submitting(quick, publisher, key) as http:
        receipt = await receipt_of(http)

        async def purged() -> bool:
            return await rows(database, "SELECT count(*) FROM outbox") == [(0,)]

        await until(purged)
        assert len(publisher.sent) == 1
        assert (await http.get(f"/v1/feedback/{receipt}")).json()["state"] == "received"
        again = await http.post("/v1/feedback", json=COMMENT)
        assert again.json()["duplicate"] is True


@examples(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=200), identity=st.text(min_size=1, max_size=50))
async def test_any_text_is_refused_or_stored_intact(
    http: httpx.AsyncClient, database: AsyncEngine, words: str, identity: str
) -> None:
    body = json.dumps({**COMMENT, "source_id": identity, "text": words})
    answer = await http.post("/v1/feedback", content=body, headers=JSON)
    assert answer.status_code in {202, 400, 422}
    if answer.status_code == 202:
        stored = await rows(database, "SELECT event->>'text' FROM outbox ORDER BY id DESC LIMIT 1")
        controls = {code: " " for code in range(160) if chr(code) not in "\t\n\r" and (code < 32 or code > 126)}
        duplicate = answer.json()["duplicate"]
        assert duplicate or stored == [(words.translate(controls),)]


def reading(feedback_id: UUID, submitted: dict[str, Any]) -> FeedbackAnalysed:
    event = FeedbackSubmitted.model_validate(
        {**submitted, "feedback_id": feedback_id, "source": {"integration": "survey", "channel": "survey"}}
    )
    return FeedbackAnalysed(
        feedback_id=feedback_id,
        version=1,
        kind=event.kind,
        source=event.source,
        about=event.about,
        occurred_at=NOW,
        received_at=NOW,
        analysed_at=NOW + timedelta(minutes=1),
        segments=(),
        sentiment=Sentiment(label=1, probabilities=(1, 0, 0, 0, 0)),
        themes=(),
        severity=0,
        urgent=False,
        quote_ok=False,
        redactions={},
        model_version="test",
    )


async def test_a_gateway_that_starts_without_kafka_takes_feedback_and_hands_it_on_later(
    gateway_url: str, database: AsyncEngine, key: str, kafka: ServiceSettings
) -> None:
    host, port = kafka.kafka_bootstrap.split(":")
    line = Line(lambda: asyncio.open_connection(host, int(port)))
    await line.mend()
    await line.cut()
    shared = kafka.model_dump(exclude_defaults=True) | {"kafka_bootstrap": f"127.0.0.1:{line.port}"}
    given = settings(gateway_url, relay_poll=0.05, **shared)
    async with (
        running_publisher(given, "test", patient=True) as sender,
        at_work(running, given, sender) as service,
        serving(service) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as http,
    ):
        path = f"/v1/feedback/{await receipt_of(http)}"
        assert all((await service.readiness()).values())
        await line.mend()
        one = UUID((await http.get(path)).json()["feedback_id"])
        waiting = Outbox(database)

        async def handed_on() -> bool:
            return (await waiting.depth())[0] == 0

        await until(handed_on, seconds=30)
        moment = {"occurred_at": NOW, "received_at": datetime.now(UTC)}
        await sender.send([record(FEEDBACK_ANALYSED, reading(one, {**COMMENT, **moment}), "analysis")])

        async def is_read() -> bool:
            return bool((await http.get(path)).json()["state"] == "read")

        await until(is_read, seconds=30)
    await line.cut()


async def test_the_journey_follows_what_kafka_tells(
    gateway_url: str, database: AsyncEngine, key: str, kafka: ServiceSettings
) -> None:
    given = settings(gateway_url, **kafka.model_dump(exclude_defaults=True))
    async with (
        running_publisher(given, "test") as sender,
        at_work(running, given, sender) as service,
        serving(service) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as http,
    ):
        receipt = await receipt_of(http)
        path = f"/v1/feedback/{receipt}"
        one = UUID((await http.get(path)).json()["feedback_id"])
        moment = {"occurred_at": NOW, "received_at": datetime.now(UTC)}
        await sender.send([record(FEEDBACK_ANALYSED, reading(one, {**COMMENT, **moment}), "analysis")])

        async def is_read() -> bool:
            return bool((await http.get(path)).json()["state"] == "read")

        await until(is_read, seconds=30)
        told = FeedbackSummarised(
            team_id="maternity", period=date(2026, 3, 1), revision=1, feedback_ids=(one, uuid4()), summarised_at=NOW
        )
        await sender.send([record(FEEDBACK_SUMMARISED, told, "learning")])

        async def is_summarised() -> bool:
            return bool((await http.get(path)).json()["state"] == "summarised")

        await until(is_summarised, seconds=30)
        journey = (await http.get(path)).json()
        assert journey["summarised"] == [{"team_id": "maternity", "period": "2026-03-01"}]
        assert journey["read_at"] == "2026-06-01T12:01:00Z"
