"""Is this read wrongly? Written once, numbered, of the words that were seen, and by the team alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from services.learning.correcting import CorrectionStore
from services.learning.corrections import correction_of
from services.portal import corrections
from services.portal.corrections import Place, Reading
from services.portal.people import Person
from shared.cloudevents import decode
from shared.events import CorrectedTheme, FeedbackWithdrawn, ReadingCorrected
from shared.sources import PageSources
from shared.topics import PAGE_SOURCES, READING_CORRECTED, SUMMARIES_HELD
from tests.doubles import raw
from tests.integration.learning_database import database, shared_url
from tests.integration.portal_stage import Stage, form_token, running_portal
from tests.integration.test_learning_publishing import Desk, month
from tests.unit.portal_examples import MAY, OTHER, TEAM, held, page, sources_of
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.events import Event
    from shared.topics import Topic
    from tests.integration.conftest import DatabaseUrl

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

ADDRESS = f"/teams/{TEAM}/{MAY}/quotes/1"
MEANT = {"sentiment": "4", "negative:Parking": "yes"}
WRITTEN = f"/teams/{TEAM}/{MAY}/corrected"


@pytest.fixture
async def portal(database_url: DatabaseUrl, tmp_path: Path) -> AsyncIterator[Stage]:
    async with running_portal(await database_url("portal"), tmp_path) as stage:
        await stage.receive(page(), sources_of(page()))
        yield stage


async def corrected(
    browser: httpx.AsyncClient,
    address: str = ADDRESS,
    revision: int = 1,
    given: Mapping[str, str] = MEANT,
) -> httpx.Response:
    token = form_token((await browser.get("/")).text)
    return await browser.post(address, data={"form_token": token, "revision": str(revision), **given})


async def events(portal: Stage, count: int) -> list[ReadingCorrected]:
    await until(lambda: len(portal.publisher.on(READING_CORRECTED.name)) >= count)
    return [decode(ReadingCorrected, r.value, r.headers) for r in portal.publisher.on(READING_CORRECTED.name)]


async def rows(portal: Stage, query: str) -> list[tuple[object, ...]]:
    async with portal.database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def removed(portal: Stage, event: Event, topic: Topic) -> None:
    record = raw(event, topic.name)
    record.value = None
    (consumer,) = (each for each in portal.service.consumers if each.topic is topic)
    await consumer.handle([record])


async def test_a_quote_is_corrected_once_told_to_others_and_audited(portal: Stage) -> None:
    async with await portal.signed_in(TEAM, subject="sam@example.org") as browser:
        assert f'href="{ADDRESS}"' in (await browser.get(f"/teams/{TEAM}/{MAY}")).text
        asked = (await browser.get(ADDRESS)).text
        assert page().quotes[0].text in asked
        assert "As a whole: positive" in asked
        for _ in range(2):
            answer = await corrected(browser)
            assert (answer.status_code, answer.headers["location"]) == (303, WRITTEN)
        assert "is not quoted" in (await browser.get(WRITTEN)).text
        assert "has corrected this already" in (await browser.get(ADDRESS)).text
    (event,) = await events(portal, 1)
    source = sources_of(page()).quotes[0]
    assert (event.feedback_id, event.version, event.correction) == (source.feedback_id, 1, 1)
    assert (event.sentiment, event.themes) == (4, (CorrectedTheme(name="Parking", tone="negative"),))
    noted = await rows(portal, "SELECT subject, action, object FROM audit WHERE object NOT LIKE 'page%' ORDER BY id")
    seen = ("sam@example.org", "viewed", f"quote 1 of page {page().key()} revision 1")
    deed = ("sam@example.org", "corrected", f"feedback {source.feedback_id} version 1 correction 1")
    assert noted == [seen, deed, seen]


async def test_another_correction_of_the_same_words_has_the_next_number(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as one, await portal.signed_in(TEAM) as other:
        await corrected(one)
        await corrected(other, given={"sentiment": "3"})
        await corrected(one, given={"sentiment": "3"})  # as it stands by now
        await corrected(one)
    assert [(event.correction, event.sentiment) for event in await events(portal, 3)] == [(1, 4), (2, 3), (3, 4)]
    assert await rows(portal, "SELECT count(*) FROM outbox") == [(3,)]


async def test_a_form_that_says_nothing_new_writes_nothing(portal: Stage) -> None:
    quote = page().quotes[0]
    as_read = {f"positive:{quote.theme}": "yes"} if quote.theme else {}
    async with await portal.signed_in(TEAM) as browser:
        for given in ({}, {"sentiment": "7"}, {"sentiment": "2"}):
            answer = await corrected(browser, given={**as_read, **given})
            assert answer.status_code == 422, given
            assert 'role="alert"' in answer.text
    assert await rows(portal, "SELECT count(*) FROM outbox") == [(0,)]


async def test_a_page_that_was_written_anew_is_not_corrected_from_an_old_form(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await portal.receive(page(revision=2))
        assert ADDRESS not in (await browser.get(f"/teams/{TEAM}/{MAY}")).text, "its sources are still on their way"
        assert (await corrected(browser)).status_code == 409
        await portal.receive(sources_of(page(revision=2)))
        stale = await corrected(browser)
        assert stale.status_code == 409
        assert "Nothing was corrected." in stale.text
        assert (await browser.get(f"/teams/{TEAM}/{MAY}/quotes/4")).status_code == 404
        assert await rows(portal, "SELECT count(*) FROM outbox") == [(0,)]
        assert (await corrected(browser, revision=2)).status_code == 303


async def test_a_page_that_changes_between_look_and_deed_is_not_corrected(portal: Stage) -> None:
    """The store looks again, under a lock: what a route has read may be old by then."""
    store, somebody = corrections.CorrectionStore(portal.database), Person("somebody", frozenset({TEAM}), frozenset())
    meant, now = Reading(4, frozenset()), datetime.now(UTC)
    for position, revision in ((1, 2), (0, 1), (4, 1)):
        assert not await store.correct(somebody, Place(TEAM, MAY, position), revision, meant, now)
    assert not await store.correct(somebody, Place(OTHER, MAY, 1), 1, meant, now)
    assert await store.correct(somebody, Place(TEAM, MAY, 1), 1, meant, now)


async def test_sources_are_kept_newest_first_and_go_with_their_page(portal: Stage) -> None:
    await portal.receive(sources_of(page(revision=3)), sources_of(page(revision=2)))
    kept = await rows(portal, "SELECT revision, payload ->> 'revision' FROM page_source")
    assert kept == [(3, "3")]
    await removed(portal, sources_of(page(revision=3)), PAGE_SOURCES)
    await portal.receive(sources_of(page(revision=2)))
    assert await rows(portal, "SELECT revision, payload FROM page_source") == [(3, None)]


async def test_the_steward_sees_no_link_and_nobody_what_the_feedback_is_called(portal: Stage) -> None:
    async with await portal.signed_in(roles=("steward",)) as browser:
        shown = await browser.get(f"/teams/{TEAM}/{MAY}")
    assert shown.status_code == 200
    assert "read wrongly" not in shown.text
    name = str(sources_of(page()).quotes[0].feedback_id)
    async with await portal.signed_in(TEAM) as browser:
        for address in (f"/teams/{TEAM}/{MAY}", ADDRESS, WRITTEN):
            assert name not in (await browser.get(address)).text


async def test_what_was_withdrawn_or_is_old_is_forgotten(portal: Stage) -> None:
    async with await portal.signed_in(TEAM) as browser:
        await corrected(browser)
        withdrawn = sources_of(page()).quotes[0].feedback_id
        await portal.receive(FeedbackWithdrawn(feedback_id=withdrawn, withdrawn_at=datetime.now(UTC)))
        assert await rows(portal, "SELECT * FROM correction") == []
        await corrected(browser, f"/teams/{TEAM}/{MAY}/quotes/2")
        store = corrections.CorrectionStore(portal.database)
        await store.forget(datetime(2026, 1, 1, tzinfo=UTC))
        assert len(await rows(portal, "SELECT * FROM correction")) == 1
        await store.forget(datetime.now(UTC))
    assert await rows(portal, "SELECT * FROM correction") == []


async def test_a_correction_goes_its_whole_way_and_the_comment_is_quoted_no_more(
    portal: Stage, database: AsyncEngine
) -> None:
    desk = Desk(database)
    await desk.take(*month())
    await desk.publishing.settle()
    address = "/teams/riverside-emergency/2026-06-01/quotes/1"
    await portal.receive(desk.published()[-1], sources(desk)[-1])
    quote = desk.published()[-1].quotes[0].text
    async with await portal.signed_in(TEAM) as browser:
        assert quote in (await browser.get(address)).text
        assert (await corrected(browser, address)).status_code == 303
        (event,) = await events(portal, 1)
        await CorrectionStore(database).take([correction_of(event)])
        await desk.publishing.settle()
        await portal.receive(sources(desk)[-1], desk.published()[-1])  # in either order
        shown = (await browser.get("/teams/riverside-emergency/2026-06-01")).text
        assert quote not in shown
        assert "read wrongly" in shown
        assert (await corrected(browser, address)).status_code == 409


def sources(desk: Desk) -> list[PageSources]:
    return [decode(PageSources, r.value, r.headers) for r in desk.publisher.on(PAGE_SOURCES.name) if r.value]


async def test_the_steward_sees_what_is_held_until_it_is_no_more(portal: Stage) -> None:
    await portal.receive(held(TEAM, reasons=("name at text line 2", "new_rule at text")), held(OTHER))
    async with await portal.signed_in(TEAM, roles=("steward",)) as browser:
        shown = (await browser.get("/held")).text
        assert "The team riverside-emergency, May 2026" in shown
        assert "2 June 2026, 07:00" in shown
        assert "There may be a person&#39;s name on it." in shown
        assert "heed summaries --held" in shown
        for team in (TEAM, OTHER):
            await removed(portal, held(team), SUMMARIES_HELD)
        await portal.receive(held())
        assert "No page is held." in (await browser.get("/held")).text
        await portal.receive(held(revision=2))
        assert "The team riverside-emergency, May 2026" in (await browser.get("/held")).text
