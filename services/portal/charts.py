"""A chart as coordinates: what its template draws as inline SVG. Everything drawn is in the payload, nothing computed.

Told by shape, not by colour: an ordinary point is a filled circle, a special one a hollow triangle that points to the
side it lies on. A gap stays open. No axis has numbers of its own: the usual level and the last value are told below,
in letters that do not shrink with the drawing on a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from shared import period_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.summaries import ChartPoint, ChartStep, ThemeChart

WIDTH, HEIGHT = 640, 200
SIDE, TOP, BOTTOM = 12, 22, 12
"""Margins; the top one holds the letters of steps."""

RULES = {
    "outside": "beyond a limit",
    "trend": "part of a run in one direction",
    "two_in_three": "near a limit, as others beside it",
    "shift": "part of a run on one side of the usual level",
}

STEPS = {
    "model": "a new version of the model reads the comments",
    "channels": "people reach us in other ways",
    "rebase": "the chart starts anew, as the team decided",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A point: where it is, and its shape (`circle`, `up`, `down`)."""

    x: float
    y: float
    shape: str

    @property
    def outline(self) -> str:
        """The corners of a triangle around it."""
        tip, base = (-7, 5) if self.shape == "up" else (7, -5)
        return f"{self.x},{self.y + tip} {self.x - 6.5},{self.y + base} {self.x + 6.5},{self.y + base}"


@dataclass(frozen=True, slots=True)
class StepMark:
    """A step: a line across time with a letter, which the words below the chart explain."""

    x: float
    letter: str
    told: str


@dataclass(frozen=True, slots=True)
class Row:
    """One period in the table of numbers; an empty text is "not told"."""

    period: str
    share: str
    responses: str
    lower: str
    upper: str
    noted: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart, ready to be drawn.

    Attributes:
        bands: polygons of what chance explains, one for each unbroken stretch.
        edges: the limits as lines.
        lines: the values as lines, broken at gaps.
        mean: the usual level, over the latest phase.
        usual: what it is, in words, and the latest value.
    """

    title: str
    described: str
    bands: tuple[str, ...]
    edges: tuple[str, ...]
    lines: tuple[str, ...]
    mean: str
    marks: tuple[Mark, ...]
    steps: tuple[StepMark, ...]
    usual: str
    first: str
    last: str
    rows: tuple[Row, ...]
    has_special: bool
    target: str | None = None

    width = WIDTH
    height = HEIGHT
    floor = HEIGHT - BOTTOM
    top = TOP


def drawing(chart: ThemeChart, steps: Sequence[ChartStep], kind: str) -> Drawing:
    """Lay a chart out.

    Args:
        chart: at least one point.
        steps: of the page; those within the chart's time are drawn.
        kind: month, quarter or week.
    """
    points = chart.points
    scale = _Scale(chart)
    verb = "Valued" if chart.tone == "valued" else "Raised"
    first, last = period_names.span(points[0].period, kind), period_names.span(points[-1].period, kind)
    special = [point for point in points if point.rule and point.percent is not None]
    limited = [point.lower is not None and point.upper is not None for point in points]
    noted = tuple(_steps(points, steps, scale, kind))
    return Drawing(
        title=f"{verb}: {chart.label}",
        described=_described(chart, kind, len(special)),
        bands=tuple(_band(points, run, scale) for run in _runs(limited)),
        edges=tuple(
            scale.path([(i, (points[i].lower if low else points[i].upper) or 0) for i in run])
            for run in _runs(limited)
            for low in (True, False)
        ),
        lines=tuple(
            scale.path([(i, points[i].percent or 0) for i in run])
            for run in _runs([point.percent is not None for point in points])
        ),
        mean=scale.path([(_latest_phase(points, steps), chart.mean), (len(points) - 1, chart.mean)]),
        marks=tuple(
            Mark(scale.x(i), scale.y(point.percent), _shape(point))
            for i, point in enumerate(points)
            if point.percent is not None
        ),
        steps=noted,
        usual=_usual(chart),
        first=first,
        last=last,
        rows=tuple(_row(point, steps, kind) for point in reversed(points)),
        has_special=bool(special),
        target=None if chart.target is None else scale.path([(0, chart.target), (len(points) - 1, chart.target)]),
    )


class _Scale:
    """From a period's index and a percentage to coordinates."""

    def __init__(self, chart: ThemeChart) -> None:
        points = chart.points
        told = [value for p in points for value in (p.percent, p.upper) if value is not None]
        self._highest = max([*told, chart.mean, chart.target or 0, 1])
        self._step = (WIDTH - 2 * SIDE) / max(len(points) - 1, 1)

    def x(self, index: int) -> float:
        return round(SIDE + self._step * index, 1)

    def y(self, percent: int) -> float:
        return round(HEIGHT - BOTTOM - percent * (HEIGHT - TOP - BOTTOM) / self._highest, 1)

    def path(self, places: Sequence[tuple[int, int]]) -> str:
        return " ".join(f"{self.x(index)},{self.y(percent)}" for index, percent in places)


