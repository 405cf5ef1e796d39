"""The four rules that tell a signal from noise (NHS England, Making Data Count; learning.md, section 1).

Pure functions of one stretch: consecutive points of one phase, without a gap. Where two rules meet, the first of
outside, trend, two in three, shift is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RuleName = Literal["outside", "trend", "two_in_three", "shift"]
Direction = Literal["high", "low"]

RUN = 7
"""Points that make a shift, and a trend: a trend has one step fewer."""

ROUNDING = 1e-12
"""Share of the largest value by which a computed line may miss its true place: a point on a line is not beyond it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The lines of one point. Without a single moving range there is a mean but nothing to lay limits by."""

    mean: float
    lower: float | None = None
    upper: float | None = None
    near_lower: float | None = None
    near_upper: float | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What a rule says of one point.

    Attributes:
        since: index in the stretch at which what the rule sees began.
    """

    rule: RuleName
    direction: Direction
    since: int


def signals(values: Sequence[float], limits: Sequence[Limits], *, r_parity: bool = False) -> list[Signal | None]:
    """The signal of each point of one stretch, None where it is common cause.

    Args:
        values: of consecutive points.
        limits: of the same points.
        r_parity: points beyond a limit do not count towards two in three, as in NHSRplotthedots 0.2.2.
    """
    slack = ROUNDING * max((abs(value) for value in values), default=0.0)
    found: list[Signal | None] = [None] * len(values)
    for rule in (
        _shifts(values, limits, slack),
        _two_in_three(values, limits, slack, r_parity=r_parity),
        _trends(values),
        _outside(values, limits, slack),
    ):
        # The later rule takes precedence.
        for index, signal in rule:
            found[index] = signal
    return found


def _sides(
    values: Sequence[float], lows: Sequence[float | None], highs: Sequence[float | None], slack: float
) -> list[Direction | None]:
    """On which side of a pair of lines each value lies strictly; None between them or on one."""
    sides: list[Direction | None] = []
    for value, low, high in zip(values, lows, highs, strict=True):
        if high is not None and value - high > slack:
            sides.append("high")
        elif low is not None and low - value > slack:
            sides.append("low")
        else:
            sides.append(None)
    return sides


def _beyond_limits(values: Sequence[float], limits: Sequence[Limits], slack: float) -> list[Direction | None]:
    return _sides(values, [line.lower for line in limits], [line.upper for line in limits], slack)


def _beside_mean(values: Sequence[float], limits: Sequence[Limits], slack: float) -> list[Direction | None]:
    means = [line.mean for line in limits]
    return _sides(values, means, means, slack)


def _runs(marks: Sequence[Direction | None]) -> Iterator[tuple[int, int, Direction]]:
    """Longest runs of one mark, as first index, index after the last, mark."""
    start = 0
    for end in range(1, len(marks) + 1):
        mark = marks[start]
        if end == len(marks) or marks[end] != mark:
            if mark is not None:
                yield start, end, mark
            start = end


def _outside(values: Sequence[float], limits: Sequence[Limits], slack: float) -> Iterator[tuple[int, Signal]]:
    for start, end, side in _runs(_beyond_limits(values, limits, slack)):
        for index in range(start, end):
            yield index, Signal("outside", side, start)


def _trends(values: Sequence[float]) -> Iterator[tuple[int, Signal]]:
    steps: list[Direction | None] = [
        "high" if after > before else "low" if after < before else None for before, after in pairwise(values)
    ]
    for start, end, way in _runs(steps):
        if end - start >= RUN - 1:
            # Steps start … end-1 join the points start … end.
            for index in range(start, end + 1):
                yield index, Signal("trend", way, start)


def _two_in_three(
    values: Sequence[float], limits: Sequence[Limits], slack: float, *, r_parity: bool
) -> Iterator[tuple[int, Signal]]:
    beside = _beside_mean(values, limits, slack)
    near = _sides(values, [line.near_lower for line in limits], [line.near_upper for line in limits], slack)
    if r_parity:
        outside = _beyond_limits(values, limits, slack)
        near = [None if beyond else close for close, beyond in zip(near, outside, strict=True)]
    began: dict[int, int] = {}
    for start in range(len(values) - 2):
        window = range(start, start + 3)
        side = beside[start]
        if side is None or any(beside[index] != side for index in window):
            continue
        close = [index for index in window if near[index] == side]
        if len(close) >= 2:
            since = min(began.get(index, index) for index in close)
            for index in close:
                began[index] = since
                yield index, Signal("two_in_three", side, since)


def _shifts(values: Sequence[float], limits: Sequence[Limits], slack: float) -> Iterator[tuple[int, Signal]]:
    for start, end, side in _runs(_beside_mean(values, limits, slack)):
        if end - start >= RUN:
            for index in range(start, end):
                yield index, Signal("shift", side, start)
