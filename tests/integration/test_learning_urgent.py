from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from deploy.cli import heed, run
from deploy.sample.feedback import CATALOGUE as CATALOGUE_FILE
from services.learning.app import running
from services.learning.overdue import UrgentWatch
from services.learning.readings import reading_of, tombstone
from services.learning.settings import LearningSettings
from services.learning.store import ReadingStore
from services.learning.urgent import UrgentStore
from shared.database import engine, migrate
from shared.events import About, FeedbackUrgent, UrgentAcknowledged
from shared.service import at_work
from tests.doubles import RememberingPublisher
from tests.integration.learning_database import SCHEMA, database, emptied, rows, shared_url
from tests.unit.learning_samples import NOON, analysed, identifier
from tests.waiting import until

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.settings import ServiceSettings

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration


def flagged(number: int = 1, version: int = 1, at: datetime = NOON) -> FeedbackUrgent:
    return FeedbackUrgent(
        feedback_id=identifier(number),
        version=version,
        about=About(organisation="Riverside Hospitals"),
        reasons=("lexicon:self_harm", "severity"),
        role="Safeguarding lead",
        severity=0.5,
        occurred_at=at,
        flagged_at=at,
    )


def taken_on(number: int = 1, version: int = 1, role: str = "Safeguarding lead") -> UrgentAcknowledged:
    return UrgentAcknowledged(
        feedback_id=identifier(number), version=version, role=role, acknowledged_at=NOON + timedelta(hours=1)
    )


async def test_heed_urgent_acknowledge_reaches_the_service_over_kafka(
    kafka: ServiceSettings, database: AsyncEngine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command publishes on the topic, and the service that reads it takes the item off the list."""
    store = UrgentStore(database)
    await store.flag([flagged()])
    monkeypatch.setenv("HEED_KAFKA_BOOTSTRAP", kafka.kafka_bootstrap)
    monkeypatch.setenv("HEED_KAFKA_PREFIX", kafka.kafka_prefix)
    monkeypatch.setenv("HEED_KAFKA_EMBEDDED", str(kafka.kafka_embedded))
    monkeypatch.setenv("HEED_LEARNING_DATABASE_URL", url)
    given = LearningSettings(
        database_url=SecretStr(url), catalogue=CATALOGUE_FILE, **kafka.model_dump(exclude_unset=True)
    )

    async def nothing_waits() -> bool:
        return not await store.items()

    asked = ("urgent", "acknowledge", str(identifier(1)), "--role", "Duty manager")
    assert await asyncio.to_thread(run, heed, asked) == 0
    async with at_work(running, given, RememberingPublisher()):
        await until(nothing_waits, 30)

    (item,) = await store.items(everything=True)
    assert item.acknowledged_by == "Duty manager"


@pytest.fixture
def store(database: AsyncEngine) -> UrgentStore:
    return UrgentStore(database)


async def test_an_item_waits_with_its_reasons_and_its_role_until_somebody_takes_it_on(store: UrgentStore) -> None:
    await store.flag([flagged()])

    item = (await store.items())[0]
    assert (item.role, item.reasons) == ("Safeguarding lead", ("lexicon:self_harm", "severity"))

    await store.acknowledge([taken_on(role="Duty manager")])

    assert await store.items() == []
    assert [(item.acknowledged_by, item.acknowledged_at) for item in await store.items(everything=True)] == [
        ("Duty manager", NOON + timedelta(hours=1))
    ]


async def test_an_edit_that_is_urgent_again_wants_another_look(store: UrgentStore) -> None:
    await store.flag([flagged()])
    await store.acknowledge([taken_on()])

    await store.flag([flagged(version=2)])

    assert [item.version for item in await store.items()] == [2]


async def test_a_replay_does_not_open_what_was_taken_on(store: UrgentStore) -> None:
    await store.acknowledge([taken_on()])
    await store.flag([flagged()])
    await store.flag([flagged()])

    assert await store.items() == []


@pytest.mark.parametrize("first", ["flag", "withdrawal"])
async def test_withdrawal_takes_an_item_away_for_ever(database: AsyncEngine, store: UrgentStore, first: str) -> None:
    if first == "flag":
        await store.flag([flagged()])
    await ReadingStore(database).take([tombstone(identifier(1))])

    await store.flag([flagged(), flagged(version=2)])
    await store.acknowledge([taken_on()])

    assert await rows(database, "SELECT * FROM urgent_item") == []


async def test_what_waits_too_long_is_overdue_and_told_once(
    store: UrgentStore, caplog: pytest.LogCaptureFixture
) -> None:
    await store.flag([flagged(1), flagged(2), flagged(3, at=NOON + timedelta(hours=7))])
    await store.acknowledge([taken_on(2)])
    watch = UrgentWatch(store, timedelta(hours=8), lambda: NOON + timedelta(hours=8))

    with caplog.at_level(logging.ERROR):
        await watch.look()
        await watch.look()

    assert await watch.overdue() == 1
    assert [record.message for record in caplog.records] == [
        "1 urgent items wait for longer than 8:00:00; see `heed urgent list`"
    ]


async def test_urgent_words_are_kept_nowhere_beside_the_reading(database: AsyncEngine, store: UrgentStore) -> None:
    await ReadingStore(database).take([reading_of(analysed(1, urgent=True), "riverside-emergency")])
    await store.flag([flagged()])

    assert "kind to us" not in str(await rows(database, "SELECT urgent_item::text FROM urgent_item"))


HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["flag", "acknowledge", "withdraw"]), st.integers(1, 3), st.integers(1, 3)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=HAPPENINGS, data=st.data())
def test_any_order_and_repetition_ends_in_the_same_items(
    url: str, happenings: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    disturbed = data.draw(st.permutations(happenings * 2))

    async def ends_in(sequence: list[tuple[str, int, int]]) -> object:
        made = engine(url, SCHEMA)
        try:
            await migrate(made, SCHEMA, "services.learning:migrations")
            await emptied(made)
            store = UrgentStore(made)
            for what, number, version in sequence:
                if what == "flag":
                    await store.flag([flagged(number, version)])
                elif what == "acknowledge":
                    await store.acknowledge([taken_on(number, version)])
                else:
                    await ReadingStore(made).take([tombstone(identifier(number))])
            return await rows(made, "SELECT urgent_item::text FROM urgent_item ORDER BY feedback_id")
        finally:
            await made.dispose()

    assert asyncio.run(ends_in(disturbed)) == asyncio.run(ends_in(happenings))
