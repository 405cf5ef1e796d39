"""Raw words of what is urgent, on a real gateway: for the role that it waits for, noted first, and left nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.gateway.app import running
from services.gateway.outbox import Outbox
from shared.events import FeedbackWithdrawn
from shared.media import clean_key
from tests.integration.gateway_stage import COMMENT, database, gateway_url, rows, until
from tests.integration.portal_stage import Stage, running_portal
from tests.integration.test_gateway_service import serving
from tests.integration.test_leaks import STORY, WORDS, Telemetry, found, told
from tests.integration.test_leaks import rows as all_rows
from tests.integration.test_portal_urgent import NOON, flagged
from tests.integration.upload_stage import bucket, client_of, completed, given, key, publisher, uploaded
from tests.unit.portal_examples import DESK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.settings import GatewaySettings
    from shared.objects import ObjectStore
    from tests.doubles import RememberingPublisher
    from tests.integration.conftest import DatabaseUrl

__all__ = ["bucket", "database", "gateway_url", "given", "key", "publisher", "told"]

pytestmark = pytest.mark.integration

TOKEN = "w" * 32
AUDIT = "SELECT subject, action, object FROM audit WHERE action = 'asked for' ORDER BY id"


@pytest.fixture
async def sender(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """A gateway that gives words: its address, and a client with an integration's key."""
    giving = given.model_copy(update={"urgent_words_token": SecretStr(TOKEN)})
    async with running(giving, publisher) as service, serving(service) as url, client_of(service, key) as http:
        yield url, http


@pytest.fixture
async def portal(
    database_url: DatabaseUrl, tmp_path: Path, sender: tuple[str, httpx.AsyncClient], given: GatewaySettings
) -> AsyncIterator[Stage]:
    async with opened(await database_url("portal"), tmp_path, sender[0], given) as stage:
        yield stage


def opened(url: str, folder: Path, gateway: str, given: GatewaySettings, token: str = TOKEN) -> Any:
    return running_portal(
        url,
        folder,
        gateway_url=gateway,
        urgent_words_token=token,
        s3_endpoint=given.s3_endpoint,
        s3_access_key=given.s3_access_key,
        s3_secret_key=given.s3_secret_key,
        s3_bucket=given.s3_bucket,
    )


@pytest.fixture
def http(sender: tuple[str, httpx.AsyncClient]) -> httpx.AsyncClient:
    return sender[1]


async def urgent(portal: Stage, http: httpx.AsyncClient, words: str = STORY, **fields: Any) -> tuple[UUID, str]:
    """Somebody said this, and it is flagged; its id and receipt."""
    answer = (await http.post("/v1/feedback", json={**COMMENT, "source_id": uuid4().hex, "text": words})).json()
    one = UUID(answer["feedback_id"])
    await portal.receive(flagged(feedback_id=one, **fields))
    return one, answer["receipt"]


async def test_who_looks_after_it_reads_the_very_words(portal: Stage, http: httpx.AsyncClient) -> None:
    one, _ = await urgent(portal, http, "They <b>hit</b> me.\nSister Mary saw it.")
    async with await portal.signed_in(roles=(DESK,), subject="sam@example.org") as desk:
        assert f'href="/urgent/{one}/words"' in (await desk.get("/urgent")).text
        answer = await desk.get(f"/urgent/{one}/words")
        assert answer.status_code == 200
        assert "They &lt;b&gt;hit&lt;/b&gt; me.\nSister Mary saw it." in answer.text
        assert "People can be named in them" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        await http.post("/v1/feedback", json={**COMMENT, "text": "I want to die."})
        changed = (await http.post("/v1/feedback", json={**COMMENT, "text": "I am well."})).json()["feedback_id"]
        await portal.receive(flagged(feedback_id=UUID(changed), version=1))
        assert "I want to die." in (await desk.get(f"/urgent/{changed}/words")).text, "what was flagged is what is read"
    assert await portal_rows(portal, AUDIT) == [
        ("sam@example.org", "asked for", f"words of urgent {each} version 1") for each in (one, changed)
    ]


