"""From a quote to the second in which it was said: for its team, noted first, by a link that ends."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from shared.media import clean_folder, clean_key
from shared.objects import ObjectStore
from shared.sources import PageSources, QuoteSource
from tests.integration.portal_stage import Stage as Portal
from tests.integration.portal_stage import running_portal
from tests.unit.portal_examples import MAY, OTHER, TEAM, page
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from deploy.servers import Stage
    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

CLIP = bytes(range(256)) * 8
FILM = UUID("6e1b7f0e-6a36-4a1f-9a51-0d4f6f0a6a03")
NOTED = f"recording {FILM} of page {TEAM}:{MAY} revision 1"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADDRESS = f"/teams/{TEAM}/{MAY}/quotes/{{}}/recording"


@pytest.fixture
async def bucket(stage: Stage, tmp_path: Path) -> ObjectStore:
    """A bucket of the test's own, with one clean film in it."""
    given = stage.bucket
    made = ObjectStore(given.endpoint, given.access_key, given.secret_key, f"test-{uuid4().hex}")
    await made.ensure()
    await made.keep_versions()
    (tmp_path / "clip").write_bytes(CLIP)
    await made.upload(clean_key(FILM, "recording"), tmp_path / "clip", "video/mp4")
    return made


def opened(url: str, folder: Path, stage: Stage, bucket: ObjectStore, **given: Any) -> Any:
    at: dict[str, Any] = {
        "s3_endpoint": stage.bucket.endpoint,
        "s3_access_key": stage.bucket.access_key,
        "s3_secret_key": stage.bucket.secret_key,
        "s3_bucket": bucket.bucket,
    }
    return running_portal(url, folder, **{**at, **given})


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path, stage: Stage, bucket: ObjectStore) -> AsyncIterator[Portal]:
    async with opened(await database_url("portal"), tmp_path, stage, bucket) as running:
        await running.receive(page(TEAM), page(OTHER), sources())
        yield running


def sources(revision: int = 1, team: str = TEAM, media: UUID | None = FILM, start: float = 12.34) -> PageSources:
    """The second of the golden page's quotes was said in the film."""
    made = page(team)
    spoken = {} if media is None else {"media_id": media, "content_type": "video/mp4", "start_seconds": start}
    quotes = tuple(
        QuoteSource(feedback_id=uuid4(), version=1, sentiment=1, **(spoken if position == 1 else {}))
        for position in range(len(made.quotes))
    )
    return PageSources(team_id=team, period=MAY, revision=revision, quotes=quotes, generated_at=NOON)


async def noted(portal: Portal) -> list[tuple[str, str]]:
    query = "SELECT subject, object FROM audit WHERE object LIKE 'recording %' ORDER BY id"
    async with portal.database.connect() as connection:
        return [(row.subject, row.object) for row in await connection.execute(text(query))]


