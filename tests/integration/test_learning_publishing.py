from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from services.learning.catalogue import parse
from services.learning.counting import locked
from services.learning.pages import PART, PageStore
from services.learning.publishing import Publishing
from services.learning.readings import reading_of, tombstone
from services.learning.routing import Router
from services.learning.store import ReadingStore
from shared.cloudevents import decode, header
from shared.errors import TransientFault
from shared.events import FeedbackSummarised
from shared.summaries import LearningSummary
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import database, rows, shared_url
from tests.unit.learning_samples import CATALOGUE, MANNER, WAITING, analysed, identifier, teams

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.events import FeedbackAnalysed
    from shared.publisher import Record

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

TEAM = "riverside-emergency"
TOPIC = "team-riverside-emergency-summaries"


class Desk:
    """The parts of the service around one database and a publisher that remembers."""

    def __init__(self, database: AsyncEngine, catalogue: str = CATALOGUE) -> None:
        self.readings = ReadingStore(database)
        self.pages = PageStore(database)
        self.publisher = RememberingPublisher()
        self.teams = parse(catalogue, "teams.yaml")
        self.publishing = self.another(self.publisher)

    def another(self, publisher: RememberingPublisher, quiet: float = 3600, max_delay: float = 3600) -> Publishing:
        return Publishing(self.pages, publisher, self.teams, quiet=quiet, max_delay=max_delay)

    async def take(self, *events: FeedbackAnalysed) -> None:
        router = Router(self.teams)
        await self.readings.take([reading_of(e, router.team_for(e.about, e.source.channel)) for e in events])

    def published(self, topic: str = "learning-summaries") -> list[LearningSummary]:
        return [summary(record) for record in self.publisher.on(topic)]

    async def everything_told(self) -> None:
        """Wait, at most twenty seconds, until the background work has told of a page."""
        async with asyncio.timeout(20):
            while not self.told():  # noqa: ASYNC110 - what is waited for shows in the database, not in an event
                await asyncio.sleep(0.02)

    def told(self) -> list[FeedbackSummarised]:
        return [decode(FeedbackSummarised, r.value, r.headers) for r in self.publisher.on("feedback-summarised")]


def summary(record: Record) -> LearningSummary:
    return decode(LearningSummary, record.value, record.headers)


def month(n: int = 30, start: int = 0, **fields: Any) -> list[FeedbackAnalysed]:
    """A month of praise, each comment in other words."""
    return [
        analysed(start + number, text=f"The nurses were kind, calm and there for us {'so ' * number}much.", **fields)
        for number in range(n)
    ]


@pytest.fixture
def desk(database: AsyncEngine) -> Desk:
    return Desk(database)


async def test_a_page_goes_to_both_topics_and_then_its_feedback_is_told(desk: Desk) -> None:
    await desk.take(*month())

    await desk.publishing.settle()

    topics = ["learning-summaries", "page-sources", TOPIC, "feedback-summarised"]
    assert [record.topic for record in desk.publisher.sent] == topics
    key = b"riverside-emergency:2026-06-01"
    assert [record.key for record in desk.publisher.sent][:3] == [key, key, b"2026-06-01"]
    page = desk.published()[0]
    assert (page.team_id, page.revision, page.heard.responses) == (TEAM, 1, 30)
    assert page == desk.published(TOPIC)[0]
    assert set(desk.told()[0].feedback_ids) == {identifier(number) for number in range(30)}
    assert await desk.publishing.pending() == 0


