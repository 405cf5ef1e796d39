"""What leaves the learning service's tables by the clock, and what proves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.learning.correcting import CorrectionStore
from services.learning.corrections import Correction
from services.learning.retention import Retention
from services.learning.settings import LearningSettings
from services.learning.urgent import UrgentStore
from tests.integration.learning_database import counters, database, rows, shared_url
from tests.integration.test_learning_publishing import Desk, month
from tests.integration.test_learning_urgent import flagged, taken_on
from tests.unit.learning_samples import NOON, WAITING, identifier
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

LISTS = "SELECT part, published FROM included_part ORDER BY part"


@pytest.fixture
def settings(url: str, tmp_path: Path) -> LearningSettings:
    return LearningSettings(database_url=url, catalogue=tmp_path, purge_interval=0.05)


async def test_lists_that_were_sent_leave_on_time_and_an_audit_row_says_so(
    database: AsyncEngine, settings: LearningSettings
) -> None:
    desk = Desk(database)
    await desk.take(*month())
    await desk.publishing.settle()
    sent = datetime.now(UTC)

    assert await Retention(database, settings, lambda: sent + timedelta(days=29)).forget() == 0
    assert await rows(database, LISTS) == [(0, True)]
    later = sent + timedelta(days=31)
    assert await Retention(database, settings, lambda: later).forget() == 1
    assert await rows(database, LISTS) == []
    assert await rows(database, "SELECT at, action, number, before FROM audit") == [
        (later, "forgot lists of ids", 1, later - timedelta(days=30))
    ]
    await Retention(database, settings, lambda: later + timedelta(days=731)).forget()
    assert await rows(database, "SELECT id FROM audit WHERE action = 'forgot lists of ids'") == []


async def test_what_was_forgotten_changes_nothing_that_follows(
    database: AsyncEngine, settings: LearningSettings
) -> None:
    desk = Desk(database)
    await desk.take(*month())
    await desk.publishing.settle()
    await Retention(database, settings, lambda: datetime.now(UTC) + timedelta(days=31)).forget()

    await desk.take(*month(15, start=100, label=4, themes=[WAITING]))
    await desk.publishing.settle()

    assert [(told.revision, told.part, len(told.feedback_ids)) for told in desk.told()] == [(1, 0, 30), (2, 1, 15)]


async def test_a_list_that_waits_is_kept_however_old(database: AsyncEngine, settings: LearningSettings) -> None:
    desk = Desk(database)
    await desk.take(*month())
    await desk.pages.write_due(
        desk.publishing._editor.write, quiet=0, max_delay=0, limit=8, now=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert await Retention(database, settings).forget() == 0
    assert await rows(database, LISTS) == [(0, False)]


async def test_the_job_runs_by_itself(database: AsyncEngine, settings: LearningSettings) -> None:
    desk = Desk(database)
    async with Retention(database, settings, lambda: datetime.now(UTC) + timedelta(days=31)).at_work():
        await desk.take(*month())
        await desk.publishing.settle()

        async def forgotten() -> bool:
            return await rows(database, LISTS) == []

        await until(forgotten)


async def test_words_leave_on_time_and_their_counts_stay(database: AsyncEngine, settings: LearningSettings) -> None:
    desk = Desk(database)
    await desk.take(*month())
    await desk.publishing.settle()
    assert desk.published()[-1].valued_quote is not None
    before = await counters(database)

    assert await Retention(database, settings, lambda: NOON + timedelta(days=400)).forget() == 1  # the list alone
    later = NOON + timedelta(days=401)
    assert await Retention(database, settings, lambda: later).forget() == 30
    await desk.publishing.settle()

    assert await counters(database) == before
    assert "kind" not in str(await rows(database, "SELECT segments::text FROM reading"))
    assert desk.published()[-1].quotes == ()
    assert await rows(database, "SELECT action, number FROM audit ORDER BY id DESC LIMIT 1") == [
        ("forgot redacted words", 30)
    ]


async def test_corrected_words_stay_longer_to_learn_from(database: AsyncEngine, settings: LearningSettings) -> None:
    await Desk(database).take(*month())
    corrections = CorrectionStore(database)
    await corrections.take([Correction(identifier(3), 1, 1, 4, None, NOON)])

    await Retention(database, settings, lambda: NOON + timedelta(days=1_000)).forget()
    assert len([example async for example in corrections.examples()]) == 1

    await Retention(database, settings, lambda: NOON + timedelta(days=1_096)).forget()
    assert [example async for example in corrections.examples()] == []


async def test_urgent_items_leave_once_they_were_taken_on(database: AsyncEngine, settings: LearningSettings) -> None:
    store = UrgentStore(database)
    await store.flag([flagged(1), flagged(2)])
    await store.acknowledge([taken_on(1)])

    await Retention(database, settings, lambda: NOON + timedelta(days=500)).forget()

    assert [item.feedback_id for item in await store.items(everything=True)] == [identifier(2)]