def _shape(point: ChartPoint) -> str:
    if not point.rule:
        return "circle"
    return "down" if point.direction == "low" else "up"


def _band(points: Sequence[ChartPoint], run: Sequence[int], scale: _Scale) -> str:
    return scale.path([(i, points[i].upper or 0) for i in run] + [(i, points[i].lower or 0) for i in reversed(run)])


def _latest_phase(points: Sequence[ChartPoint], steps: Sequence[ChartStep]) -> int:
    """Where the latest phase begins: the mean is its alone."""
    begun = [step.period for step in steps if step.kind == "rebase"]
    starts = [i for i, point in enumerate(points) if point.period in begun]
    return max(starts, default=0)


def _steps(points: Sequence[ChartPoint], steps: Sequence[ChartStep], scale: _Scale, kind: str) -> list[StepMark]:
    places = {point.period: index for index, point in enumerate(points)}
    drawn: list[StepMark] = []
    for step in steps:
        if step.period in places:
            told = f"{STEPS[step.kind]}, from {period_names.span(step.period, kind)}"
            told += f" ({step.reason})" if step.reason else ""
            drawn.append(StepMark(scale.x(places[step.period]), chr(ord("A") + len(drawn) % 26), told))
    return drawn


def _usual(chart: ThemeChart) -> str:
    latest = chart.points[-1].percent
    return f"Usual: {chart.mean}%. Latest: {'no reading' if latest is None else f'{latest}%'}."


def _described(chart: ThemeChart, kind: str, special: int) -> str:
    verb = "value" if chart.tone == "valued" else "raise"
    first, last = (period_names.span(point.period, kind) for point in (chart.points[0], chart.points[-1]))
    told = (
        f"Share of comments that {verb} {chart.label}, from {first} to {last}. The line across is the usual level, "
        f"{chart.mean}%; the band is what chance explains."
    )
    latest = chart.points[-1].percent
    told += " The latest period has no reading." if latest is None else f" The latest value is {latest}%."
    return told + (" Points that stand out are drawn as triangles." if special else " No point stands out.")


def _row(point: ChartPoint, steps: Sequence[ChartStep], kind: str) -> Row:
    noted = [STEPS[step.kind] for step in steps if step.period == point.period]
    if point.rule:
        side = {"high": "high, ", "low": "low, "}.get(point.direction or "", "")
        noted.insert(0, side + RULES[point.rule])
    if point.percent is None:
        noted.insert(0, "too few comments")
    return Row(
        period=period_names.span(point.period, kind),
        share=_percent(point.percent),
        responses="" if point.responses is None else f"about {point.responses}",
        lower=_percent(point.lower),
        upper=_percent(point.upper),
        noted="; ".join(noted),
    )


def _percent(value: int | None) -> str:
    return "" if value is None else f"{value}%"


def _runs(held: Sequence[bool]) -> list[list[int]]:
    """Indices where it holds, one list for each unbroken run."""
    numbered = groupby(enumerate(held), key=lambda item: item[1])
    return [[index for index, _ in run] for holds, run in numbered if holds]
