"""Control charts: Laney p-prime and u-prime, and XmR, with the icons of Making Data Count (learning.md, section 1).

Pure, standard library only. Sources: Laney, Quality Engineering 14 (2002) 531-537 for p-prime and u-prime; NHS England,
Making Data Count, for the rules and icons; NHSRplotthedots 0.2.2 for the screening of moving ranges.

A *phase* lies between two rebases and has its own mean and limits. A *stretch* is a part of a phase without a gap;
neither a run nor a moving range leaves it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from services.learning.chart_rules import Limits, Signal, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

Kind = Literal["xmr", "p-prime", "u-prime"]
Improvement = Literal["increase", "decrease", "neutral"]
VariationIcon = Literal[
    "common_cause", "improvement_high", "improvement_low", "concern_high", "concern_low", "neutral_high", "neutral_low"
]
AssuranceIcon = Literal["consistent_pass", "consistent_fail", "inconsistent"]

MINIMUM_POINTS = 13
"""Points from which a chart has limits and icons."""

MINIMUM_RESPONSES = 10
"""A period of a share with fewer responses is a gap."""

MINIMUM_EXPECTED = 5
"""A share has limits only where this many are expected in a period on average."""

_RANGE_TO_SIGMA = 1.128
"""Mean moving range of two over sigma (d2)."""

_XMR = 2.66
_SCREEN = 3.267


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a chart.

    Attributes:
        improvement_direction: which way is better.
        rebase: indices of the points that start a new phase.
        target: set by the team itself; in the units of the values.
        screen_outliers: leave moving ranges of 3.267 times their mean or more out of the mean range, once; XmR only.
        r_parity: see `chart_rules.signals`.
        minimum_points: measured points from which there are limits and icons.
    """

    improvement_direction: Improvement = "neutral"
    rebase: tuple[int, ...] = ()
    target: float | None = None
    screen_outliers: bool = False
    r_parity: bool = False
    minimum_points: int = MINIMUM_POINTS


