from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.learning import store
from services.learning.readings import Reading, reading_of, tombstone
from services.learning.store import Change, ReadingStore, Tally, TeamCount, UnroutedGroup
from shared.database import engine, migrate
from shared.errors import TransientFault
from tests.integration.learning_database import (
    SCHEMA,
    counters,
    database,
    emptied,
    recount,
    rows,
    shared_url,
)
from tests.unit.learning_samples import JUNE, MANNER, WAITING, analysed, identifier

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration


def read(number: int, version: int = 1, team: str = "a", **fields: object) -> Reading:
    return reading_of(analysed(number, version=version, **fields), team)  # type: ignore[arg-type]


async def agree(database: AsyncEngine) -> dict[tuple[str, str, str, str], int]:
    found = await counters(database)
    assert found == await recount(database)
    return found


async def test_a_batch_is_kept_and_counted(database: AsyncEngine) -> None:
    change = await ReadingStore(database).take([read(1, label=1), read(2, label=4, themes=[WAITING])])

    assert change == Change(arrived=2, replaced=0, ignored=0, unrouted=0, voices={"survey": 2})
    found = await agree(database)
    assert found["a", str(JUNE), "responses", ""] == 2
    assert found["a", str(JUNE), "theme_positive", MANNER] == 1
    assert found["a", str(JUNE), "theme_negative", WAITING] == 1


async def test_every_column_is_kept(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1, label=2, rating=5, text="“Kind”, they\u2019re all")])

    assert await rows(
        database,
        "SELECT version, team_id, period, occurred_at, organisation, service, unit, channel, kind, question_type, "
        "language, rating, sentiment, themes ->> 0, round(severity::numeric, 3)::text, urgent, quote_ok, "
        "segments -> 0 ->> 'text', model_version, included_revision FROM reading",
    ) == [
        (
            1,
            "a",
            JUNE,
            datetime(2026, 6, 10, 12, tzinfo=UTC),
            "Riverside Hospitals",
            "Emergency department",
            None,
            "survey",
            "comment",
            "nonspecific",
            "en",
            5,
            2,
            '{"name": "Staff manner & personal attributes", "probability": 0.9}',
            "0.100",
            False,
            True,
            "“Kind”, they\u2019re all",
            "sample-1",
            None,
        )
    ]


