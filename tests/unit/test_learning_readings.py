from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learning.readings import (
    CounterKey,
    Reading,
    deltas,
    measures_of,
    newest,
    reading_of,
    supersedes,
    tombstone,
)
from shared.events import AnalysedSegment, MediaReference, Theme
from tests.unit.learning_samples import MANNER, WAITING, analysed, identifier, reading, sentiment


def test_a_comment_counts_once_under_each_measure() -> None:
    assert measures_of(analysed(label=4, themes=[WAITING, MANNER])) == {
        ("responses", ""),
        ("read", ""),
        ("channel", "survey"),
        ("kind", "comment"),
        ("question", "nonspecific"),
        ("role", "unknown"),
        ("age", "unknown"),
        ("language", "english"),
        ("text", "with"),
        ("model", "sample-1"),
        ("sentiment", "4"),
        ("theme", WAITING),
        ("theme_negative", WAITING),
        ("theme", MANNER),
        ("theme_negative", MANNER),
    }


def test_urgent_feedback_is_a_voice_but_adds_nothing_to_a_summarys_words() -> None:
    measures = {measure for measure, _ in measures_of(analysed(label=5, urgent=True))}

    assert {"responses", "urgent", "channel"} <= measures
    assert not {m for m in measures if m.startswith("theme")} | {"sentiment", "read"} & measures


def test_urgent_feedback_is_never_quotable() -> None:
    details = reading_of(analysed(urgent=True, quote_ok=True), "a").details

    assert details is not None
    assert details["quote_ok"] is False


def test_a_recording_without_words_is_a_voice() -> None:
    measures = measures_of(analysed(segments=(), sentiment=None, themes=(), kind="video"))

    assert ("responses", "") in measures
    assert ("text", "without") in measures
    assert ("read", "") not in measures


def test_a_recording_is_known_by_its_id_and_each_stretch_by_its_second() -> None:
    film = MediaReference(media_id=str(identifier(7)), content_type="video/mp4", duration_seconds=6, stored=True)
    elsewhere = MediaReference(media_id=str(identifier(8)), content_type="video/mp4")
    odd = MediaReference(media_id="film 9", content_type="video/mp4", stored=True)
    said = AnalysedSegment(text="Kind.", sentiment=sentiment(1), start_seconds=2.5, end_seconds=4.0)
    written = AnalysedSegment(text="As I wrote.", sentiment=sentiment(1))
    details = reading_of(analysed(segments=(written, said), media=(elsewhere, odd, film)), "a").details

    assert details is not None
    assert details["media"] == [{"media_id": str(identifier(7)), "content_type": "video/mp4"}]
    assert [segment.get("start_seconds") for segment in details["segments"]] == [None, 2.5]
    assert "start_seconds" not in details["segments"][0], "as rows have it that were written before"


def test_a_recording_in_which_somebody_is_named_is_not_to_be_played() -> None:
    film = MediaReference(media_id=str(identifier(7)), content_type="video/mp4", stored=True)
    details = reading_of(analysed(media=(film,), redactions={"name": 1}), "a").details

    assert details is not None
    assert details["media"] == []


def test_a_theme_takes_the_tone_of_the_segments_that_raise_it() -> None:
    kind = AnalysedSegment(text="Kind.", sentiment=sentiment(1), themes=(Theme(name=MANNER, probability=1),))
    slow = AnalysedSegment(text="Slow.", sentiment=sentiment(5), themes=(Theme(name=WAITING, probability=1),))

    measures = measures_of(analysed(label=3, themes=[MANNER, WAITING], segments=(kind, slow)))

    assert {m for m in measures if m[0].startswith("theme_")} == {
        ("theme_positive", MANNER),
        ("theme_negative", WAITING),
    }


@pytest.mark.parametrize(("tag", "language"), [("en-GB", "english"), ("pl", "other"), (None, "unknown")])
def test_languages_are_told_apart_coarsely(tag: str | None, language: str) -> None:
    assert ("language", language) in measures_of(analysed(language=tag))


def test_a_nul_character_does_not_reach_the_database() -> None:
    assert "\x00" not in str(reading_of(analysed(text="A\x00B", model_version="m\x00"), "a"))


def test_in_one_batch_a_withdrawal_wins_over_any_version() -> None:
    gone = tombstone(identifier(1))

    assert newest([reading(1, 1), gone, reading(1, 9)]) == [gone]


def test_in_one_batch_the_highest_version_wins() -> None:
    assert [item.version for item in newest([reading(1, 2), reading(1, 3), reading(1, 1)])] == [3]


class Model:
    """The store in plain dictionaries: what PostgreSQL must end up with."""

    def __init__(self) -> None:
        self.rows: dict[object, Reading] = {}
        self.counters: Counter[CounterKey] = Counter()

    def take(self, batch: list[Reading]) -> None:
        gone, come = [], []
        for arriving in newest(batch):
            held = self.rows.get(arriving.feedback_id)
            if held is not None and not supersedes(arriving, held):
                continue
            gone += [held] if held else []
            come.append(arriving)
            self.rows[arriving.feedback_id] = arriving
        self.counters.update(deltas(gone, come))

    def recount(self) -> dict[CounterKey, int]:
        return deltas([], self.rows.values())


ARRIVING = st.builds(
    lambda number, version, team, theme, withdrawn: (
        tombstone(identifier(number)) if withdrawn else reading(number, version, team, [("theme", theme)])
    ),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from("ab"),
    st.sampled_from("xyz"),
    st.booleans(),
)


def same_content_per_version(events: list[Reading]) -> list[Reading]:
    """A version of a piece of feedback has one content; a repeated one is a replay."""
    first: dict[tuple[object, int], Reading] = {}
    return [
        event if event.withdrawn else first.setdefault((event.feedback_id, event.version), event) for event in events
    ]


@given(st.lists(st.lists(ARRIVING, max_size=6), max_size=8))
def test_counters_always_equal_a_recount(batches: list[list[Reading]]) -> None:
    model = Model()
    for batch in batches:
        model.take(batch)

        assert {key: count for key, count in model.counters.items() if count} == model.recount()


@given(st.lists(ARRIVING, max_size=12).map(same_content_per_version), st.data())
def test_order_repetition_and_batching_do_not_matter(events: list[Reading], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events + events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    straight, disturbed = Model(), Model()
    straight.take(events)
    for start, end in pairwise([0, *cuts, len(shuffled)]):
        disturbed.take(shuffled[start:end])

    assert disturbed.rows == straight.rows
    assert +disturbed.counters == +straight.counters


def test_a_new_version_moves_its_counts_to_another_team() -> None:
    old = reading(1, 1, "a")

    assert deltas([old], [replace(old, version=2, team_id="b")]) == {
        ("a", old.period, "responses", ""): -1,
        ("b", old.period, "responses", ""): 1,
    }
