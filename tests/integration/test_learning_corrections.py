from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.relearning import relearn
from services.analysis.reader import Reader
from services.learning.correcting import CorrectionChange, CorrectionStore
from services.learning.corrections import Correction
from services.learning.counting import parsed
from services.learning.readings import Reading, reading_of, tombstone
from services.learning.rereading import RereadingStore
from services.learning.store import ReadingStore
from shared.database import engine, migrate
from shared.errors import HeedError
from shared.events import AnalysedSegment, MediaReference
from tests.analysis_doubles import FakeEncoder
from tests.integration.learning_database import (
    SCHEMA,
    counters,
    database,
    emptied,
    recount,
    rows,
    shared_url,
)
from tests.unit.learning_samples import JUNE, MANNER, NOON, WAITING, analysed, identifier, sentiment

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration

AS_WAITING = (("Timeliness of care", "negative"),)


def read(number: int, version: int = 1, **fields: object) -> Reading:
    return reading_of(analysed(number, version=version, **fields), "a")  # type: ignore[arg-type]


def correction(
    number: int = 1,
    version: int = 1,
    of: int = 1,
    sentiment: int | None = None,
    themes: tuple[tuple[str, str], ...] | None = AS_WAITING,
) -> Correction:
    return Correction(identifier(number), version, of, sentiment, themes, NOON)


async def count(database: AsyncEngine, measure: str, value: str) -> int:
    found = await counters(database)
    assert found == await recount(database)
    return found.get(("a", str(JUNE), measure, value), 0)


def silent(done: int, total: int) -> None:
    assert done <= total


async def test_a_correction_changes_the_counters_and_a_replay_nothing(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1)])
    store = CorrectionStore(database)

    assert await store.take([correction()]) == CorrectionChange(applied=1, kept=0, ignored=0)
    assert await store.take([correction()]) == CorrectionChange(applied=0, kept=0, ignored=1)

    assert await count(database, "theme_negative", WAITING) == 1
    assert await count(database, "theme", MANNER) == 0
    assert await count(database, "sentiment", "1") == 1


async def test_a_sentiment_takes_the_themes_of_the_same_tone_along(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1)])

    await CorrectionStore(database).take([correction(sentiment=4, themes=None)])

    assert await count(database, "sentiment", "4") == 1
    assert await count(database, "theme_negative", MANNER) == 1
    assert await count(database, "theme_positive", MANNER) == 0


async def test_a_later_correction_replaces_the_earlier_one_as_a_whole(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1)])
    store = CorrectionStore(database)
    await store.take([correction(of=2, sentiment=3, themes=None)])
    await store.take([correction(of=1)])

    assert await count(database, "sentiment", "3") == 1
    assert await count(database, "theme_neutral", MANNER) == 1
    assert await count(database, "theme_negative", WAITING) == 0


async def test_a_correction_that_comes_before_its_reading_waits_for_it(database: AsyncEngine) -> None:
    assert (await CorrectionStore(database).take([correction()])).kept == 1

    await ReadingStore(database).take([read(1)])

    assert await count(database, "theme_negative", WAITING) == 1


async def test_a_correction_of_words_to_come_ends_that_of_the_words_before(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1)])
    await CorrectionStore(database).take([correction()])

    await CorrectionStore(database).take([correction(version=2)])

    assert await count(database, "theme_negative", WAITING) == 0
    assert await count(database, "theme_positive", MANNER) == 1


async def test_an_edit_ends_a_correction(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1)])
    await CorrectionStore(database).take([correction()])

    await ReadingStore(database).take([read(1, 2)])
    late = await CorrectionStore(database).take([correction(of=2)])

    assert late.ignored == 1
    assert await count(database, "theme_positive", MANNER) == 1
    assert await rows(database, "SELECT * FROM correction") == []


@pytest.mark.parametrize("late", [False, True])
async def test_withdrawal_takes_the_correction_and_the_example_away(database: AsyncEngine, late: bool) -> None:
    store = CorrectionStore(database)
    await ReadingStore(database).take([read(1)])
    if not late:
        await store.take([correction()])
    await ReadingStore(database).take([tombstone(identifier(1))])
    if late:
        await store.take([correction()])

    assert await rows(database, "SELECT * FROM correction") == []
    assert [example async for example in store.examples()] == []
    assert await counters(database) == {}


async def test_urgent_feedback_adds_nothing_corrected_or_not(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1, urgent=True)])

    await CorrectionStore(database).take([correction(sentiment=5)])

    assert await count(database, "theme", WAITING) == 0
    assert await count(database, "sentiment", "5") == 0
    assert [example async for example in CorrectionStore(database).examples()] == []


async def test_what_was_corrected_can_be_learnt_from(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(number, text=f"A story of {number}.") for number in range(3)])
    await CorrectionStore(database).take([correction(1, sentiment=4)])

    (example,) = [example async for example in CorrectionStore(database).examples()]

    assert (example.text, example.sentiment, example.themes) == ("A story of 1.", 4, (WAITING,))
    assert example.corrected == ("sentiment", "themes")


async def test_another_model_reads_stored_words_once(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1, text="They were kind."), read(2, text="A long wait."), read(3)])
    await CorrectionStore(database).take([correction(3)])
    reader = Reader(FakeEncoder())

    assert await relearn(database, reader, silent) == 3
    assert await relearn(database, reader, silent) == 0

    assert await count(database, "model", "fake-1") == 3
    assert await count(database, "model", "sample-1") == 0
    assert await count(database, "theme_positive", "Staff manner") == 1
    assert await count(database, "theme_negative", "Waiting") == 1
    assert await count(database, "theme_negative", WAITING) == 1
    assert await count(database, "responses", "") == 3