async def test_a_replay_changes_nothing(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    batch = [read(1), read(2)]
    await store.take(batch)
    before = await agree(database)
    await rows(database, "SELECT 1")

    assert await store.take([*batch, *batch]) == Change(arrived=0, replaced=0, ignored=4, unrouted=0)
    assert await agree(database) == before


async def test_a_replay_does_not_make_a_page_due(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    await store.take([read(1)])
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM due_page"))

    await store.take([read(1)])

    assert await rows(database, "SELECT * FROM due_page") == []


async def test_a_higher_version_replaces_and_may_move(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    await store.take([read(1, 1, "a")])

    await store.take([read(1, 2, "b", occurred_at=datetime(2026, 7, 2, tzinfo=UTC), label=5)])

    found = await agree(database)
    assert {key[:2] for key in found} == {("b", "2026-07-01")}
    assert {pair[0] for pair in await rows(database, "SELECT team_id FROM due_page")} == {"a", "b"}


async def test_a_lower_version_is_ignored(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    await store.take([read(1, 2, label=1)])

    await store.take([read(1, 1, label=5)])

    assert await rows(database, "SELECT version, sentiment FROM reading") == [(2, 1)]
    await agree(database)


async def test_withdrawal_takes_the_words_and_the_counts_and_leaves_the_id(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    await store.take([read(1, text="A very private thing.")])

    await store.take([tombstone(identifier(1))])

    assert await agree(database) == {}
    assert "private" not in str(await rows(database, "SELECT reading::text FROM reading"))
    assert await rows(database, "SELECT feedback_id, withdrawn, team_id, organisation FROM reading") == [
        (identifier(1), True, None, None)
    ]


@pytest.mark.parametrize("version", [1, 99])
async def test_a_version_after_the_withdrawal_stays_forgotten(database: AsyncEngine, version: int) -> None:
    store = ReadingStore(database)
    await store.take([tombstone(identifier(1))])

    await store.take([read(1, version)])

    assert await agree(database) == {}
    assert await store.finished() == {identifier(1): 0}


async def test_members_that_work_on_the_same_feedback_agree(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    batches = [
        [read(number, version, team) for number in range(40)] for version, team in ((1, "a"), (2, "b"), (3, "a"))
    ]

    await asyncio.gather(
        *(store.take(batch) for batch in batches * 2),
        store.take([tombstone(identifier(number)) for number in range(0, 40, 4)]),
    )

    found = await agree(database)
    assert found["a", str(JUNE), "responses", ""] == 30
    assert {key[0] for key in found} == {"a"}


async def test_what_no_team_receives_is_grouped_by_where_it_comes_from(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    lost = [read(number, 1, "unrouted", service="Renal") for number in range(3)]
    change = await store.take([*lost, read(9, 1, "unrouted", service=None), read(10)])

    assert change.unrouted == 4
    assert await store.unrouted() == [
        UnroutedGroup("Riverside Hospitals", "Renal", 3),
        UnroutedGroup("Riverside Hospitals", None, 1),
    ]


async def test_counts_and_finished_feedback_are_told(database: AsyncEngine) -> None:
    store = ReadingStore(database)
    await store.take([read(1, 3), read(2, occurred_at=datetime(2026, 7, 2, tzinfo=UTC)), read(3, team="b")])

    assert await store.counts() == {"a": TeamCount(n=2, periods=2), "b": TeamCount(n=1, periods=1)}
    assert await store.finished() == {identifier(1): 3, identifier(2): 1, identifier(3): 1}
    assert await store.tally([identifier(1), identifier(8)]) == Tally(read=1, urgent=0)


async def test_an_empty_batch_is_no_work(database: AsyncEngine) -> None:
    assert await ReadingStore(database).take([]) == Change(0, 0, 0, 0)


async def test_migrating_again_changes_nothing(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1)])

    await migrate(database, SCHEMA, "services.learning:migrations")

    assert len(await ReadingStore(database).finished()) == 1


async def test_a_database_that_is_away_is_a_transient_fault() -> None:
    away = engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", SCHEMA)

    with pytest.raises(TransientFault):
        await ReadingStore(away).take([read(1)])
    await away.dispose()


EVENTS = st.lists(
    st.builds(
        lambda number, version, withdrawn: (
            # What a version says depends on its number alone: the same version is always the same content.
            tombstone(identifier(number))
            if withdrawn
            else read(
                number,
                version,
                "ab"[(number + version) % 2],
                label=1 + (number * version) % 5,
                occurred_at=datetime(2026, 5 + version, 3, tzinfo=UTC),
                urgent=version == 2 and number % 2 == 0,
            )
        ),
        st.integers(1, 5),
        st.integers(1, 3),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, data=st.data())
def test_any_order_repetition_and_batching_ends_in_the_same_rows(
    url: str, events: list[Reading], data: st.DataObject
) -> None:
    disturbed = data.draw(st.permutations(events * 2))
    cut = data.draw(st.integers(0, len(disturbed)))

    async def ends_in(*batches: list[Reading]) -> tuple[object, object]:
        made = engine(url, SCHEMA)
        try:
            await migrate(made, SCHEMA, "services.learning:migrations")
            await emptied(made)
            for batch in batches:
                await ReadingStore(made).take(batch)
                await agree(made)
            return await rows(made, "SELECT reading::text FROM reading ORDER BY feedback_id"), await counters(made)
        finally:
            await made.dispose()

    straight = asyncio.run(ends_in(events))

    assert asyncio.run(ends_in(disturbed[:cut], disturbed[cut:])) == straight


async def test_pages_become_due_in_the_order_of_code_points(database: AsyncEngine) -> None:
    """As `take` marks them, so that the two wait for each other; the stage's PostgreSQL has no other collation."""
    plan = await rows(database, f"EXPLAIN {store._ALL_DUE.text}")

    assert any('team_id COLLATE "C"' in str(line) for (line,) in plan)