@dataclass(frozen=True, slots=True)
class Point:
    """One period. A gap has neither value nor lines; with too few points there is a mean but no limits.

    Attributes:
        n: the denominator, if there is one.
    """

    value: float | None
    n: float | None = None
    limits: Limits | None = None
    signal: Signal | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, read.

    Attributes:
        state: whether the latest point can be read: "read", or why not.
        since: index of the point at which the latest point's signal began.
        trial: the latest phase has limits, but from fewer points than `minimum_points`.
    """

    points: tuple[Point, ...]
    state: Literal["read", "few_points", "few_expected", "no_reading", "constant"]
    variation_icon: VariationIcon | None = None
    assurance_icon: AssuranceIcon | None = None
    since: int | None = None
    trial: bool = False

    @property
    def latest(self) -> Signal | None:
        """The signal of the latest point."""
        return self.points[-1].signal if self.points and self.state == "read" else None


_Span = list[int]
"""Indices of points, ascending."""


def xmr(values: Sequence[float | None], options: Options | None = None, breaks: Collection[int] = ()) -> Chart:
    """A measure without a denominator.

    Args:
        values: of consecutive periods; None is a gap.
        options: how to read it.
        breaks: indices of points before which a period is missing.
    """
    asked = options or Options()

    def limits_of(phase: _Span) -> list[Limits]:
        measured = [_number(values[index]) for index in phase]
        ranges = [abs(_number(values[b]) - _number(values[a])) for a, b in _steps(phase, breaks)]
        mean = _mean(measured)
        if not ranges:
            return [Limits(mean)] * len(phase)
        reach = _XMR * _mean_range(ranges, screen=asked.screen_outliers)
        near = 2 * reach / 3
        return [Limits(mean, mean - reach, mean + reach, mean - near, mean + near)] * len(phase)

    return _chart([Point(value) for value in values], asked, breaks, limits_of)


def p_prime(
    numerators: Sequence[float | None],
    denominators: Sequence[float | None],
    options: Options | None = None,
    breaks: Collection[int] = (),
) -> Chart:
    """A share: Laney's p-prime.

    Args:
        numerators: how many, 0 to the denominator; None is a gap.
        denominators: of how many responses; None or fewer than 10 is a gap.
        options: how to read it.
        breaks: indices of points before which a period is missing.
    """
    gaps = [n is None or n < MINIMUM_RESPONSES for n in denominators]
    measured = [x for x, gap in zip(numerators, gaps, strict=True) if x is not None and not gap]
    few = math.fsum(measured) < MINIMUM_EXPECTED * len(measured)
    return _laney(
        numerators,
        denominators,
        gaps,
        options=options,
        breaks=breaks,
        variance=lambda mean: mean * (1 - mean),
        ceiling=1.0,
        few=few,
    )


def u_prime(
    numerators: Sequence[float | None],
    denominators: Sequence[float | None],
    options: Options | None = None,
    breaks: Collection[int] = (),
) -> Chart:
    """A rate, such as responses per contact: Laney's u-prime. Give denominators in thousands for a rate per 1,000.

    Args:
        numerators: how many; None is a gap.
        denominators: the exposure, such as contacts; None or 0 is a gap.
        options: how to read it.
        breaks: indices of points before which a period is missing.
    """
    gaps = [not n for n in denominators]
    return _laney(
        numerators,
        denominators,
        gaps,
        options=options,
        breaks=breaks,
        variance=lambda mean: mean,
        ceiling=math.inf,
    )


def _laney(
    numerators: Sequence[float | None],
    denominators: Sequence[float | None],
    gaps: Sequence[bool],
    *,
    options: Options | None,
    breaks: Collection[int],
    variance: Callable[[float], float],
    ceiling: float,
    few: bool = False,
) -> Chart:
    points = [
        Point(None, n) if gap or x is None or n is None else Point(x / n, n)
        for x, n, gap in zip(numerators, denominators, gaps, strict=True)
    ]

    def limits_of(phase: _Span) -> list[Limits]:
        mean = math.fsum(_number(numerators[i]) for i in phase) / math.fsum(_number(denominators[i]) for i in phase)
        spread = {i: math.sqrt(max(variance(mean), 0.0) / _number(denominators[i])) for i in phase}
        z = {i: (_number(points[i].value) - mean) / spread[i] if spread[i] else 0.0 for i in phase}
        ranges = [abs(z[b] - z[a]) for a, b in _steps(phase, breaks)]
        sigma = max(1.0, _mean(ranges) / _RANGE_TO_SIGMA) if ranges else 1.0
        return [_within(mean, spread[i] * sigma, ceiling) for i in phase]

    return _chart(points, options or Options(), breaks, limits_of, few_expected=few)


def _within(mean: float, sigma: float, ceiling: float) -> Limits:
    return Limits(
        mean,
        max(mean - 3 * sigma, 0.0),
        min(mean + 3 * sigma, ceiling),
        max(mean - 2 * sigma, 0.0),
        min(mean + 2 * sigma, ceiling),
    )


def _chart(
    points: Sequence[Point],
    options: Options,
    breaks: Collection[int],
    limits_of: Callable[[_Span], list[Limits]],
    *,
    few_expected: bool = False,
) -> Chart:
    phases = _phases(points, options.rebase)
    measured = sum(map(len, phases))
    few_points = measured < options.minimum_points
    drawn = list(points)
    for phase in phases:
        limits = limits_of(phase)
        for index, lines in zip(phase, limits, strict=True):
            shown = Limits(lines.mean) if few_points or few_expected else lines
            drawn[index] = Point(points[index].value, points[index].n, shown)
        if not few_points and not few_expected:
            _mark(drawn, phase, breaks, r_parity=options.r_parity)
    state = _state(drawn, phases, few_points=few_points, few_expected=few_expected)
    if state != "read":
        return Chart(tuple(drawn), state)
    latest = drawn[-1]
    return Chart(
        tuple(drawn),
        state,
        variation_icon=_variation(latest.signal, options.improvement_direction),
        assurance_icon=_assurance(latest.limits, options),
        since=latest.signal.since if latest.signal else None,
        trial=len(phases[-1]) < options.minimum_points,
    )


def _mark(drawn: list[Point], phase: _Span, breaks: Collection[int], *, r_parity: bool) -> None:
    """Give the points of a phase their signals, stretch by stretch."""
    for stretch in _stretches(phase, breaks):
        values = [_number(drawn[index].value) for index in stretch]
        limits = [lines for index in stretch if (lines := drawn[index].limits) is not None]
        for index, signal in zip(stretch, signals(values, limits, r_parity=r_parity), strict=True):
            if signal is not None:
                moved = Signal(signal.rule, signal.direction, signal.since + stretch[0])
                drawn[index] = Point(drawn[index].value, drawn[index].n, drawn[index].limits, moved)


def _state(
    drawn: Sequence[Point], phases: Sequence[_Span], *, few_points: bool, few_expected: bool
) -> Literal["read", "few_points", "few_expected", "no_reading", "constant"]:
    if few_points or not drawn:
        return "few_points"
    if drawn[-1].value is None:
        return "no_reading"
    current = phases[-1]
    if len(current) < 2:
        return "few_points"
    if len({drawn[index].value for index in current}) == 1:
        return "constant"
    if few_expected:
        return "few_expected"
    lines = drawn[-1].limits
    return "few_points" if lines is None or lines.upper is None else "read"


def _variation(signal: Signal | None, improvement: Improvement) -> VariationIcon:
    if signal is None:
        return "common_cause"
    if improvement == "neutral":
        return "neutral_high" if signal.direction == "high" else "neutral_low"
    if signal.direction == "high":
        return "improvement_high" if improvement == "increase" else "concern_high"
    return "improvement_low" if improvement == "decrease" else "concern_low"


def _assurance(limits: Limits | None, options: Options) -> AssuranceIcon | None:
    """Whether the system, as it is, always meets the target; strictly beyond a limit, as everywhere."""
    if options.target is None or options.improvement_direction == "neutral":
        return None
    if limits is None or limits.lower is None or limits.upper is None:
        return None
    if limits.lower <= options.target <= limits.upper:
        return "inconsistent"
    met = (options.target < limits.lower) == (options.improvement_direction == "increase")
    return "consistent_pass" if met else "consistent_fail"


def _phases(points: Sequence[Point], rebase: Iterable[int]) -> list[_Span]:
    """Measured points between rebases; a phase without any is left out."""
    edges = sorted({0, len(points), *rebase})
    spans = [[i for i in range(start, end) if points[i].value is not None] for start, end in pairwise(edges)]
    return [span for span in spans if span]


def _stretches(phase: _Span, breaks: Collection[int]) -> list[_Span]:
    stretches: list[_Span] = []
    for index in phase:
        if stretches and stretches[-1][-1] == index - 1 and index not in breaks:
            stretches[-1].append(index)
        else:
            stretches.append([index])
    return stretches


def _steps(phase: _Span, breaks: Collection[int]) -> list[tuple[int, int]]:
    """Neighbours between which there is a moving range."""
    return [step for stretch in _stretches(phase, breaks) for step in pairwise(stretch)]


def _mean_range(ranges: Sequence[float], *, screen: bool) -> float:
    mean = _mean(ranges)
    kept = [each for each in ranges if each < _SCREEN * mean] if screen else []
    return (_mean(kept) if kept else 0.0) or mean


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _number(value: float | None) -> float:
    """A value that is known to be measured."""
    if value is None:
        raise ValueError("a gap has no value")
    return value