async def test_nothing_new_sends_nothing(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()
    sent = len(desk.publisher.sent)

    await desk.take(*month())
    await desk.readings.mark_all_due()
    await desk.publishing.settle()

    assert len(desk.publisher.sent) == sent


async def test_new_feedback_makes_a_new_revision_and_only_its_id_is_told(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()

    await desk.take(*month(15, start=100, label=4, themes=[WAITING]))
    await desk.publishing.settle()

    assert [page.revision for page in desk.published()] == [1, 2]
    assert [(told.revision, told.part, len(told.feedback_ids)) for told in desk.told()] == [(1, 0, 30), (2, 1, 15)]


async def test_feedback_that_does_not_change_the_page_is_told_all_the_same(desk: Desk) -> None:
    await desk.take(*month(30, quote_ok=False))
    await desk.publishing.settle()

    await desk.take(*month(1, start=50, quote_ok=False))
    await desk.publishing.settle()

    assert [page.revision for page in desk.published()] == [1]
    assert [(told.revision, told.feedback_ids) for told in desk.told()][1:] == [(1, (identifier(50),))]


async def test_feedback_that_a_replay_holds_locked_is_told_after_it(desk: Desk, database: AsyncEngine) -> None:
    await desk.take(*month())
    async with database.begin() as replay:
        assert len(await locked(replay, [identifier(7)])) == 1  # and what is the same already is not marked as due
        await desk.publishing.settle()
    await desk.publishing.settle()

    told = [identity for each in desk.told() for identity in each.feedback_ids]
    assert sorted(told) == sorted(identifier(number) for number in range(30))
    assert await desk.publishing.pending() == 0


async def test_withdrawal_makes_a_new_revision_without_the_quote_and_the_count(desk: Desk) -> None:
    private = analysed(99, text="They held my hand through the whole of that long night.")
    await desk.take(*month(12, quote_ok=False), private)
    await desk.publishing.settle()
    assert "held my hand" in desk.published()[0].text
    assert desk.published()[0].heard.responses == 15

    await desk.readings.take([tombstone(identifier(99))])
    await desk.publishing.settle()

    page = desk.published(TOPIC)[-1]
    assert page.revision == 2
    assert "held my hand" not in page.text
    assert page.heard.responses == 10
    assert "held my hand" not in str(await rows(desk.pages._database, "SELECT page::text FROM page"))


async def test_withdrawal_of_all_leaves_a_page_that_says_only_too_few(desk: Desk) -> None:
    await desk.take(*month(12))
    await desk.publishing.settle()

    await desk.readings.take([tombstone(identifier(number)) for number in range(12)])
    await desk.publishing.settle()

    assert desk.published()[-1].heard.responses is None
    assert desk.published()[-1].quotes == ()


async def test_a_reading_that_moves_changes_both_teams_pages(desk: Desk) -> None:
    await desk.take(*month(30))
    await desk.publishing.settle()

    await desk.take(*month(15, version=2, service="Maternity"))
    await desk.publishing.settle()

    newest = {page.team_id: page.heard.responses for page in desk.published()}
    assert newest == {TEAM: 15, "harbour-maternity": 15}


async def test_urgent_feedback_is_heard_and_never_quoted(desk: Desk) -> None:
    await desk.take(*month(12, urgent=True, label=5), *month(12, start=50, quote_ok=False))

    await desk.publishing.settle()

    page = desk.published()[0]
    assert page.heard.responses == 25
    assert page.quotes == ()
    assert page.better == ()


async def test_a_crash_between_sending_and_marking_sends_the_same_again(desk: Desk) -> None:
    await desk.take(*month())
    away = RememberingPublisher(away=2)  # the group, then its first page by itself
    with pytest.raises(TransientFault):
        await desk.another(away).settle()
    assert await desk.publishing.pending() == 2

    await desk.publishing.settle()
    first = desk.published()[0]
    await desk.pages.republish_all()
    await desk.publishing.settle()

    assert desk.published() == [first, first]
    ids = [header(record.headers, "ce_id") for record in desk.publisher.sent]
    assert Counter(Counter(ids).values()) == {4: 1, 2: 2}  # the page: two topics, twice; its sources, its list: twice


async def test_a_crash_after_the_page_still_tells_its_feedback(desk: Desk) -> None:
    class Breaking(RememberingPublisher):
        async def send(self, records: Any) -> None:
            if records[0].topic == "feedback-summarised":
                raise TransientFault("the broker is away; this is a test")
            await super().send(records)

    await desk.take(*month())
    with pytest.raises(TransientFault):
        await desk.another(Breaking()).settle()

    await desk.publishing.settle()

    assert [record.topic for record in desk.publisher.sent] == ["feedback-summarised"]


async def test_a_long_list_of_feedback_goes_out_in_parts(desk: Desk) -> None:
    n = 2 * PART + 5
    await desk.take(*(analysed(number) for number in range(n)))

    await desk.publishing.settle()

    told = desk.told()
    assert [(part.part, len(part.feedback_ids)) for part in told] == [(0, PART), (1, PART), (2, 5)]
    assert len({feedback for part in told for feedback in part.feedback_ids}) == n


async def test_lists_of_pages_that_are_written_together_are_numbered_page_by_page(desk: Desk) -> None:
    may, june = datetime(2026, 5, 10, tzinfo=UTC), datetime(2026, 6, 10, tzinfo=UTC)
    await desk.take(*month(12, occurred_at=may))
    await desk.publishing.settle()

    await desk.take(*month(13, start=100, occurred_at=may), *month(14, start=200, occurred_at=june))
    await desk.publishing.settle()

    told = [(part.period.month, part.revision, part.part, len(part.feedback_ids)) for part in desk.told()]
    assert told == [(5, 1, 0, 12), (5, 2, 1, 13), (6, 1, 0, 14)]
    assert await desk.publishing.pending() == 0


async def test_feedback_of_no_team_has_a_page_but_its_receipt_is_told_nothing(desk: Desk) -> None:
    await desk.take(*month(12, service="Renal"))

    await desk.publishing.settle()

    page = desk.published("team-unrouted-summaries")[0]
    assert (page.team_name, page.heard.responses, page.quotes) == ("Nobody yet", 10, ())
    assert desk.told() == []
    assert await desk.publishing.pending() == 0


async def test_a_held_page_publishes_nothing_and_says_why(
    database: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    # A team with a name like a heading: the page of the other one would name it.
    desk = Desk(database, CATALOGUE.replace("Harbour maternity team", "What patients told us"))
    await desk.take(*month())

    with caplog.at_level(logging.ERROR):
        await desk.publishing.settle()

    assert [record.topic for record in desk.publisher.sent] == ["summaries-held"]
    assert await desk.publishing.pending() == 0
    held = await desk.pages.summaries(held=True)
    assert held[0].held == ("other_team at markdown line 3", "other_team at text line 2")
    assert "summary held: team riverside-emergency" in caplog.text
    assert "kind" not in caplog.text


async def test_a_held_page_goes_out_once_its_cause_is_gone(database: AsyncEngine) -> None:
    first = Desk(database, CATALOGUE.replace("Harbour maternity team", "What patients told us"))
    await first.take(*month())
    await first.publishing.settle()

    later = Desk(database)
    await later.readings.mark_all_due()
    await later.publishing.settle()

    assert [page.revision for page in later.published()] == [2]
    assert len(later.told()[0].feedback_ids) == 30


async def test_a_page_that_cannot_be_written_is_held_and_the_others_go_out(desk: Desk) -> None:
    await desk.take(*month(12, themes=["\x00"]), *month(12, start=100, service="Maternity"))

    await desk.publishing.settle()

    assert [page.team_id for page in desk.published()] == ["harbour-maternity"]
    assert [page.held for page in await desk.pages.summaries(held=True)] == [("not_written:ValidationError at page",)]
    assert await desk.publishing.pending() == 0


async def test_a_new_name_of_a_team_makes_a_new_revision(database: AsyncEngine) -> None:
    first = Desk(database)
    await first.take(*month())
    await first.publishing.settle()

    renamed = Desk(database, CATALOGUE.replace("Riverside emergency team", "Riverside front door team"))
    await renamed.readings.mark_all_due()
    await renamed.publishing.settle()

    assert [(page.revision, page.team_name) for page in renamed.published()] == [(2, "Riverside front door team")]


async def test_pages_wait_for_quiet(desk: Desk) -> None:
    await desk.take(*month())
    waiting = desk.another(desk.publisher, quiet=3600, max_delay=3600)

    await waiting._round(quiet=3600, max_delay=3600)

    assert desk.publisher.sent == []
    assert await desk.publishing.pending() == 1


async def test_a_quiet_page_waits_while_another_changes(desk: Desk) -> None:
    await desk.take(*month())
    async with desk.pages._database.begin() as connection:
        await connection.execute(text("UPDATE due_page SET changed_at = changed_at - interval '1 hour'"))
    await desk.take(*month(12, start=100, service="Maternity"))

    await desk.publishing._round(quiet=60, max_delay=3600)

    assert desk.publisher.sent == []


async def test_under_constant_change_a_page_is_written_after_the_longest_delay(desk: Desk) -> None:
    await desk.take(*month())

    await desk.publishing._round(quiet=3600, max_delay=0)

    assert len(desk.published()) == 1


async def test_pages_go_out_in_the_background(desk: Desk) -> None:
    publishing = desk.another(desk.publisher, quiet=0.05)
    async with publishing.keeping_up():
        await desk.take(*month())
        await desk.everything_told()

    assert await publishing.healthy()


async def test_the_background_work_survives_a_broker_that_is_away(desk: Desk) -> None:
    desk.publisher.away = 2
    publishing = desk.another(desk.publisher, quiet=0.05)
    async with publishing.keeping_up():
        await desk.take(*month())
        await desk.everything_told()

    assert len(desk.published()) == 1


async def test_two_members_send_each_page_and_lose_none(desk: Desk) -> None:
    months = [datetime(2024 + m // 12, 1 + m % 12, 5, tzinfo=UTC) for m in range(24)]
    await desk.take(*(analysed(100 * m + n, occurred_at=moment) for m, moment in enumerate(months) for n in range(12)))

    await asyncio.gather(desk.publishing.settle(), desk.another(desk.publisher).settle())
    await desk.publishing.settle()

    assert {page.period for page in desk.published()} == {moment.date().replace(day=1) for moment in months}
    told = {feedback for part in desk.told() for feedback in part.feedback_ids}
    assert len(told) == 24 * 12
    assert await desk.publishing.pending() == 0


async def test_summaries_are_listed_by_team_with_whether_they_are_out(desk: Desk) -> None:
    await desk.take(*month(), *month(12, start=100, service="Maternity"))
    await desk.publishing.settle()

    assert [(page.summary.team_id, page.published, page.held) for page in await desk.pages.summaries()] == [
        ("harbour-maternity", True, ()),
        (TEAM, True, ()),
    ]
    assert [page.summary.team_id for page in await desk.pages.summaries(TEAM)] == [TEAM]
    assert await desk.pages.summaries(held=True) == []
    assert len(await desk.pages.summaries(held=False)) == 2


async def test_praise_is_quoted_on_the_published_page(desk: Desk) -> None:
    await desk.take(*month())
    await desk.publishing.settle()

    quote = desk.published()[0].valued_quote
    assert quote is not None
    assert quote.theme == MANNER
    assert teams().team_ids[0] == TEAM
