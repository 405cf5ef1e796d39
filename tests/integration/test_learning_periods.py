from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.learning.catalogue import parse
from services.learning.pages import Material, Page, PageStore, Writing
from services.learning.periods import Calendar, period_of
from services.learning.publishing import Editor, Publishing
from services.learning.readings import reading_of, tombstone
from services.learning.regrouping import count_by
from services.learning.store import ReadingStore
from shared.summaries import LearningSummary
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import counters, database, recount, rows, shared_url
from tests.unit.learning_samples import CATALOGUE, JUNE, NOON, analysed, identifier

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.learning.periods import PeriodKind

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

TEAM = "riverside-emergency"


class Clock:
    """Stands until it is told to go on."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """A service's parts with periods and a clock of the test's own."""

    def __init__(self, database: AsyncEngine, kind: PeriodKind = "month", now: datetime = NOON) -> None:
        self.kind: PeriodKind = kind
        self.clock = Clock(now)
        self.readings = ReadingStore(database)
        self.pages = PageStore(database, kind)
        self.publisher = RememberingPublisher()
        self.publishing = Publishing(
            self.pages,
            self.publisher,
            parse(CATALOGUE, "teams.yaml"),
            quiet=3600,
            max_delay=3600,
            clock=self.clock,
            calendar=Calendar(kind, timedelta(days=7)),
        )

    async def take(self, numbers: range, occurred_at: datetime = NOON) -> None:
        events = [analysed(number, occurred_at=occurred_at, quote_ok=False) for number in numbers]
        await self.readings.take([reading_of(event, TEAM, self.kind) for event in events])

    def published(self) -> list[tuple[date, int, bool]]:
        pages = [LearningSummary.model_validate_json(r.value or b"") for r in self.publisher.on("learning-summaries")]
        return [(page.period, page.revision, page.provisional) for page in pages]


async def test_the_page_of_an_open_period_is_provisional_and_is_written_anew_when_it_closes(
    database: AsyncEngine,
) -> None:
    desk = Desk(database)
    await desk.take(range(12))
    await desk.publishing.settle()
    desk.clock.now = datetime(2026, 7, 7, 22, 59, tzinfo=UTC)
    await desk.publishing.settle()
    assert desk.published() == [(JUNE, 1, True)]

    desk.clock.now = datetime(2026, 7, 7, 23, tzinfo=UTC)
    await desk.publishing.settle()
    await desk.publishing.settle()

    assert desk.published() == [(JUNE, 1, True), (JUNE, 2, False)]
    assert await rows(database, "SELECT closes_at FROM page") == [(None,)]


async def test_late_data_makes_a_new_revision_of_a_closed_period(database: AsyncEngine) -> None:
    desk = Desk(database, now=datetime(2026, 9, 1, tzinfo=UTC))
    await desk.take(range(12))
    await desk.publishing.settle()

    await desk.take(range(100, 110))
    await desk.publishing.settle()

    assert desk.published() == [(JUNE, 1, False), (JUNE, 2, False)]


async def test_a_longer_grace_keeps_an_open_page_open_without_end(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take(range(12))
    await desk.publishing.settle()
    longer = Publishing(
        desk.pages,
        desk.publisher,
        parse(CATALOGUE, "teams.yaml"),
        quiet=3600,
        max_delay=3600,
        clock=lambda: datetime(2026, 7, 10, tzinfo=UTC),
        calendar=Calendar("month", timedelta(days=60)),
    )

    await longer.settle()

    assert desk.published() == [(JUNE, 1, True)]
    assert await longer.pending() == 0


async def test_a_change_has_the_later_pages_of_its_team_looked_at(database: AsyncEngine) -> None:
    desk = Desk(database)
    for month in (4, 5, 6):
        await desk.take(range(20 * month, 20 * month + 12), datetime(2026, month, 10, tzinfo=UTC))
    await desk.publishing.settle()

    await desk.readings.take([tombstone(identifier(100))])

    assert await rows(database, "SELECT period FROM due_page ORDER BY 1") == [(date(2026, 5, 1),), (JUNE,)]


async def test_a_page_is_written_from_its_own_counts_and_those_before_it(database: AsyncEngine) -> None:
    desk = Desk(database)
    for month in (4, 6):
        await desk.take(range(20 * month, 20 * month + month), datetime(2026, month, 10, tzinfo=UTC))
    await desk.take(range(900, 903), datetime(2020, 1, 10, tzinfo=UTC))
    seen: dict[date, dict[date, int]] = {}
    editor = Editor(parse(CATALOGUE, "teams.yaml"), desk.clock, Calendar())

    def write(material: Material, newest: Page | None) -> Writing:
        seen[material.period] = {
            period: counts[("responses", "")]
            for period, counts in [*material.history.items(), (material.period, material.counts)]
        }
        return editor.write(material, newest)

    await desk.pages.write_due(write, quiet=0, max_delay=0, limit=8, now=desk.clock())

    assert seen[JUNE] == {date(2026, 4, 1): 4, JUNE: 6}
    assert seen[date(2026, 4, 1)] == {date(2026, 4, 1): 4}
    assert seen[date(2020, 1, 1)] == {date(2020, 1, 1): 3}


@pytest.mark.parametrize("kind", ["week", "quarter", "month"])
async def test_another_kind_of_period_counts_everything_anew(database: AsyncEngine, kind: PeriodKind) -> None:
    desk = Desk(database)
    moments = [datetime(2026, 1 + n % 12, 1 + n % 28, n % 24, 30, tzinfo=UTC) for n in range(60)]
    await desk.readings.take([reading_of(analysed(n, occurred_at=m), TEAM) for n, m in enumerate(moments)])
    await desk.readings.take([tombstone(identifier(3))])

    changed = await count_by(database, kind)

    assert changed is (kind != "month")
    assert await counters(database) == await recount(database)
    heard = {key[1]: count for key, count in (await counters(database)).items() if key[2] == "responses"}
    assert set(heard) == {str(period_of(moment, kind)) for n, moment in enumerate(moments) if n != 3}
    assert sum(heard.values()) == 59
    assert await count_by(database, kind) is False


async def test_members_that_start_together_count_anew_once(database: AsyncEngine) -> None:
    desk = Desk(database)
    await desk.take(range(12))

    assert sorted(await asyncio.gather(count_by(database, "week"), count_by(database, "week"))) == [False, True]

    assert await counters(database) == await recount(database)


async def test_pages_of_the_old_periods_are_taken_back(database: AsyncEngine) -> None:
    months = Desk(database, now=datetime(2027, 1, 1, tzinfo=UTC))
    await months.take(range(12), datetime(2026, 5, 5, tzinfo=UTC))
    await months.publishing.settle()

    await count_by(database, "quarter")
    quarters = Desk(database, "quarter", now=datetime(2027, 1, 1, tzinfo=UTC))
    await quarters.publishing.settle()

    sent = quarters.publisher.on("learning-summaries")
    assert {(record.key, record.value is None) for record in sent} == {
        (f"{TEAM}:2026-04-01".encode(), False),
        (f"{TEAM}:2026-05-01".encode(), True),
    }
    assert await quarters.publishing.pending() == 0
