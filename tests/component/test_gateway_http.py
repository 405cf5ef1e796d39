"""The HTTP side with a store in memory: what is refused before it costs anything, and what no input may cause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.commands.serving import DESCRIPTION
from services.gateway.api import build_app
from services.gateway.feedback import Prepared
from services.gateway.handlers import Gateway
from services.gateway.integrations import Integration, Keys
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.settings import GatewaySettings
from services.gateway.store import Accepted, FeedbackStore, Journey
from shared.errors import TransientFault

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RECEIPT = "abcdefghijklmnopqrstuvwx"
COMMENT: dict[str, Any] = {
    "kind": "comment",
    "source_id": "1",
    "channel": "survey",
    "text": "The nurses were kind.",
    "occurred_at": "2026-03-01",
    "about": {"organisation": "Brookvale Hospital"},
}
NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


class KnownKeys:
    """One key works."""

    async def owner(self, key: str) -> Integration | None:
        return Integration("survey", (), NOW) if key == "right" else None


@dataclass
class MemoryStore:
    """Accepts everything as new; after `commits` calls the database is away."""

    commits: int = 1_000
    groups: list[int] = field(default_factory=list)
    failure: type[Exception] = TransientFault

    async def accept(
        self, _integration: str, given: Sequence[Prepared], _now: datetime, _traceparent: str | None = None
    ) -> list[Accepted | None]:
        if len(self.groups) == self.commits:
            raise self.failure("a patient's words")
        self.groups.append(len(given))
        return [Accepted(item.feedback_id, RECEIPT, 1, duplicate=False) for item in given]

    async def journey(self, _integration: str | None, receipt: str) -> Journey | None:
        return Journey(receipt, UUID(int=1), 1, NOW, None, None, None, ()) if receipt == RECEIPT else None

    async def withdraw(self, _integration: str | None, _receipt: str, _now: datetime) -> tuple[UUID, datetime] | None:
        return None


def client(store: MemoryStore | None = None, key: str | None = "right", **limits: int) -> httpx.AsyncClient:
    gateway = Gateway(
        GatewaySettings(database_url="postgresql://nowhere", pseudonym_key="k" * 32, **cast("Any", limits)),
        cast("Keys", KnownKeys()),
        cast("FeedbackStore", store or MemoryStore()),
        Pseudonyms(b"k" * 32),
        lambda: NOW,
        lambda: None,
    )

    async def readiness() -> dict[str, bool]:
        return {"database": True, "relay": False}

    transport = httpx.ASGITransport(build_app(gateway, readiness))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


def check_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document.keys() == {"type", "title", "status", "detail", "errors"}
    assert document["status"] == status
    assert "Traceback" not in answer.text
    return document


async def endless(chunk: bytes, taken: list[int]) -> AsyncIterator[bytes]:
    while True:
        taken.append(len(chunk))
        yield chunk


ROUTES = [
    ("POST", "/v1/feedback"),
    ("POST", "/v1/feedback:batch"),
    ("GET", f"/v1/feedback/{RECEIPT}"),
    ("DELETE", f"/v1/feedback/{RECEIPT}"),
    ("POST", "/v1/media"),
    ("POST", f"/v1/media/{UUID(int=1)}/complete"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic right", "right", "Bearer \xff"])
async def test_without_a_valid_key_nothing_is_done(method: str, path: str, header: str | None) -> None:
    async with client(key=None) as http:
        headers = [(b"Authorization", header.encode("latin-1"))] if header else []
        answer = await http.request(method, path, headers=headers, content=b"{}")
    check_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_body_without_a_key_is_not_read() -> None:
    taken: list[int] = []
    async with client(key=None) as http:
        check_problem(await http.post("/v1/feedback", content=endless(b"x", taken), headers=JSON), 401)
    assert taken == []


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    taken: list[int] = []
    async with client() as http:
        headers = {**JSON, "Content-Length": str(512 * 1024 + 1)}
        answer = await http.post("/v1/feedback", content=endless(b"x" * 1024, taken), headers=headers)
    check_problem(answer, 413)
    assert taken == []
    assert answer.headers["connection"] == "close"


async def test_an_undeclared_length_is_counted_and_reading_stops() -> None:
    taken: list[int] = []
    async with client() as http:
        check_problem(await http.post("/v1/feedback", content=endless(b"x" * 64 * 1024, taken), headers=JSON), 413)
    assert sum(taken) <= (512 + 64 + 64) * 1024


async def test_a_megabyte_of_text_is_refused() -> None:
    async with client() as http:
        check_problem(await http.post("/v1/feedback", json={**COMMENT, "text": "x" * 1_000_000}), 413)


async def test_a_text_over_its_limit_but_not_the_bodys_is_refused() -> None:
    async with client() as http:
        document = check_problem(await http.post("/v1/feedback", json={**COMMENT, "text": "x" * 100_001}), 422)
    assert document["errors"][0]["field"] == "text"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        NDJSON,
    ],
)
async def test_another_media_type_is_refused(headers: dict[str, str]) -> None:
    async with client() as http:
        document = check_problem(await http.post("/v1/feedback", content=json.dumps(COMMENT), headers=headers), 415)
    assert document["errors"][0]["field"] == "Content-Type"


async def test_a_batch_of_another_media_type_is_refused() -> None:
    async with client() as http:
        check_problem(await http.post("/v1/feedback:batch", json=COMMENT), 415)


async def test_a_charset_of_utf_8_is_welcome() -> None:
    async with client() as http:
        headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
        answer = await http.post("/v1/feedback", content=json.dumps(COMMENT), headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/feedback/", "/v1/feedback/a/b", "/docs", "/v2/feedback"])
async def test_an_unknown_path_is_a_problem_document(path: str) -> None:
    async with client() as http:
        check_problem(await http.get(path), 404)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/feedback"), ("GET", "/v1/feedback:batch")])
async def test_a_wrong_method_is_a_problem_document(method: str, path: str) -> None:
    async with client() as http:
        answer = await http.request(method, path)
    check_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("receipt", ["x", "%00" * 24, "a" * 23, "é" * 24, "a" * 5_000, "..%2f" * 5])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_receipt_that_cannot_be_is_not_found(method: str, receipt: str) -> None:
    async with client() as http:
        check_problem(await http.request(method, f"/v1/feedback/{receipt}"), 404)
        check_problem(await http.request(method, f"/v1/receipts/{receipt}"), 404)


async def test_the_answer_names_the_receipt_and_its_place() -> None:
    async with client() as http:
        answer = await http.post("/v1/feedback", json=COMMENT)
    assert answer.status_code == 202
    assert answer.json().keys() == {"receipt", "feedback_id", "version", "duplicate"}
    assert answer.headers["location"] == f"/v1/feedback/{answer.json()['receipt']}"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_database_away_is_told_with_a_time_to_wait() -> None:
    async with client(MemoryStore(commits=0)) as http:
        answer = await http.post("/v1/feedback", json=COMMENT)
    check_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


async def test_a_failure_of_ours_tells_no_one_a_patients_words(caplog: pytest.LogCaptureFixture) -> None:
    async with client(MemoryStore(commits=0, failure=RuntimeError)) as http:
        answer = await http.post("/v1/feedback", json=COMMENT)
    check_problem(answer, 500)
    assert "patient" not in answer.text
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["a request failed"]


async def test_health_tells_each_check() -> None:
    async with client(key=None) as http:
        assert (await http.get("/health/live")).status_code == 200
        answer = await http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "checks": {"database": True, "relay": False}}


async def test_the_description_that_heed_up_names_is_there() -> None:
    async with client(key=None) as http:
        assert (await http.get(DESCRIPTION)).status_code == 200


async def test_openapi_describes_every_route_with_examples() -> None:
    async with client(key=None) as http:
        document = (await http.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        "/v1/feedback",
        "/v1/feedback:batch",
        "/v1/feedback/{receipt}",
        "/v1/receipts/{receipt}",
        "/v1/media",
        "/v1/media/{media_id}/complete",
        "/health/live",
        "/health/ready",
    }
    names = set(document["components"]["schemas"])
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= names
    assert document["paths"]["/v1/feedback"]["post"]["security"] == [{"HTTPBearer": []}]
    by_key = {
        path
        for path, methods in document["paths"].items()
        if any("security" in described for described in methods.values())
    }
    assert {path for path in document["paths"] if path.startswith("/v1")} - by_key == {"/v1/receipts/{receipt}"}


async def test_every_example_of_openapi_is_accepted() -> None:
    async with client() as http:
        document = (await http.get("/openapi.json")).json()
        body = document["paths"]["/v1/feedback"]["post"]["requestBody"]["content"]["application/json"]
        assert set(body["examples"]) == {"comment", "social_post", "video"}
        for example in body["examples"].values():
            assert (await http.post("/v1/feedback", json=example["value"])).status_code == 202


async def batch(http: httpx.AsyncClient, *rows: bytes | dict[str, Any]) -> list[dict[str, Any]]:
    content = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    answer = await http.post("/v1/feedback:batch", content=content, headers=NDJSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(row) for row in answer.text.splitlines()]


async def test_each_line_has_its_answer_and_bad_ones_harm_no_neighbour() -> None:
    async with client() as http:
        answers = await batch(
            http, COMMENT, b"{", b"", {**COMMENT, "text": " "}, {**COMMENT, "source_id": "2"}, b"\xff"
        )
    assert [(row["line"], row["status"]) for row in answers] == [(1, 202), (2, 400), (4, 422), (5, 202), (6, 400)]
    assert answers[2]["problem"]["errors"] == [{"field": "text", "problem": "must not be blank"}]


async def test_a_line_over_the_limit_is_refused_alone() -> None:
    async with client(gateway_max_body=1024) as http:
        answers = await batch(http, COMMENT, {**COMMENT, "text": "x" * 5_000}, {**COMMENT, "source_id": "2"})
    assert [row["status"] for row in answers] == [202, 413, 202]


async def test_lines_are_committed_in_groups() -> None:
    store = MemoryStore()
    async with client(store) as http:
        answers = await batch(http, *({**COMMENT, "source_id": str(number)} for number in range(1_100)))
    assert store.groups == [500, 500, 100]
    assert [row["line"] for row in answers] == list(range(1, 1_101))


async def test_a_batch_over_its_lines_says_where_reading_stopped() -> None:
    async with client(gateway_batch_lines=2) as http:
        answers = await batch(http, *({**COMMENT, "source_id": str(number)} for number in range(5)))
    assert [(row["line"], row["status"]) for row in answers] == [(1, 202), (2, 202), (3, 413)]


async def test_an_endless_batch_is_cut_off() -> None:
    taken: list[int] = []
    row = json.dumps(COMMENT).encode() + b"\n"
    async with client(gateway_batch_body=4096) as http:
        answer = await http.post("/v1/feedback:batch", content=endless(row, taken), headers=NDJSON)
    answers = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["status"] for row in answers] == [202] * (4096 // len(row)) + [413]
    assert sum(taken) <= 4096 + 2 * len(row)


async def test_a_batch_that_declares_too_much_is_refused_unread() -> None:
    taken: list[int] = []
    async with client(gateway_batch_body=4096) as http:
        headers = {**NDJSON, "Content-Length": "4097"}
        check_problem(await http.post("/v1/feedback:batch", content=endless(b"x\n", taken), headers=headers), 413)
    assert taken == []


async def test_a_database_away_from_the_start_refuses_the_whole_batch() -> None:
    async with client(MemoryStore(commits=0)) as http:
        answer = await http.post("/v1/feedback:batch", content=json.dumps(COMMENT), headers=NDJSON)
    check_problem(answer, 503)


async def test_a_database_lost_in_the_middle_keeps_what_was_accepted() -> None:
    store = MemoryStore(commits=1)
    async with client(store) as http:
        answers = await batch(http, *({**COMMENT, "source_id": str(number)} for number in range(1_600)))
    assert [row["status"] for row in answers] == [202] * 500 + [503] * 1_100


async def test_an_empty_batch_has_an_empty_answer() -> None:
    async with client() as http:
        assert await batch(http) == []


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [*COMMENT, "question", "question_type", "rating", "language", "submitter", "consent", "author_id", "url"]
FIELDS += ["transcript", "media", "organisation", "id", "role", "quote"]
NEAR = st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=3).map(lambda changes: {**COMMENT, **changes})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(JSON_VALUES | NEAR)
def test_no_json_causes_a_failure_of_ours(value: Any) -> None:
    async def submit() -> httpx.Response:
        async with client() as http:
            return await http.post("/v1/feedback", content=json.dumps(value).encode(), headers=JSON)

    answer = asyncio.run(submit())
    assert answer.status_code in {202, 400, 422}


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_cause_a_failure_of_ours(content: bytes) -> None:
    async def submit() -> tuple[httpx.Response, httpx.Response]:
        async with client() as http:
            return (
                await http.post("/v1/feedback", content=content, headers=JSON),
                await http.post("/v1/feedback:batch", content=content, headers=NDJSON),
            )

    one, many = asyncio.run(submit())
    assert one.status_code in {400, 422}
    rows = [json.loads(row) for row in many.text.splitlines()]
    assert [row["status"] for row in rows] == [400 if row["status"] == 400 else 422 for row in rows]