async def test_another_model_leaves_words_in_their_recording(database: AsyncEngine) -> None:
    """Written words have no second, and keep none; stretches may be cut elsewhere, at their own words' seconds."""
    film = MediaReference(media_id=str(identifier(9)), content_type="video/mp4", stored=True)
    words = (("As I wrote.", None), ("They were kind to us.", 2.5), ("We had a long wait.", 9.0))
    said = tuple(AnalysedSegment(text=text, sentiment=sentiment(1), start_seconds=start) for text, start in words)
    await ReadingStore(database).take([read(1, segments=said, media=(film,)), read(2)])

    assert await relearn(database, Reader(FakeEncoder(room=7)), silent) == 2

    query = "SELECT media, segments FROM reading WHERE feedback_id = '{}'"
    ((media, segments),) = await rows(database, query.format(identifier(1)))
    assert parsed(media) == [{"media_id": str(identifier(9)), "content_type": "video/mp4"}]
    starts = [(segment["text"], segment.get("start_seconds")) for segment in parsed(segments)]
    assert starts == [(text, start) for text, start in words]
    ((media, segments),) = await rows(database, query.format(identifier(2)))
    assert parsed(media) == []
    assert "start_seconds" not in parsed(segments)[0]


async def test_a_replay_does_not_bring_the_old_reading_back(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1, text="A long wait.")])
    await relearn(database, Reader(FakeEncoder()), silent)

    await ReadingStore(database).take([read(1, text="A long wait.")])

    assert await count(database, "theme", "Waiting") == 1
    assert await count(database, "theme", MANNER) == 0


async def test_an_interrupted_run_goes_on_where_it_stopped(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.relearning.AT_ONCE", 2)
    await ReadingStore(database).take([read(number) for number in range(5)])

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await relearn(database, Reader(FakeEncoder()), stop)
    assert await count(database, "model", "fake-1") == 2

    assert await relearn(database, Reader(FakeEncoder()), silent) == 3
    assert await count(database, "responses", "") == 5


async def test_two_runs_do_not_work_side_by_side(database: AsyncEngine) -> None:
    other = RereadingStore(database)
    assert await other.alone()
    try:
        with pytest.raises(HeedError, match="another"):
            await relearn(database, Reader(FakeEncoder()), silent)
    finally:
        await other.close()
    assert await relearn(database, Reader(FakeEncoder()), silent) == 0


async def test_words_that_a_model_cannot_read_keep_their_reading(database: AsyncEngine) -> None:
    await ReadingStore(database).take([read(1, text="boom"), read(2, text="A long wait.")])

    assert await relearn(database, Reader(FakeEncoder(crash="boom")), silent) == 1

    assert await count(database, "model", "sample-1") == 1


Happening = tuple[str, int, int, int]
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["read", "read", "correct", "correct", "withdraw"]),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=12,
)


ASTRAY = """
    SELECT feedback_id FROM reading JOIN correction AS c USING (feedback_id)
    WHERE withdrawn OR c.version < reading.version OR (c.version = reading.version) <> (uncorrected IS NOT NULL)
"""
"""Corrections that should be gone or should have been applied, and those that were although they are of other words."""


async def happen(database: AsyncEngine, happening: Happening) -> None:
    what, number, version, of = happening
    if what == "read":
        await ReadingStore(database).take(
            [
                reading_of(
                    analysed(
                        number,
                        version=version,
                        label=1 + (number * version) % 5,
                        text=("They were kind.", "A long wait.", "The food.")[version % 3],
                        occurred_at=datetime(2026, 4 + version, 3, tzinfo=UTC),
                        urgent=version == 3 and number == 1,
                    ),
                    "ab"[(number + version) % 2],
                )
            ]
        )
    elif what == "correct":
        themes = ((WAITING, "neutral"),) if of != 2 else None
        await CorrectionStore(database).take([correction(number, version, of, of if of != 3 else None, themes)])
    else:
        await ReadingStore(database).take([tombstone(identifier(number))])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=HAPPENINGS, data=st.data())
def test_counters_are_a_recount_whatever_happens_in_whatever_order(
    url: str, happenings: list[Happening], data: st.DataObject
) -> None:
    disturbed = data.draw(st.permutations(happenings * 2))
    interrupted = data.draw(st.integers(0, len(disturbed)))

    async def ends_in(sequence: list[Happening], relearnt_after: int) -> tuple[object, object]:
        made = engine(url, SCHEMA)
        try:
            await migrate(made, SCHEMA, "services.learning:migrations")
            await emptied(made)
            for step, happening in enumerate(sequence):
                await happen(made, happening)
                if step == relearnt_after:
                    await relearn(made, Reader(FakeEncoder()), silent)
                assert await counters(made) == await recount(made)
                assert await rows(made, ASTRAY) == []
            await relearn(made, Reader(FakeEncoder()), silent)
            assert await counters(made) == await recount(made)
            return await rows(made, "SELECT reading::text FROM reading ORDER BY feedback_id"), await counters(made)
        finally:
            await made.dispose()

    assert asyncio.run(ends_in(disturbed, interrupted)) == asyncio.run(ends_in(happenings, -1))
