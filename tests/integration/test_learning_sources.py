"""Where a page's quotes come from goes out beside it; and that a page is held goes to who looks after the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from services.learning import outgoing
from services.learning.correcting import CorrectionStore
from services.learning.corrections import Correction
from services.learning.readings import tombstone
from shared.cloudevents import decode, header
from shared.errors import TransientFault
from shared.held import SummaryHeld
from shared.sources import PageSources
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import database, rows, shared_url
from tests.integration.test_learning_publishing import Desk, desk, month
from tests.unit.learning_samples import CATALOGUE, NOON, WAITING, analysed, identifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.publisher import Record

__all__ = ["database", "desk", "shared_url"]

pytestmark = pytest.mark.integration

HELD = CATALOGUE.replace("Harbour maternity team", "What patients told us")
"""A team with a name like a heading: the page of every other one would name it, and is held."""

SAME = "They held my hand through the whole of that long night."
KEY = b"riverside-emergency:2026-06-01"


def sources(publisher: RememberingPublisher) -> list[PageSources]:
    return [decode(PageSources, r.value, r.headers) for r in publisher.on("page-sources") if r.value]


def quoted(publisher: RememberingPublisher) -> set[UUID]:
    return {quote.feedback_id for quote in sources(publisher)[-1].quotes}


async def checked(desk: Desk) -> tuple[PageSources, int]:
    """The newest sources, which must be of the newest page and as many as its quotes."""
    page, newest = desk.published()[-1], sources(desk.publisher)[-1]
    assert (newest.team_id, newest.period, newest.revision) == (page.team_id, page.period, page.revision)
    assert len(newest.quotes) == len(page.quotes)
    assert await desk.publishing.pending() == 0
    return newest, page.revision


async def test_sources_go_out_in_the_same_send_as_their_page_and_are_on_no_topic_of_teams(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()
    made, revision = await checked(desk)
    assert revision == 1
    assert made.quotes
    assert {theme.tone for quote in made.quotes for theme in quote.themes} == {"positive"}
    for record in desk.publisher.sent:
        told = record.topic in {"page-sources", "feedback-summarised"}
        assert told or not any(str(quote.feedback_id).encode() in (record.value or b"") for quote in made.quotes)


async def test_a_correction_takes_the_comment_out_of_quotes_and_sources_at_once(
    desk: Desk, database: AsyncEngine
) -> None:
    await desk.take(*month())
    await desk.publishing.settle()
    one = sources(desk.publisher)[-1].quotes[0]
    correction = Correction(one.feedback_id, one.version, 1, 4, ((WAITING, "negative"),), NOON)
    await CorrectionStore(database).take([correction])
    await desk.publishing.settle()
    _, revision = await checked(desk)
    assert revision == 2
    assert one.feedback_id not in quoted(desk.publisher)


async def test_what_was_withdrawn_leaves_the_sources_in_the_revision_in_which_its_quote_leaves(desk: Desk) -> None:
    await desk.take(*month(12, quote_ok=False), analysed(99, text=SAME))
    await desk.publishing.settle()
    assert quoted(desk.publisher) == {identifier(99)}
    await desk.readings.take([tombstone(identifier(99))])
    await desk.publishing.settle()
    made, revision = await checked(desk)
    assert (made.quotes, revision) == ((), 2)
    assert str(identifier(99)) not in str(await rows(desk.pages._database, "SELECT page::text FROM page"))


async def test_the_same_words_of_somebody_else_make_a_new_revision_with_the_other_source(desk: Desk) -> None:
    first, second = sorted((98, 99), key=lambda number: str(identifier(number)))
    await desk.take(*month(30, quote_ok=False), analysed(98, text=SAME), analysed(99, text=SAME))
    await desk.publishing.settle()
    assert quoted(desk.publisher) == {identifier(first)}
    await desk.readings.take([tombstone(identifier(first))])
    await desk.publishing.settle()
    before, after = desk.published()
    assert before.text == after.text, "else this test is about another change"
    assert quoted(desk.publisher) == {identifier(second)}
    assert (await checked(desk))[1] == 2


async def test_pages_sent_again_have_their_sources_again_under_the_same_id(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()
    await desk.pages.republish_all()
    await desk.publishing.settle()
    one, again = sources(desk.publisher)
    assert one == again
    assert len({header(r.headers, "ce_id") for r in desk.publisher.on("page-sources")}) == 1


async def test_a_page_from_before_there_were_sources_gets_them_without_a_new_revision(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()
    async with desk.pages._database.begin() as connection:
        await connection.exec_driver_sql("UPDATE page SET sources = NULL, sources_revision = NULL")
    assert await desk.publishing.pending() == 0
    await desk.readings.mark_all_due()
    await desk.publishing.settle()
    one, again = sources(desk.publisher)
    assert one == again
    assert [page.revision for page in desk.published()] == [1, 1]
    assert await desk.publishing.pending() == 0


async def test_a_member_of_an_older_version_leaves_no_sources_of_other_quotes(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()
    async with desk.pages._database.begin() as connection:  # as it writes, without the new columns
        await connection.exec_driver_sql(
            "UPDATE page SET revision = 2, published_revision = 2, payload = jsonb_set(payload, '{revision}', '2')"
        )
    await desk.readings.mark_all_due()
    await desk.publishing.settle()
    assert (await checked(desk))[1] == 2


async def test_what_waits_is_found_without_looking_at_every_page(database: AsyncEngine) -> None:
    async with database.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO page (team_id, period, revision, payload, sources, sources_revision, written_at, "
            "published_revision) SELECT 'team-' || number, '2026-06-01', 1, '{}', '{\"revision\": 1}', 1, now(), 1 "
            "FROM generate_series(1, 5000) AS number"
        )
        await connection.exec_driver_sql("ANALYZE page")
        given = {"limit": 8, "without": []}
        plans = [
            str((await connection.execute(text(f"EXPLAIN {query}"), given)).all())
            for query in (outgoing._PAGES, outgoing._HOLDINGS)
        ]
    assert "Index Scan using page_unpublished" in plans[0]
    assert "Index Scan using page_holding_changed" in plans[1]


def held(publisher: RememberingPublisher) -> list[SummaryHeld | None]:
    told = publisher.on("summaries-held")
    assert {record.key for record in told} <= {KEY}
    return [decode(SummaryHeld, r.value, r.headers) if r.value else None for r in told]


async def test_a_held_page_is_told_once_with_its_rules_and_no_word_and_sends_no_sources(
    database: AsyncEngine,
) -> None:
    desk = Desk(database, HELD)
    await desk.take(*month())
    await desk.publishing.settle()
    await desk.readings.mark_all_due()
    await desk.publishing.settle()
    (told,) = held(desk.publisher)
    assert told is not None
    assert (told.team_id, told.revision) == ("riverside-emergency", 1)
    assert told.reasons == ("other_team at markdown line 3", "other_team at text line 2")
    assert [record.topic for record in desk.publisher.sent] == ["summaries-held"]
    assert b"nurses" not in (desk.publisher.sent[0].value or b"")


async def test_it_is_held_since_the_first_of_its_revisions_and_told_to_be_out_once_it_is(
    database: AsyncEngine,
) -> None:
    desk = Desk(database, HELD)
    await desk.take(*month())
    await desk.publishing.settle()
    await desk.take(*month(15, start=100, label=4, themes=[WAITING]))
    await desk.publishing.settle()
    mended = Desk(database)
    mended.publisher = desk.publisher
    mended.publishing = mended.another(desk.publisher)
    await mended.readings.mark_all_due()
    await mended.publishing.settle()
    first, second, gone = held(desk.publisher)
    assert first is not None
    assert second is not None
    assert (first.revision, second.revision, gone) == (1, 2, None)
    assert first.held_at == second.held_at
    assert await rows(database, "SELECT held_since, held_told FROM page") == [(None, None)]
    assert (await checked(mended))[1] == 3


async def test_a_broker_that_is_away_delays_the_word_that_a_page_is_held(database: AsyncEngine) -> None:
    class Away(RememberingPublisher):
        async def send(self, records: Sequence[Record]) -> None:
            if self.away and records[0].topic == "summaries-held":
                self.away -= 1
                raise TransientFault("the broker is away; this is a test")
            await super().send(records)

    desk = Desk(database, HELD)
    await desk.take(*month())
    with pytest.raises(TransientFault):
        await desk.another(Away(away=1)).settle()
    assert await desk.publishing.pending() == 1
    await desk.publishing.settle()
    assert len(held(desk.publisher)) == 1
    await desk.pages.republish_all()
    await desk.publishing.settle()
    assert len(held(desk.publisher)) == 2
