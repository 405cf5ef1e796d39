"""The page as one HTML document: self-contained, readable by a screen reader, printable on one sheet of A4.

From the payload and from nothing else; every word is escaped. Charts are drawn from their published points. Colour
says nothing that shape and words do not say too, and no colour is a verdict.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from services.learning import rendering, wording
from shared import period_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.learning.periods import PeriodKind
    from services.learning.rendering import Line
    from shared.summaries import LearningSummary, ThemeChart

CHARTS_DRAWN = 2

_STYLE = """
:root { color-scheme: light; }
body { font: 11pt/1.4 "Segoe UI", Arial, sans-serif; color: #1d2733; background: #fff; max-width: 46rem;
  margin: 1rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 0.8rem 0 0.2rem; border-bottom: 1px solid #7b8794; }
p, ul, blockquote, figure { margin: 0.2rem 0; }
.period { font-weight: 600; }
blockquote { border-left: 3px solid #7b8794; padding-left: 0.7rem; }
.box { border: 1px solid #7b8794; min-height: 2.6rem; padding: 0.2rem 0.5rem; }
figure { break-inside: avoid; }
figcaption { font-size: 0.85rem; }
svg { width: 100%; height: auto; }
@page { size: A4; margin: 12mm; }
article + article { margin-top: 3rem; break-before: page; }
@media print {
  article + article { margin-top: 0; }
  html { font-size: 12px; }
  body { font-size: 9.5pt; line-height: 1.3; max-width: none; margin: 0; padding: 0; }
}
"""

_WIDTH, _HEIGHT, _MARGIN = 640, 90, 8


def document(summaries: Sequence[LearningSummary]) -> str:
    """One document, a sheet of paper for each page; in UTF-8 once encoded, it loads nothing from anywhere."""
    names = {escape(f"{each.team_name}: {period_names.span(each.period, each.period_kind)}") for each in summaries}
    title = names.pop() if len(names) == 1 else "What patients told us"
    body = "\n".join(f"<article>\n{_lines(summary)}\n</article>" for summary in summaries) or "<p>No summaries yet.</p>"
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _lines(summary: LearningSummary) -> str:
    return "\n".join(_body(summary))


def _body(summary: LearningSummary) -> Iterator[str]:
    section: list[Line] = []
    for line in rendering.lines(summary):
        if line.kind == "heading" and section:
            yield from _section(section, summary)
            section = []
        section.append(line)
    yield from _section(section, summary)


def _section(lines: Sequence[Line], summary: LearningSummary) -> Iterator[str]:
    heading = lines[0].text if lines[0].kind == "heading" else ""
    tag = "section" if heading else "header"
    yield f"<{tag}>"
    for kind, group in groupby(lines, key=lambda line: line.kind):
        if kind == "bullet":
            yield "<ul>" + "".join(f"<li>{escape(line.text)}</li>" for line in group) + "</ul>"
        elif kind == "sentence" and heading in _FLOWING:
            yield "<p>" + escape(" ".join(line.text for line in group)) + "</p>"
        else:
            yield from (_FORMS[kind].format(escape(line.text)) for line in group)
    if heading == wording.HEADINGS["pattern"]:
        yield from (_figure(chart, summary.period_kind) for chart in summary.pattern.charts[:CHARTS_DRAWN])
    yield f"</{tag}>"


_FLOWING = {wording.HEADINGS["heard"], wording.HEADINGS["certainty"]}
"""Sections whose sentences read on as one paragraph."""

_FORMS = {
    "title": "<h1>{}</h1>",
    "subtitle": '<p class="period">{}</p>',
    "heading": "<h2>{}</h2>",
    "sentence": "<p>{}</p>",
    "quote": "<blockquote><p>“{}”</p></blockquote>",
    "box": '<p class="box">{}</p>',
}


def _figure(chart: ThemeChart, kind: PeriodKind) -> str:
    """A chart with a sentence that says in words what the lines show."""
    first, last = chart.points[0].period, chart.points[-1].period
    verb = "valued" if chart.tone == "valued" else "raised"
    told = (
        f"Share of comments that {verb} {chart.label}, "
        f"from {period_names.span(first, kind)} to {period_names.span(last, kind)}. "
        f"The line across is the usual level, {chart.mean}%; the band is what chance explains."
    )
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(told)}">{_drawing(chart)}</svg>'
        f"<figcaption>{escape(told)}</figcaption></figure>"
    )


def _drawing(chart: ThemeChart) -> str:
    points = chart.points
    highest = max([*(p.percent or 0 for p in points), *(p.upper or 0 for p in points), 1])
    step = (_WIDTH - 2 * _MARGIN) / max(len(points) - 1, 1)

    def place(index: int, percent: int) -> str:
        return f"{_MARGIN + step * index:.1f},{_HEIGHT - _MARGIN - percent * (_HEIGHT - 2 * _MARGIN) / highest:.1f}"

    drawn = []
    for run in _runs([p.lower is not None and p.upper is not None for p in points]):
        corners = [place(i, points[i].upper or 0) for i in run] + [place(i, points[i].lower or 0) for i in run[::-1]]
        drawn.append(f'<polygon points="{" ".join(corners)}" fill="#e4e9ee"/>')
    for run in _runs([p.percent is not None for p in points]):
        corners = [place(i, points[i].percent or 0) for i in run]
        drawn.append(f'<polyline points="{" ".join(corners)}" fill="none" stroke="#51606f" stroke-width="1.5"/>')
    drawn.append(
        f'<polyline points="{place(0, chart.mean)} {place(len(points) - 1, chart.mean)}" '
        'stroke="#51606f" stroke-dasharray="4 3"/>'
    )
    for index, point in enumerate(points):
        if point.percent is not None:
            x, y = place(index, point.percent).split(",")
            # A special point is larger and hollow: told by its shape, not by its colour.
            look = 'r="5" fill="#fff" stroke="#1d2733" stroke-width="2"' if point.rule else 'r="3" fill="#1d2733"'
            drawn.append(f'<circle cx="{x}" cy="{y}" {look}/>')
    return "".join(drawn)


def _runs(held: Sequence[bool]) -> list[list[int]]:
    """Indices where it holds, one list for each unbroken run: a gap in a chart is left open."""
    numbered = groupby(enumerate(held), key=lambda item: item[1])
    return [[index for index, _ in run] for holds, run in numbered if holds]
