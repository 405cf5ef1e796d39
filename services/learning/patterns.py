"""The charts of a team's themes: each theme and tone as a p-prime chart over its own periods, and nobody else's.

Cost: the number of periods times the number of themes. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from services.learning.charts import MINIMUM_EXPECTED, MINIMUM_POINTS, Chart, Options, p_prime
from services.learning.periods import following
from shared.summaries import MINIMUM_RESPONSES, ChartStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from services.learning.periods import PeriodKind
    from services.learning.readings import Measure

Tone = Literal["valued", "better"]

MEASURES: dict[Tone, str] = {"valued": "theme_positive", "better": "theme_negative"}

MOVED = 0.1
"""Jensen-Shannon divergence in bits from which the mix of channels may have changed."""

_SURE = 3.09
"""Normal quantile: a mix has changed only if chance makes such a difference less than 1 time in 1,000."""

MIX_MINIMUM = 20
"""Responses from which a mix of channels is compared (learning.md, section 4)."""

Counts = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Rebase:
    """A person's decision that a new phase began, and why."""

    period: date
    reason: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A team's periods in order, up to the page's own; None where a period is missing.

    Attributes:
        starts: first days.
        tables: counters of each period.
        read: comments read in each.
    """

    starts: tuple[date, ...]
    tables: tuple[Counts, ...]

    @property
    def read(self) -> list[int | None]:
        """Comments that were read in each period; None where none was."""
        return [table.get("read", {}).get("") for table in self.tables]

    def raised(self, tone: Tone, theme: str) -> list[int]:
        """How many comments of each period raised a theme in a tone."""
        return [table.get(MEASURES[tone], {}).get(theme, 0) for table in self.tables]


@dataclass(frozen=True, slots=True)
class ThemePattern:
    """One theme's chart in one tone.

    Attributes:
        since: the period in which the latest point's signal began.
        channels_moved: the mix of channels changed while the signal grew, so it is not read.
        target: the team's own, in percent.
    """

    theme: str
    tone: Tone
    chart: Chart
    since: date | None = None
    channels_moved: bool = False
    target: float | None = None

    @property
    def signals(self) -> bool:
        """Whether the latest point is special cause, and may be read as that."""
        return self.chart.latest is not None and not self.channels_moved


def table_of(counts: Mapping[Measure, int]) -> Counts:
    """The counters of one period, by measure; zeros left out."""
    table: Counts = defaultdict(dict)
    for (measure, value), count in counts.items():
        if count > 0:
            table[measure][value] = count
    return dict(table)


def timeline(own: Counts, period: date, history: Mapping[date, Mapping[Measure, int]], kind: PeriodKind) -> Timeline:
    """Every period from the first described one on, missing ones too."""
    earlier = {start: table_of(counts) for start, counts in history.items() if start < period}
    described = [start for start, table in earlier.items() if table.get("read", {}).get("", 0) >= MINIMUM_RESPONSES]
    starts = []
    start = min(described, default=period)
    while start < period:
        starts.append(start)
        start = following(start, kind)
    return Timeline((*starts, period), (*(earlier.get(start, {}) for start in starts), own))


def patterns(
    line: Timeline, *, rebases: Sequence[Rebase] = (), targets: Mapping[str, float] | None = None
) -> list[ThemePattern]:
    """Charts that can be read, one per theme and tone: 13 points, 5 comments expected, and a latest point.

    Args:
        line: the team's periods.
        rebases: where a person started a new phase.
        targets: by theme, the share in percent that the team itself aims at for what could be better.
    """
    read = line.read
    if len(read) < MINIMUM_POINTS:
        return []
    moved = _channel_steps(line)
    rebase = tuple(sorted({i for each in rebases if (i := _index(line.starts, each.period)) is not None}))
    found = []
    for tone, measure in MEASURES.items():
        for theme in sorted({theme for table in line.tables for theme in table.get(measure, {})}):
            counts = line.raised(tone, theme)
            if sum(counts) < MINIMUM_EXPECTED * MINIMUM_POINTS:
                continue
            aim = (targets or {}).get(theme) if tone == "better" else None
            options = Options(
                improvement_direction="increase" if tone == "valued" else "decrease",
                rebase=rebase,
                target=None if aim is None else aim / 100,
            )
            # Counts of a missing period are nobody's; p_prime takes the denominator's word for it.
            chart = p_prime([min(x, n or 0) for x, n in zip(counts, read, strict=True)], read, options)
            if chart.state == "read" and not chart.trial:
                since = None if chart.since is None else line.starts[chart.since]
                apart = since is not None and any(start >= since for start in moved)
                found.append(ThemePattern(theme, tone, chart, since, apart, aim))
    return found


def steps(line: Timeline, rebases: Sequence[Rebase] = ()) -> tuple[ChartStep, ...]:
    """Where the main model version or the mix of channels changed, and where a person started a new phase."""
    found = [ChartStep(period=start, kind="model") for start in _model_steps(line)]
    found += [ChartStep(period=start, kind="channels") for start in _channel_steps(line)]
    found += [
        ChartStep(period=line.starts[index], kind="rebase", reason=each.reason)
        for each in rebases
        if (index := _index(line.starts, each.period)) is not None
    ]
    return tuple(sorted(found, key=lambda step: (step.period, step.kind)))


def divergence(one: Mapping[str, int], other: Mapping[str, int], weight: float = 0.5) -> float:
    """Jensen-Shannon divergence of two mixes, in bits: 0 the same; 1 nothing in common, at equal weights.

    Args:
        one: counts by name.
        other: the same of the other mix.
        weight: of the first, 0 to 1.
    """
    whole, others = sum(one.values()), sum(other.values())
    if not whole or not others:
        return 0.0
    found = 0.0
    for name in one.keys() | other.keys():
        p, q = one.get(name, 0) / whole, other.get(name, 0) / others
        middle = weight * p + (1 - weight) * q
        found += sum(
            part * share * math.log2(share / middle) for part, share in ((weight, p), (1 - weight, q)) if share
        )
    return max(found, 0.0)


def mix_moved(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether two mixes differ by much, and by more than chance makes of samples of their size.

    The divergence weighted by size, times 2 N ln 2, is the G statistic; its quantile is Wilson and Hilferty's.
    """
    if divergence(one, other) < MOVED:
        return False
    whole, others = sum(one.values()), sum(other.values())
    statistic = 2 * math.log(2) * (whole + others) * divergence(one, other, whole / (whole + others))
    freedom = len(one.keys() | other.keys()) - 1
    return statistic > freedom * (1 - 2 / (9 * freedom) + _SURE * math.sqrt(2 / (9 * freedom))) ** 3


def main_model(table: Counts) -> str | None:
    """The model version that read most of a period's comments."""
    models = table.get("model", {})
    return min(models, key=lambda model: (-models[model], model), default=None)


def _index(starts: Sequence[date], period: date) -> int | None:
    """The first period that a rebase applies to, unless that is the very first or none."""
    index = next((i for i, start in enumerate(starts) if start >= period), None)
    return index or None


def _model_steps(line: Timeline) -> list[date]:
    found = []
    before: str | None = None
    for start, table in zip(line.starts, line.tables, strict=True):
        model = main_model(table)
        if model is not None:
            if before is not None and model != before:
                found.append(start)
            before = model
    return found


def _channel_steps(line: Timeline) -> list[date]:
    """Each period is compared with all before it since the last step; both need 20 responses."""
    found = []
    before: dict[str, int] = defaultdict(int)
    for start, table in zip(line.starts, line.tables, strict=True):
        mix = table.get("channel", {})
        if sum(mix.values()) < MIX_MINIMUM:
            continue
        if sum(before.values()) >= MIX_MINIMUM and mix_moved(mix, before):
            found.append(start)
            before = defaultdict(int)
        for name, count in mix.items():
            before[name] += count
    return found
