"""A page as the portal shows it: the payload's words and numbers, all of them, and no others."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from services.learning import rendering, wording
from services.portal import page_text
from services.portal.assets import Assets
from services.portal.page_view import page_view
from services.portal.people import Person
from services.portal.views import Views
from shared.summaries import ChartPoint, ChartStep, LearningSummary, ThemeChart
from tests.unit.portal_examples import page
from tests.unit.portal_pages import months, pages

VIEWS = Views(Assets().paths)
PERSON = Person("somebody", frozenset(), frozenset(), "token")


class Shown(HTMLParser):
    """What a reader sees or hears of a document: its text, and the labels of its drawings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.text += " " + " ".join(value or "" for name, value in attrs if name == "aria-label") + " "


def html_of(summary: LearningSummary) -> str:
    return VIEWS.html(
        "team_page.html",
        PERSON,
        page=page_view(summary),
        commitments=[],
        may_commit=True,
        may_correct=False,
        recordings={},
    )


def shown(summary: LearningSummary) -> str:
    html = html_of(summary)
    return " ".join(Shown(html).text.split())


def numbers(text: str) -> set[str]:
    return {str(int(number)) for number in re.findall(r"\d+", text)}


@given(pages())
@settings(max_examples=60, deadline=None)
def test_any_page_is_shown_and_no_number_is_told_that_is_not_in_it(summary: LearningSummary) -> None:
    told = shown(summary)
    assert numbers(told) <= numbers(summary.model_dump_json())


@given(pages())
@settings(max_examples=60, deadline=None)
def test_every_word_of_the_page_is_shown_in_its_order(summary: LearningSummary) -> None:
    told, place = shown(summary), 0
    for line in rendering.lines(summary):
        if line.kind in {"title", "subtitle"}:
            continue
        text = page_text.without_mark(" ".join(line.text.split())) if line.kind == "sentence" else line.text
        place = told.find(" ".join(text.split()), place)
        assert place >= 0, f"left out: {line}"


@given(pages())
@settings(max_examples=30, deadline=None)
def test_a_drawing_is_well_formed_named_and_described(summary: LearningSummary) -> None:
    html = html_of(summary)
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    charts = [drawing for drawing in drawings if "<desc" in drawing]
    assert len(charts) == len(summary.pattern.charts)
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)  # noqa: S314 - our own
        assert root.get("role") == "img"
        assert root.get("aria-label") or root.get("aria-labelledby")


def test_the_headings_that_the_portal_looks_for_are_those_of_the_page() -> None:
    assert wording.HEADINGS["pattern"] == page_text.PATTERN
    assert wording.HEADINGS["commitments"] == page_text.COMMITMENTS
    assert {wording.HEADINGS["heard"], wording.HEADINGS["certainty"]} == page_text.FLOWING


def test_markup_in_a_quote_stays_words() -> None:
    summary = page()
    assert summary.valued_quote is not None
    hostile = summary.valued_quote.model_copy(update={"text": "<script>alert(1)</script> [x](javascript:y) *z*"})
    summary = summary.model_copy(update={"valued_quote": hostile})
    summary = summary.model_copy(update={"markdown": rendering.markdown(summary)})
    html = html_of(summary)
    assert "<script" not in html
    assert "“<script>alert(1)</script> [x](javascript:y) *z*”" in shown(summary)


def chart(points: tuple[ChartPoint, ...]) -> ThemeChart:
    return ThemeChart(
        theme="T",
        label="how long people waited",
        tone="better",
        icon="common_cause",
        sentence="s",
        mean=20,
        points=points,
    )


def drawn(points: tuple[ChartPoint, ...], steps: tuple[ChartStep, ...] = ()) -> str:
    summary = page()
    pattern = summary.pattern.model_copy(update={"charts": (chart(points),), "steps": steps})
    summary = summary.model_copy(update={"pattern": pattern})
    summary = summary.model_copy(update={"markdown": rendering.markdown(summary)})
    return html_of(summary)


def test_a_gap_breaks_the_line_and_has_no_point() -> None:
    shares = [10, 20, None, 30, 40]
    html = drawn(tuple(ChartPoint(period=p, percent=s) for p, s in zip(months(5), shares, strict=True)))
    assert html.count('stroke="#212b32" stroke-width="1.5"') == 2
    assert html.count("<circle") - html.count('r="14"') == 4
    assert "too few comments" in html


@pytest.mark.parametrize(("direction", "above"), [("high", True), ("low", False)])
def test_a_special_point_is_a_triangle_to_its_side(direction: str, above: bool) -> None:
    points = [ChartPoint(period=p, percent=20) for p in months(3)]
    points[1] = ChartPoint(period=points[1].period, percent=20, rule="outside", direction=direction)
    html = drawn(tuple(points))
    (triangle,) = re.findall(r'<polygon points="([^"]+)" fill="#fff"', html)
    tip, *base = [float(corner.split(",")[1]) for corner in triangle.split()]
    assert all((tip < y) is above for y in base)
    assert f"{direction}, beyond a limit" in html


def test_a_step_is_drawn_with_a_letter_and_explained() -> None:
    points = tuple(ChartPoint(period=p, percent=20) for p in months(3))
    step = ChartStep(period=points[1].period, kind="rebase", reason="new triage")
    html = drawn(points, (step,))
    assert "A: the chart starts anew, as the team decided, from February 2024 (new triage)." in html
    assert ">A</text>" in html


def test_every_special_points_rule_stands_in_the_table_of_numbers() -> None:
    points = tuple(ChartPoint(period=p, percent=20, rule="shift", direction="low") for p in months(7))
    assert drawn(points).count("low, part of a run on one side of the usual level") == 7
