"""Which themes a page tells: at most three lines, praise and what could be better both (docs/decisions/0011).

A line is a theme in one tone. In each tone: those with a signal first, then those that name a practice, then those
that most comments raise, then by name. The first of each tone has a place. The third goes to the next signal of either
tone, else to a theme that enough raise to be told as a share, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.learning.patterns import MEASURES, Counts, ThemePattern, Tone
from shared.summaries import MINIMUM_CELL
from shared.themes import words_for

if TYPE_CHECKING:
    from collections.abc import Iterable

THEMES_SHOWN = 3

FEW = 3
"""Voices from which a theme may be told as "a few"; a theme that one or two raise is told only where its chart says
something, and then by the chart alone."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A line of the page.

    Attributes:
        count: of this period's comments.
        pattern: its chart, if that can be read.
    """

    theme: str
    tone: Tone
    count: int
    pattern: ThemePattern | None = None

    @property
    def signals(self) -> bool:
        """Whether its chart has a signal."""
        return self.pattern is not None and self.pattern.signals

    @property
    def told(self) -> bool:
        """Whether enough raise it to be told as a share."""
        return self.count >= FEW


def choose(table: Counts, patterns: Iterable[ThemePattern]) -> tuple[Chosen, ...]:
    """At most three lines, what was valued first.

    Args:
        table: the period's counters.
        patterns: charts that can be read.
    """
    by_line = {(pattern.theme, pattern.tone): pattern for pattern in patterns}
    ranked: dict[Tone, list[Chosen]] = {tone: _ranked(table, tone, by_line) for tone in MEASURES}
    chosen = [lines[0] for lines in ranked.values() if lines]
    rest = sorted(
        (line for lines in ranked.values() for line in lines[1:]),
        key=lambda line: (not line.signals, line.count < MINIMUM_CELL, _order(line)),
    )
    chosen += rest[: THEMES_SHOWN - len(chosen)]
    return tuple(sorted(chosen, key=lambda line: (line.tone != "valued", _order(line))))


def _ranked(table: Counts, tone: Tone, by_line: dict[tuple[str, Tone], ThemePattern]) -> list[Chosen]:
    counts = table.get(MEASURES[tone], {})
    read = table.get("read", {}).get("", 0)
    known = {*counts, *(theme for theme, at in by_line if at == tone)}
    lines = (Chosen(theme, tone, counts.get(theme, 0), by_line.get((theme, tone))) for theme in known)
    return sorted((line for line in lines if line.count <= read and (line.told or line.signals)), key=_order)


def _order(line: Chosen) -> tuple[bool, bool, int, str, str]:
    return (not line.signals, not words_for(line.theme).specific, -line.count, line.theme, line.tone)
