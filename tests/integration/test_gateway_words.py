"""Raw words, for the portal alone: while they are kept, written down, and to nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from services.gateway.outbox import Outbox
from tests.integration.gateway_stage import COMMENT, database, gateway_url, rows, until
from tests.integration.upload_stage import (
    bucket,
    completed,
    gateway_of,
    given,
    key,
    publisher,
    uploaded,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.settings import GatewaySettings
    from shared.objects import ObjectStore
    from tests.doubles import RememberingPublisher

__all__ = ["bucket", "database", "gateway_url", "given", "key", "publisher"]

pytestmark = pytest.mark.integration

TOKEN = "w" * 32
GIVEN = "SELECT count(*) FROM audit WHERE action = 'gave raw words'"


@pytest.fixture
async def http(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> AsyncIterator[httpx.AsyncClient]:
    asked = given.model_copy(update={"urgent_words_token": SecretStr(TOKEN)})
    async with gateway_of(asked, publisher, key) as client:
        yield client


async def sent(http: httpx.AsyncClient, **changes: object) -> dict[str, str]:
    answer = await http.post("/v1/feedback", json={**COMMENT, **changes})
    assert answer.status_code == 202, answer.text
    told: dict[str, str] = answer.json()
    return told


async def asked(
    http: httpx.AsyncClient, feedback_id: object, version: object = 1, token: str = TOKEN
) -> httpx.Response:
    headers = [(b"Authorization", f"Bearer {token}".encode("latin-1"))]
    return await http.get(f"/v1/words/{feedback_id}/{version}", headers=headers)


async def test_the_portal_gets_the_very_words_of_the_version_it_asks_for(
    http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    one = (await sent(http, text="Sister Mary hurt me."))["feedback_id"]
    await sent(http, text="Never mind.")
    answer = await asked(http, one)
    assert answer.status_code == 200
    assert answer.json() | {"received_at": ""} == {
        "text": "Sister Mary hurt me.",
        "said": [],
        "received_at": "",
        "recording": None,
        "content_type": None,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert (await asked(http, one, 2)).json()["text"] == "Never mind."
    assert await rows(database, GIVEN) == [(2,)]


async def test_a_transcript_comes_with_its_times(http: httpx.AsyncClient) -> None:
    said = [{"start_seconds": 0.5, "end_seconds": 2.0, "text": "I was afraid."}]
    film = {"kind": "video", "channel": "youtube", "text": "About my stay", "transcript": said}
    one = (await sent(http, **film, media={"content_type": "video/mp4"}))["feedback_id"]
    told = (await asked(http, one)).json()
    assert told["text"] == "About my stay"
    assert told["said"] == [{"start_seconds": 0.5, "text": "I was afraid."}]
    assert told["recording"] is None, "its files are not ours"


async def test_of_a_recording_the_portal_learns_what_it_is_called(http: httpx.AsyncClient) -> None:
    ticket = await uploaded(http, text="Please watch all of it.")
    assert (await completed(http, ticket)).status_code == 202
    one = (await http.get(f"/v1/feedback/{ticket['receipt']}")).json()["feedback_id"]
    told = (await asked(http, one)).json()
    assert (told["text"], told["recording"], told["content_type"]) == (
        "Please watch all of it.",
        ticket["media_id"],
        "video/mp4",
    )


async def test_what_was_taken_back_and_what_is_not_kept_are_told_apart(
    http: httpx.AsyncClient, database: AsyncEngine, publisher: RememberingPublisher
) -> None:
    kept, back = await sent(http, source_id="kept"), await sent(http, source_id="back")
    await until(lambda: _done(database))
    await http.delete(f"/v1/feedback/{back['receipt']}")
    await Outbox(database).purge(timedelta(0), datetime.now(UTC) + timedelta(seconds=1))
    answers = [
        await asked(http, back["feedback_id"]),
        await asked(http, kept["feedback_id"]),
        await asked(http, kept["feedback_id"], 2),
        await asked(http, uuid4()),
    ]
    assert [answer.status_code for answer in answers] == [410] * 4
    kinds = [answer.json()["type"].rpartition(":")[2] for answer in answers]
    assert kinds == ["withdrawn", "words-gone", "words-gone", "words-gone"]
    assert await rows(database, GIVEN) == [(0,)], "nothing was given"


async def _done(database: AsyncEngine) -> bool:
    return await rows(database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == [(0,)]


async def test_nobody_but_the_portal_is_given_words(http: httpx.AsyncClient, database: AsyncEngine) -> None:
    one = (await sent(http, text="Sister Mary hurt me."))["feedback_id"]
    senders_own = await http.get(f"/v1/words/{one}/1")
    wrong = [await asked(http, one, token=token) for token in ("", "wrong", "w" * 31, "é" * 32)]
    for answer in (senders_own, *wrong):
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert "Mary" not in answer.text
    assert await rows(database, GIVEN) == [(0,)]


async def test_what_is_no_address_is_refused(http: httpx.AsyncClient) -> None:
    for one, version in (("x", "1"), (UUID(int=1), "0"), (UUID(int=1), "9" * 30), (UUID(int=1), "²")):
        answer = await asked(http, one, version)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:heed:problem:malformed"), (one, version)


async def test_without_a_token_there_is_nothing_here(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> None:
    async with gateway_of(given, publisher, key) as http:
        one = (await sent(http))["feedback_id"]
        assert (await asked(http, one)).status_code == 404
        assert "/v1/words/{feedback_id}/{version}" not in (await http.get("/openapi.json")).json()["paths"]
