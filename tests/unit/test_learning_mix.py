"""The mix of channels: when it has moved by more than chance."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest

from services.learning import patterns
from services.learning.patterns import divergence, mix_moved
from services.learning.periods import following
from tests.unit.learning_samples import counts

START = date(2025, 1, 1)


@pytest.mark.parametrize(
    ("one", "other", "moved"),
    [
        ({"a": 50}, {"a": 500}, False),
        ({"a": 50}, {"b": 500}, True),
        ({"a": 30, "b": 20}, {"a": 300, "b": 200}, False),
        ({"a": 10, "b": 10}, {"a": 16, "b": 4}, False),
        ({"a": 5, "b": 45}, {"a": 300, "b": 200}, True),
        ({"a": 10, "b": 6, "c": 5}, {"a": 9, "c": 9, "d": 3}, False),
    ],
)
def test_a_mix_has_moved_by_much_and_beyond_chance(one: dict[str, int], other: dict[str, int], moved: bool) -> None:
    assert mix_moved(one, other) == moved


def test_divergence_is_zero_for_one_mix_and_one_for_two_strangers() -> None:
    assert divergence({"a": 1, "b": 3}, {"a": 10, "b": 30}) == pytest.approx(0, abs=1e-12)
    assert divergence({"a": 1}, {"b": 10}) == pytest.approx(1)
    assert divergence({}, {"a": 1}) == 0


def test_ten_steady_channels_are_not_said_to_move_by_chance() -> None:
    """Of 300 months of 27 responses through ten channels, next to none is a step (chance: 1 in 1,000)."""
    source = random.Random(5)  # noqa: S311 - a simulation
    months = [_mix(source) for _ in range(300)]
    line = patterns.timeline(
        patterns.table_of(counts(27, channel=months[-1])),
        following(START, "month"),
        {},
        "month",
    )
    line = replace(line, starts=tuple(START for _ in months), tables=tuple({"channel": mix} for mix in months))

    assert len(patterns.steps(line)) <= 3


def _mix(source: random.Random) -> dict[str, int]:
    names = [source.choice("aaabbcdefghij") for _ in range(27)]
    return {name: names.count(name) for name in set(names)}
