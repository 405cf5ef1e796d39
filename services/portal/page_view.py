"""A page as its template shows it: the payload's words, its charts as drawings, and what the team recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.portal.charts import Drawing, drawing
from services.portal.page_text import COMMITMENTS, PATTERN, Section, sections, without_mark
from shared import period_names

if TYPE_CHECKING:
    from shared.summaries import LearningSummary, ThemeChart

ICONS = {
    "common_cause": ("wave", "Ups and downs as usual"),
    "improvement_high": ("up solid", "More than usual, and that is good"),
    "improvement_low": ("down solid", "Fewer than usual, and that is good"),
    "concern_high": ("up", "More than usual; worth a look"),
    "concern_low": ("down", "Fewer than usual; worth a look"),
    "neutral_high": ("up", "More than usual"),
    "neutral_low": ("down", "Fewer than usual"),
}
"""By the payload's icon: the drawing, and its words."""

ASSURANCES = {
    "consistent_pass": ("always", "Your own target is always met"),
    "consistent_fail": ("never", "Your own target is never met"),
    "inconsistent": ("chance", "Chance decides about your own target"),
}


@dataclass(frozen=True, slots=True)
class Icon:
    """A drawing by its name, and what it says."""

    name: str
    told: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """One chart with its icons."""

    drawing: Drawing
    icon: Icon | None
    assurance: Icon | None


@dataclass(frozen=True, slots=True)
class PageView:
    """A page, ready for its template.

    Attributes:
        signs: the icon of each sentence about a chart, by the sentence.
    """

    team_id: str
    team_name: str
    organisation: str
    period: str
    period_name: str
    period_kind: str
    provisional: bool
    sections: tuple[Section, ...]
    charts: tuple[ChartView, ...]
    signs: dict[str, Icon]
    pattern_heading: str = PATTERN
    commitments_heading: str = COMMITMENTS


def page_view(summary: LearningSummary) -> PageView:
    """Lay a page out; every number comes from the payload."""
    charts = tuple(_chart(chart, summary) for chart in summary.pattern.charts)
    signs = {chart.sentence: icon for chart in summary.pattern.charts if (icon := _icon(chart.icon))}
    if icon := _icon(summary.pattern.icon):
        signs.setdefault(summary.pattern.sentence, icon)
    return PageView(
        team_id=summary.team_id,
        team_name=summary.team_name,
        organisation=summary.organisation,
        period=summary.period.isoformat(),
        period_name=period_names.span(summary.period, summary.period_kind),
        period_kind=summary.period_kind,
        provisional=summary.provisional,
        sections=_with_commitments(tuple(_unmarked(section) for section in sections(summary.markdown))),
        charts=charts,
        signs=signs,
    )


def _with_commitments(found: tuple[Section, ...]) -> tuple[Section, ...]:
    """The same sections, with room for what the team tries: a page that says little has none."""
    if any(section.heading == COMMITMENTS for section in found):
        return found
    return (*found[:-1], Section(COMMITMENTS, ()), *found[-1:])


def _unmarked(section: Section) -> Section:
    """The pattern's sentences without their icons in plain text: they are drawn."""
    if section.heading != PATTERN:
        return section
    return Section(section.heading, tuple(type(line)(line.kind, without_mark(line.text)) for line in section.lines))


def _chart(chart: ThemeChart, summary: LearningSummary) -> ChartView:
    assurance = ASSURANCES.get(chart.assurance or "")
    return ChartView(
        drawing=drawing(chart, summary.pattern.steps, summary.period_kind),
        icon=_icon(chart.icon),
        assurance=Icon(*assurance) if assurance else None,
    )


def _icon(name: str) -> Icon | None:
    return Icon(*ICONS[name]) if name in ICONS else None
