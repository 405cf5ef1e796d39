"""A form about how a quote was read, where its link leads, and what the rules mean that hold a page."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.learning import checker
from services.learning.quotes import _IDENTITY
from services.portal import correction_form, held_reasons
from services.portal.assets import Assets
from services.portal.copies import of_page
from services.portal.corrections import Reading
from services.portal.page_view import page_view
from services.portal.people import Person
from services.portal.views import Views
from shared.events import CorrectedTheme, ReadingCorrected, feedback_id
from shared.sources import PageSources, QuoteSource
from shared.summaries import LearningSummary
from shared.themes import THEMES
from tests.unit.portal_examples import MAY, OTHER, TEAM, page, sources_of
from tests.unit.portal_pages import pages

VIEWS = Views(Assets().paths)
PERSON = Person("somebody", frozenset({TEAM}), frozenset(), "token")
PARKING = CorrectedTheme(name="Parking", tone="negative")

THEME = st.builds(
    CorrectedTheme,
    name=st.sampled_from([*THEMES, "An operator's own: theme"]),
    tone=st.sampled_from([*correction_form.TONES]),
)
READINGS = st.builds(Reading, st.integers(1, 5), st.frozensets(THEME, max_size=12))


def source(read: Reading) -> QuoteSource:
    return QuoteSource(feedback_id=feedback_id("test", "1"), version=1, sentiment=read.sentiment, themes=read.ordered)


def sent(read: Reading, known: list[str]) -> dict[str, str]:
    """What a browser sends of the form that shows this reading."""
    ticked = {
        f"{tone}:{box.name}": "yes" for box in correction_form.boxes(known, read.themes) for tone in sorted(box.tones)
    }
    return {"sentiment": str(read.sentiment), **ticked}


@given(READINGS, READINGS)
@settings(deadline=None)
def test_what_is_ticked_is_what_is_read_and_the_same_again_is_no_correction(before: Reading, meant: Reading) -> None:
    known = correction_form.names(source(before), (theme.name for theme in meant.themes))
    assert {theme.name for theme in (*before.themes, *meant.themes)} <= set(known)
    found = correction_form.read(sent(meant, known), known, before)
    assert (found.sentiment, found.themes) == (meant.sentiment, meant.themes)
    assert (found.problem == "") == (before != meant)
    event = ReadingCorrected(
        feedback_id=feedback_id("test", "1"),
        version=1,
        sentiment=found.reading.sentiment,
        themes=found.reading.ordered,
        corrected_at=page().generated_at,
    )
    assert frozenset(event.themes or ()) == meant.themes


@pytest.mark.parametrize("sentiment", ["", "0", "6", "x", "²", "33", " 3"])
def test_a_sentiment_that_is_none_is_a_problem(sentiment: str) -> None:
    found = correction_form.read({"sentiment": sentiment}, [], Reading(1, frozenset()))
    assert found.sentiment is None
    assert found.problem == "Choose how it is meant as a whole"


def test_a_theme_or_a_tone_that_cannot_be_ticked_is_passed_over() -> None:
    fields = {"sentiment": "3", "negative:Parking": "yes", "negative:Forged": "yes", "furious:Parking": "yes"}
    assert correction_form.read(fields, ["Parking"], Reading(1, frozenset())).themes == {PARKING}


def test_more_boxes_than_an_event_takes_are_a_problem() -> None:
    fields = {"sentiment": "3", **{f"{tone}:{name}": "yes" for tone in correction_form.TONES for name in THEMES}}
    assert "40 boxes" in correction_form.read(fields, list(THEMES), Reading(1, frozenset())).problem


def test_a_reading_is_told_in_plain_words() -> None:
    told = correction_form.told(Reading(4, frozenset({PARKING})))
    assert told == ["As a whole: negative", "parking: could be better"]


@given(pages().filter(lambda summary: summary.described))
@settings(max_examples=30, deadline=None)
def test_the_link_beside_a_quote_leads_to_that_quote(summary: LearningSummary) -> None:
    html = VIEWS.html(
        "team_page.html",
        PERSON,
        page=page_view(summary),
        commitments=[],
        may_commit=True,
        may_correct=True,
        recordings={},
    )
    links = re.findall(
        r'/quotes/(\d)">Is this read wrongly\?<span class="nhsuk-u-visually-hidden"> “(.*?)”</span>', html, re.DOTALL
    )
    texts = [" ".join(quote.text.split()) for quote in summary.quotes]
    assert [(int(place), " ".join(unescape(text).split())) for place, text in links] == list(enumerate(texts, 1))


def test_sources_count_only_beside_the_very_page_that_they_are_of() -> None:
    summary = page(revision=2)
    own = sources_of(summary)
    assert of_page(own, summary) is own
    assert of_page(None, summary) is None
    others = [
        sources_of(page(revision=1)),
        sources_of(page(revision=3)),
        sources_of(page(OTHER, revision=2)),
        sources_of(page(TEAM, MAY.replace(month=6), revision=2)),
        PageSources.model_validate({**own.model_dump(), "quotes": own.quotes[:-1]}),
    ]
    assert [of_page(other, summary) for other in others] == [None] * len(others)


def test_every_rule_that_can_hold_a_page_is_explained() -> None:
    written = Path(checker.__file__).read_text(encoding="utf-8")
    rules = {*re.findall(r'Violation\("(\w+)"', written), *(rule for rule, _ in checker._PROSE)}
    rules |= {code for code, _ in _IDENTITY} | {"date_and_place", "team_named", "unprintable"}
    assert rules <= held_reasons.MEANINGS.keys(), rules - held_reasons.MEANINGS.keys()
    assert all(meaning.endswith(".") for meaning in held_reasons.MEANINGS.values())


def test_a_meaning_is_told_once_with_every_place() -> None:
    reasons = ["name at text line 2", "small_count at heard", "name at markdown line 3", "not_written:KeyError at page"]
    assert [codes for _, codes in held_reasons.told([*reasons, "new_rule at text"])] == [
        "name at text line 2, name at markdown line 3",
        "small_count at heard",
        "not_written:KeyError at page",
        "new_rule at text",
    ]