async def test_nobody_else_reads_them_or_has_them_asked_for(
    portal: Stage, http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    one, _ = await urgent(portal, http)
    unrouted, _ = await urgent(portal, http, "Nobody's own.", role=None)
    for roles, item in (((), one), (("Another desk",), one), (("steward",), one), ((DESK,), unrouted)):
        async with await portal.signed_in("riverside-emergency", roles=roles) as browser:
            answer = await browser.get(f"/urgent/{item}/words")
            assert (answer.status_code, found(WORDS, answer.text)) == (404, []), roles
    async with portal.browser() as nobody:
        assert (await nobody.get(f"/urgent/{one}/words")).headers["location"] == "/sign-in"
    assert await rows(database, "SELECT count(*) FROM audit") == [(0,)], "the gateway was not asked"
    async with await portal.signed_in(roles=("steward",)) as steward:
        assert "Nobody&#39;s own." in (await steward.get(f"/urgent/{unrouted}/words")).text


async def test_what_is_not_kept_any_more_is_told_as_that(
    portal: Stage, http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    gone, _ = await urgent(portal, http)
    back, receipt = await urgent(portal, http, "Take this back.")

    async def published() -> bool:
        return await rows(database, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == [(0,)]

    await until(published)
    await Outbox(database).purge(timedelta(0), datetime.now(UTC) + timedelta(seconds=1))
    await http.delete(f"/v1/feedback/{receipt}")
    async with await portal.signed_in(roles=(DESK,)) as desk:
        assert "The words are not here any more" in (await desk.get(f"/urgent/{gone}/words")).text
        assert "It was taken back by whoever sent it" in (await desk.get(f"/urgent/{back}/words")).text
        await portal.receive(FeedbackWithdrawn(feedback_id=back, withdrawn_at=NOON))
        assert (await desk.get(f"/urgent/{back}/words")).status_code == 404


async def test_it_is_noted_though_the_gateway_is_away_or_knows_us_not(
    database_url: DatabaseUrl,
    tmp_path: Path,
    sender: tuple[str, httpx.AsyncClient],
    given: GatewaySettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = await database_url("portal")
    for gateway, token in (("http://127.0.0.1:9", TOKEN), (sender[0], "x" * 32)):
        async with opened(url, tmp_path, gateway, given, token) as portal:
            one, _ = await urgent(portal, sender[1])
            async with await portal.signed_in(roles=(DESK,)) as desk:
                answer = await desk.get(f"/urgent/{one}/words")
            assert answer.status_code == 503
            assert (await portal_rows(portal, AUDIT))[-1][2] == f"words of urgent {one} version 1"
    assert "does it have the same HEED_URGENT_WORDS_TOKEN?" in caplog.text


async def test_without_a_token_reasons_are_all_there_is(
    database_url: DatabaseUrl, tmp_path: Path, sender: tuple[str, httpx.AsyncClient]
) -> None:
    async with running_portal(await database_url("portal"), tmp_path, gateway_url=sender[0]) as portal:
        one, _ = await urgent(portal, sender[1])
        async with await portal.signed_in(roles=(DESK,)) as desk:
            shown = (await desk.get("/urgent")).text
            assert "Read what was said" not in shown
            assert "ask whoever runs the system" in shown
            assert (await desk.get(f"/urgent/{one}/words")).status_code == 404


async def test_a_recording_that_came_with_it_is_watched_in_the_bucket(
    portal: Stage, http: httpx.AsyncClient, bucket: ObjectStore, tmp_path: Path
) -> None:
    ticket = await uploaded(http)
    await completed(http, ticket)
    one = UUID((await http.get(f"/v1/feedback/{ticket['receipt']}")).json()["feedback_id"])
    await portal.receive(flagged(feedback_id=one))
    async with await portal.signed_in(roles=(DESK,)) as desk:
        shown = (await desk.get(f"/urgent/{one}/words")).text
        assert f'href="/urgent/{one}/recording"' in shown
        unclean = await desk.get(f"/urgent/{one}/recording")
        assert (unclean.status_code, "The recording is not here" in unclean.text) == (404, True)
        (tmp_path / "clip").write_bytes(b"clip")
        await bucket.upload(clean_key(UUID(ticket["media_id"]), "recording"), tmp_path / "clip", "video/mp4")
        answer = await desk.get(f"/urgent/{one}/recording")
    assert answer.status_code == 303
    assert f"/clean/{ticket['media_id']}/recording?" in answer.headers["location"]
    assert (await portal_rows(portal, AUDIT))[-1][2] == f"recording of urgent {one} version 1"


async def test_the_words_are_left_nowhere(
    told: Telemetry,
    portal: Stage,
    http: httpx.AsyncClient,
    database: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, _ = await urgent(portal, http)
    async with await portal.signed_in(roles=(DESK,)) as desk:
        assert found(WORDS, (await desk.get(f"/urgent/{one}/words")).text), "they were read"
        unreadable = "UPDATE outbox SET event = jsonb_set(event, '{received_at}', event -> 'text')"
        async with database.begin() as connection:
            await connection.execute(text(unreadable))
        assert (await desk.get(f"/urgent/{one}/words")).status_code == 503
        monkeypatch.setattr("services.portal.urgent_words.Words.model_validate_json", _breaks)
        assert (await desk.get(f"/urgent/{one}/words")).status_code == 500
    assert "a request failed" in told.log.getvalue()
    assert found(WORDS, told.everything()) == []
    own = portal.database.url.render_as_string(hide_password=False)
    assert {table: found(WORDS, *lines) for table, lines in (await all_rows({"portal": own})).items()} == {
        table: [] for table in await all_rows({"portal": own})
    }


def _breaks(given: bytes) -> None:
    raise RuntimeError(f"cannot read {given!r}")


async def portal_rows(portal: Stage, query: str) -> list[tuple[Any, ...]]:
    async with portal.database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]
