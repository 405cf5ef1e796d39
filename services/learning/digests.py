"""What several teams together heard about a theme, as far as it may cross their borders. Pure.

A digest is written only if at least 3 teams raise the theme, at least 10 comments do, and at least 8 of those are not
the largest team's: a team that takes its own away from the sum must not find a small count. The two tones are told
together or not at all, as the sum would give the other one away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.learning import wording
from services.learning.amounts import amount, rounded
from services.learning.questions import choose
from shared import period_names
from shared.digests import MINIMUM_TEAMS, ThemeDigest
from shared.summaries import MINIMUM_CELL
from shared.themes import SLUGS, THEMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from services.learning.periods import PeriodKind
    from services.learning.readings import Measure
    from shared.summaries import Amount

Counts = dict[str, int]
"""By team."""


def digest(
    slug: str,
    period: date,
    counts: Mapping[str, Mapping[Measure, int]],
    *,
    kind: PeriodKind,
    revision: int,
    generated_at: datetime,
    provisional: bool = False,
) -> ThemeDigest | None:
    """The digest of a theme, or None where it may not be shown.

    Args:
        slug: of the theme, one of `SLUGS`.
        period: its first day.
        counts: the period's counters of each team that takes part.
        kind: how long the period is.
        revision: from 1.
        generated_at: when.
        provisional: whether the period is still open.
    """
    theme = SLUGS[slug]
    raised = _of(counts, "theme", theme)
    read = {team: counts[team].get(("read", ""), 0) for team in raised}
    all_read, all_raised = rounded(sum(read.values())), rounded(sum(raised.values()))
    if len(raised) < MINIMUM_TEAMS or not _covers(raised) or all_read is None or all_raised is None:
        return None
    if _small(sum(read.values()) - sum(raised.values())):
        return None
    valued, better = _tones(counts, theme, raised, sum(read.values()))
    words = THEMES[theme]
    made = ThemeDigest(
        slug=slug,
        theme=theme,
        period=period,
        period_kind=kind,
        revision=revision,
        generated_at=generated_at,
        provisional=provisional,
        read=all_read,
        raised=all_raised,
        valued=valued,
        better=better,
        questions=choose([words.group], turn=period.toordinal(), count=2),
        text="",
    )
    return made.model_copy(update={"text": _text(made)})


def _of(counts: Mapping[str, Mapping[Measure, int]], measure: str, theme: str) -> Counts:
    """How many comments of each team; teams without one left out."""
    return {team: n for team, own in counts.items() if (n := own.get((measure, theme), 0)) > 0}


def _small(count: int) -> bool:
    return 0 < count < MINIMUM_CELL


def _covers(cell: Counts) -> bool:
    """Whether no team finds a small count by taking its own away from the sum."""
    return sum(cell.values()) - max(cell.values(), default=0) >= MINIMUM_CELL


def _tones(
    counts: Mapping[str, Mapping[Measure, int]], theme: str, raised: Counts, read: int
) -> tuple[Amount | None, Amount | None]:
    """Both, or neither: with the sum of those that raise the theme, one would reveal the other."""
    valued, better = _of(counts, "theme_positive", theme), _of(counts, "theme_negative", theme)
    whole = sum(raised.values())
    for cell in (valued, better):
        count = sum(cell.values())
        if count and (not _covers(cell) or _small(whole - count)):
            return None, None
    return amount(sum(valued.values()), read), amount(sum(better.values()), read)


def _text(made: ThemeDigest) -> str:
    words = THEMES[made.theme]
    lines = [
        f"{made.theme}: {period_names.span(made.period, made.period_kind)}",
        "",
        f"At least {made.minimum_teams} teams heard about this; none is named. Of about {made.read} comments, about "
        f"{made.raised} raise it.",
    ]
    if made.valued is not None and made.better is not None:
        lines += [
            f"- people valued {words.valued}: {wording.amount(made.valued)}",
            f"- could be better, {words.better}: {wording.amount(made.better)}",
        ]
    else:
        lines.append("How many valued it and how many did not would give a small number away.")
    if made.provisional:
        lines.append("More may still come in for this period.")
    lines += ["", *(f"- {question}" for question in made.questions)]
    return "\n".join(lines) + "\n"