async def watched(link: str, **headers: str) -> httpx.Response:
    """As a browser follows it: without any cookie of ours, and without the fragment."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        return await browser.get(link, headers=headers)


async def test_whoever_sees_the_page_watches_from_the_second_on(portal: Portal) -> None:
    for who, roles in (((TEAM,), ()), ((), ("steward",))):
        async with await portal.signed_in(*who, roles=roles, subject="sam@example.org") as browser:
            shown = (await browser.get(f"/teams/{TEAM}/{MAY}")).text
            assert f'href="{ADDRESS.format(2)}" rel="noreferrer">Watch from 0:12<' in shown
            assert shown.count("/recording") == 1, "the others were written"
            answer = await browser.get(ADDRESS.format(2))
    assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
    assert answer.headers["referrer-policy"] == "same-origin"
    link = answer.headers["location"]
    assert link.endswith("#t=12.3")
    film = await watched(link, Range="bytes=0-9")
    assert (film.status_code, film.content) == (206, CLIP[:10]), "a browser begins in the middle"
    assert (film.headers["content-type"], film.headers["cache-control"]) == ("video/mp4", "no-store")
    assert await noted(portal) == [("sam@example.org", NOTED)] * 2


async def test_nobody_else_does_and_no_other_address_leads_there(
    portal: Portal, bucket: ObjectStore, stage: Stage
) -> None:
    async with await portal.signed_in(OTHER) as stranger:
        assert (await stranger.get(ADDRESS.format(2))).status_code == 404
    async with portal.browser() as nobody:
        assert (await nobody.get(ADDRESS.format(2))).headers["location"] == "/sign-in"
    async with await portal.signed_in(TEAM, OTHER) as member:
        for wrong in ("1", "3", "4", "0", "-1", "99999", "²", "x", f"{FILM}"):
            assert (await member.get(ADDRESS.format(wrong))).status_code == 404, wrong
        for path in (f"/teams/{OTHER}/{MAY}", f"/teams/{TEAM}/2020-01-01", f"/teams/{TEAM}/x"):
            assert (await member.get(f"{path}/quotes/2/recording")).status_code == 404, path
    assert await noted(portal) == []
    unsigned = f"{stage.bucket.endpoint}/{bucket.bucket}/{clean_key(FILM, 'recording')}"
    assert (await watched(unsigned)).status_code == 403, "without a signature the bucket gives nothing"


async def test_a_quote_that_stands_on_the_page_no_more_leads_nowhere(portal: Portal) -> None:
    """Page and sources come on two topics: until both are of the same revision, nothing can be said of its quotes."""
    pages = portal.app.state.portal.pages  # type: ignore[attr-defined]
    async with await portal.signed_in(TEAM) as member:

        async def leads_nowhere() -> bool:
            shown = (await member.get(f"/teams/{TEAM}/{MAY}")).text
            return "/recording" not in shown and (await member.get(ADDRESS.format(2))).status_code == 404

        await portal.receive(sources(revision=2))
        assert await leads_nowhere(), "the page is older"
        await portal.receive(page(TEAM, revision=2))
        assert not await leads_nowhere()
        before = await noted(portal)
        await portal.receive(page(TEAM, revision=3))
        assert await leads_nowhere(), "the page is newer"
        await portal.receive(sources(revision=3, media=None))
        assert await leads_nowhere(), "what is quoted now was written"
        await pages.on_taken_back([f"{TEAM}:{MAY}"])
        assert await leads_nowhere(), "there is no page"
    assert await noted(portal) == before


async def test_a_recording_that_was_erased_is_told_in_words(portal: Portal, bucket: ObjectStore) -> None:
    await bucket.erase(clean_folder(FILM))
    async with await portal.signed_in(TEAM, subject="sam@example.org") as member:
        answer = await member.get(ADDRESS.format(2))
    assert (answer.status_code, "The recording is not here" in answer.text) == (404, True)
    assert "location" not in answer.headers
    assert await noted(portal) == [("sam@example.org", NOTED)]


async def test_a_link_ends(database_url: DatabaseUrl, tmp_path: Path, stage: Stage, bucket: ObjectStore) -> None:
    given = {"portal_recording_seconds": 1}
    async with opened(await database_url("portal"), tmp_path, stage, bucket, **given) as portal:
        await portal.receive(page(TEAM), sources())
        async with await portal.signed_in(TEAM) as member:
            link = (await member.get(ADDRESS.format(2))).headers["location"]

    async def refused() -> bool:
        return (await watched(link)).status_code == 403

    await until(refused, 5)


async def test_a_bucket_that_is_away_takes_nothing_else_along(
    database_url: DatabaseUrl,
    tmp_path: Path,
    stage: Stage,
    bucket: ObjectStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = {"s3_endpoint": "http://127.0.0.1:9"}
    async with opened(await database_url("portal"), tmp_path, stage, bucket, **away) as portal:
        await portal.receive(page(TEAM), sources())
        async with await portal.signed_in(TEAM, subject="sam@example.org") as member:
            caplog.set_level(logging.DEBUG, "services")
            answer = await member.get(ADDRESS.format(2))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert "Not available right now" in answer.text
            assert "Watch from 0:12" in (await member.get(f"/teams/{TEAM}/{MAY}")).text
            assert (await member.get("/health/ready")).status_code == 200
        assert await noted(portal) == [("sam@example.org", NOTED)], "what was asked for is known all the same"
    assert "the bucket" in caplog.text


async def test_without_a_bucket_nothing_is_shown(database_url: DatabaseUrl, tmp_path: Path) -> None:
    async with running_portal(await database_url("portal"), tmp_path) as portal:
        await portal.receive(page(TEAM), sources())
        async with await portal.signed_in(TEAM) as member:
            assert "/recording" not in (await member.get(f"/teams/{TEAM}/{MAY}")).text
            assert (await member.get(ADDRESS.format(2))).status_code == 404
