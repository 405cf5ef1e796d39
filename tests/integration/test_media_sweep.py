"""What becomes of a recording that is withdrawn, never completed, or checked: its state, and its files."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.gateway.app import running
from services.gateway.recording import Limits, read_recording
from services.gateway.upload_store import LOCK, Closed, UploadStore
from services.gateway.uploads import PreparedUpload, prepare_upload
from shared.errors import TransientFault
from shared.media import MediaChecked
from shared.publisher import record, running_publisher
from shared.service import at_work
from shared.topics import FEEDBACK_WITHDRAWN, MEDIA_CHECKED, MEDIA_UPLOADED
from tests.doubles import RememberingPublisher
from tests.integration.gateway_stage import KEY, NOW, SURVEY, database, gateway_url, rows, until
from tests.integration.line import line_to_http
from tests.integration.upload_stage import (
    CLIP,
    bucket,
    client_of,
    completed,
    declaration,
    declared,
    gateway_of,
    given,
    http,
    journey,
    key,
    made_bucket,
    publisher,
    swept,
    upload,
    uploaded,
    with_bucket,
)

if TYPE_CHECKING:
    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.servers import Stage
    from services.gateway.settings import GatewaySettings
    from shared.objects import ObjectStore
    from shared.settings import ServiceSettings

__all__ = ["bucket", "database", "gateway_url", "given", "http", "key", "publisher"]

pytestmark = pytest.mark.integration

BLOCKED = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND usename = current_user"
AUDIT = "SELECT action, number FROM audit ORDER BY id"
LIMITS = Limits(10**6, (30,))
WAITING = f"SELECT count(*) FROM outbox WHERE topic = '{MEDIA_UPLOADED.name}'"  # noqa: S608 - our own name


def prepared(now: datetime = NOW, **changes: Any) -> PreparedUpload:
    body = json.dumps(declaration(**changes)).encode()
    return prepare_upload(read_recording(body, now, LIMITS), SURVEY, KEY, LIMITS, now)


def later(hours: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


async def withdrawn(http: httpx.AsyncClient, ticket: dict[str, Any]) -> None:
    assert (await http.delete(f"/v1/feedback/{ticket['receipt']}")).status_code == 202


async def state(http: httpx.AsyncClient, ticket: dict[str, Any]) -> str:
    told: str = (await journey(http, ticket))["media"]["state"]
    return told


def checked(ticket: dict[str, Any], state: Any, reason: str | None = None, minutes: int = 0) -> MediaChecked:
    return MediaChecked(
        media_id=UUID(ticket["media_id"]),
        feedback_id=UUID(int=1),
        state=state,
        reason=reason,
        checked_at=NOW + timedelta(minutes=minutes),
    )


async def test_what_is_never_completed_expires_and_its_files_go(
    http: httpx.AsyncClient, bucket: ObjectStore, database: AsyncEngine, given: GatewaySettings
) -> None:
    ticket, other = await uploaded(http, text="Mary sang."), await uploaded(http, source_id="2")
    await completed(http, other)
    await swept(database, given, later(23))
    assert await state(http, ticket) == "waiting_for_upload", "its time is not over"
    await swept(database, given, later(25))
    assert await state(http, ticket) == "expired"
    assert [key for key, _ in await bucket.versions("")] == [f"quarantine/{other['media_id']}/recording"]
    assert await rows(database, AUDIT) == [("expired uploads", 1), ("erased uploads", 1)]
    assert await rows(database, "SELECT count(*) FROM media WHERE declared IS NOT NULL") == [(0,)], "no words are left"
    answer = await completed(http, ticket)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:heed:problem:upload-expired")


async def test_what_expired_can_be_declared_anew(
    http: httpx.AsyncClient, database: AsyncEngine, given: GatewaySettings
) -> None:
    ticket = await uploaded(http)
    await swept(database, given, later(25))
    again = await uploaded(http)
    assert again["media_id"] == ticket["media_id"]
    await swept(database, given, later(1))
    assert (await completed(http, again)).status_code == 202
    assert await state(http, ticket) == "uploaded"


async def test_a_withdrawal_before_completion_leaves_no_file_and_no_word(
    http: httpx.AsyncClient,
    bucket: ObjectStore,
    database: AsyncEngine,
    given: GatewaySettings,
    publisher: RememberingPublisher,
) -> None:
    ticket = await uploaded(http, text="Mary sang.")
    await withdrawn(http, ticket)
    assert await rows(database, "SELECT declared FROM media") == [(None,)]
    answer = await completed(http, ticket)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:heed:problem:withdrawn")
    again = await http.post("/v1/media", json=declaration())
    assert (again.status_code, again.json()["type"]) == (409, "urn:heed:problem:withdrawn")
    await swept(database, given, later())
    assert await bucket.versions("") == []
    assert (await journey(http, ticket))["state"] == "withdrawn"
    assert await state(http, ticket) == "erased"
    await until(lambda: len(publisher.on(FEEDBACK_WITHDRAWN.name)) == 1)
    assert publisher.on(MEDIA_UPLOADED.name) == []


async def test_a_withdrawal_that_overtakes_the_event_takes_its_place(
    given: GatewaySettings, bucket: ObjectStore, database: AsyncEngine, key: str
) -> None:
    async with gateway_of(given, RememberingPublisher(away=1_000_000), key) as http:
        ticket = await uploaded(http, text="Mary sang.")
        await completed(http, ticket)
        assert await rows(database, WAITING) == [(1,)]
        await withdrawn(http, ticket)
        assert await rows(database, WAITING) == [(0,)]
        await swept(database, given, later())
        assert await bucket.versions("") == []
        assert await state(http, ticket) == "erased"


async def test_after_the_event_the_media_service_erases_and_the_receipt_says_so(
    http: httpx.AsyncClient,
    bucket: ObjectStore,
    database: AsyncEngine,
    given: GatewaySettings,
    publisher: RememberingPublisher,
) -> None:
    ticket = await uploaded(http)
    await completed(http, ticket)

    async def marked() -> bool:
        return await rows(database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == [(0,)]

    await until(marked)
    await withdrawn(http, ticket)
    await swept(database, given, later())
    assert await state(http, ticket) == "uploaded"
    assert await bucket.versions("") != [], "they are the media service's to read or erase"
    store = UploadStore(database)
    await store.mark_checked([checked(ticket, "accepted", minutes=1)])
    assert await state(http, ticket) == "uploaded", "of what was withdrawn only its end is news"
    await store.mark_checked([checked(ticket, "erased", "withdrawn")])
    assert await state(http, ticket) == "erased"


async def test_withdrawing_and_completing_at_once_leaves_no_event(
    given: GatewaySettings, bucket: ObjectStore, database: AsyncEngine, key: str
) -> None:
    async with gateway_of(given, RememberingPublisher(away=1_000_000), key) as http:
        tickets = [await uploaded(http, source_id=str(number)) for number in range(6)]
        done = await asyncio.gather(
            *(completed(http, ticket) for ticket in tickets), *(withdrawn(http, ticket) for ticket in tickets)
        )
        assert {answer.status_code for answer in done if answer is not None} <= {202, 409}
        assert await rows(database, WAITING) == [(0,)]
        await swept(database, given, later())
        assert {await state(http, ticket) for ticket in tickets} == {"erased"}
        assert await bucket.versions("") == []


async def test_what_an_old_form_brings_later_is_found_by_the_second_look(
    http: httpx.AsyncClient, bucket: ObjectStore, database: AsyncEngine, given: GatewaySettings
) -> None:
    ticket = await uploaded(http)
    await completed(http, ticket)
    await UploadStore(database).mark_checked([checked(ticket, "rejected", "too_long")])
    await bucket.erase(f"quarantine/{ticket['media_id']}/")
    assert await upload(ticket["upload"]["recording"], CLIP) == 201
    await swept(database, given, later(24))
    assert await bucket.versions("") != [], "its form may have begun an upload that is not there yet"
    await swept(database, given, later(25))
    assert await bucket.versions("") == []
    assert await rows(database, AUDIT) == [("erased uploads", 1)]
    await upload(ticket["upload"]["recording"], CLIP)
    await swept(database, given, later(26))
    assert await bucket.versions("") != [], "twice, not for ever"


async def test_a_withdrawn_recording_is_looked_for_again_when_its_form_is_long_over(
    http: httpx.AsyncClient, bucket: ObjectStore, database: AsyncEngine, given: GatewaySettings
) -> None:
    ticket = await uploaded(http)
    await withdrawn(http, ticket)
    await swept(database, given, later())
    assert await upload(ticket["upload"]["recording"], CLIP) == 201
    await swept(database, given, later(25))
    assert await bucket.versions("") == []


async def test_what_was_forgotten_once_is_looked_for_anew_after_it_was_declared_again(
    http: httpx.AsyncClient, bucket: ObjectStore, database: AsyncEngine, given: GatewaySettings
) -> None:
    await uploaded(http)
    await swept(database, given, later(25))
    ticket = await uploaded(http)
    await withdrawn(http, ticket)
    await swept(database, given, later())
    assert await bucket.versions("") == []


async def test_declaring_again_begins_its_time_anew(database: AsyncEngine) -> None:
    store = UploadStore(database)
    first, again = prepared(NOW), prepared(NOW + timedelta(hours=20))
    await store.declare("survey", first, NOW, NOW)
    await store.declare("survey", again, NOW, NOW + timedelta(hours=20))
    assert await store.expire(NOW + timedelta(hours=10), NOW) == 0
    assert await store.expire(NOW + timedelta(hours=21), NOW) == 1


async def test_what_was_declared_anew_while_the_bucket_was_asked_is_not_completed(database: AsyncEngine) -> None:
    store = UploadStore(database)
    await store.declare("survey", prepared(), NOW, NOW)
    looked_at = await store.find("survey", prepared().media_id)
    assert looked_at is not None
    await store.declare("survey", prepared(rating=1), NOW, NOW)
    assert not await store.complete(looked_at, NOW)
    assert await rows(database, WAITING) == [(0,)]


async def test_declaring_anew_waits_for_a_completion_that_has_begun(database: AsyncEngine) -> None:
    store = UploadStore(database)
    await store.declare("survey", prepared(), NOW, NOW)
    async with database.connect() as completion:
        await completion.execute(LOCK, {"id": prepared().feedback_id})
        await completion.execute(text("UPDATE media SET state = 'uploaded', declared = NULL"))
        again = asyncio.create_task(store.declare("survey", prepared(rating=1), NOW, NOW))

        async def it_waits_or_is_done() -> bool:
            return again.done() or await rows(database, BLOCKED) != [(0,)]

        await until(it_waits_or_is_done)
        await completion.commit()
    assert await again is Closed.UPLOADED


async def test_what_is_held_or_not_checked_yet_is_left_alone(
    http: httpx.AsyncClient, bucket: ObjectStore, database: AsyncEngine, given: GatewaySettings
) -> None:
    held, unread = await uploaded(http), await uploaded(http, source_id="2")
    for ticket in (held, unread):
        await completed(http, ticket)
    await UploadStore(database).mark_checked([checked(held, "held", "consent_unresolved")])
    await swept(database, given, later(1_000))
    assert len(await bucket.versions("")) == 2


async def test_a_bucket_that_is_away_is_swept_at_the_next_turn(
    gateway_url: str, stage: Stage, database: AsyncEngine, publisher: RememberingPublisher, key: str
) -> None:
    async with line_to_http(stage.bucket.endpoint) as (line, endpoint):
        given = with_bucket(gateway_url, stage, s3_endpoint=endpoint, s3_public_endpoint=stage.bucket.endpoint)
        bucket = await made_bucket(given)
        async with gateway_of(given, publisher, key) as http:
            ticket = await uploaded(http)
            await line.cut()
            with pytest.raises(TransientFault):
                await swept(database, given, later(25))
            await line.mend()
            await swept(database, given, later(25))
            assert await bucket.versions("") == []
            assert await state(http, ticket) == "expired"


async def test_the_gateway_sweeps_by_the_clock(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> None:
    quick = given.model_copy(update={"media_sweep_interval": 0.05, "media_upload_deadline": 0.2})
    async with gateway_of(quick, publisher, key) as http:
        ticket = await declared(http)

        async def expired() -> bool:
            return await state(http, ticket) == "expired"

        await until(expired)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([("accepted", None, 0)], ("accepted", None)),
        ([("held", "consent_unresolved", 0), ("accepted", None, 1)], ("accepted", None)),
        ([("accepted", None, 1), ("held", "consent_unresolved", 0)], ("accepted", None)),
        ([("erased", "retention_over", 1), ("accepted", None, 2)], ("erased", "retention_over")),
        ([("accepted", None, 2), ("erased", "retention_over", 1)], ("erased", "retention_over")),
    ],
)
@pytest.mark.parametrize("together", [True, False])
async def test_the_newest_word_of_the_media_service_stands_and_the_end_is_the_end(
    http: httpx.AsyncClient, database: AsyncEngine, events: list[Any], told: tuple[str, str | None], together: bool
) -> None:
    ticket = await uploaded(http)
    await completed(http, ticket)
    store, given = UploadStore(database), [checked(ticket, *event) for event in events]
    for batch in [given] if together else [[event] for event in given]:
        await store.mark_checked(batch)
    media = (await journey(http, ticket))["media"]
    assert (media["state"], media.get("reason")) == told


async def test_what_the_media_service_says_reaches_the_receipt_over_kafka(
    kafka: ServiceSettings, gateway_url: str, stage: Stage, database: AsyncEngine, key: str
) -> None:
    given = with_bucket(gateway_url, stage, **kafka.model_dump(exclude_unset=True))
    await made_bucket(given)
    async with (
        running_publisher(given, "test") as sender,
        at_work(running, given, sender) as service,
        client_of(service, key) as http,
    ):
        ticket = await uploaded(http)
        await completed(http, ticket)
        unknown = checked({"media_id": str(UUID(int=7))}, "accepted")
        events = [unknown, checked(ticket, "rejected", "too_long")]
        await sender.send([record(MEDIA_CHECKED, event, "media") for event in events])

        async def rejected() -> bool:
            return await state(http, ticket) == "rejected"

        await until(rejected, seconds=30)
        assert (await journey(http, ticket))["media"]["reason"] == "too_long"
