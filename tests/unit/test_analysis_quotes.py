"""The quote gate: every rule closes it alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.analysis_doubles import FakeEncoder, read

GOOD = "The nurses were kind and told me what would happen."


def quote_ok(text: str, **fields: Any) -> bool:
    return read(text, **{"consent_to_quote": True, **fields}).quote_ok


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Bronwen was kind to me.",
        "I hope you will go on; may it last!",
        "He was 3 hours late",
        "Ward staff were kind. Long may it last",
    ],
)
def test_a_harmless_text_may_be_quoted(text: str) -> None:
    assert quote_ok(text)


def test_without_consent_never() -> None:
    assert not quote_ok(GOOD, consent_to_quote=False)


def test_a_text_that_speaks_of_danger_or_violence_never() -> None:
    assert quote_ok("they were kind, the wait was long and I felt better")
    assert not quote_ok("they were kind, the bruises were long and I felt better")


def test_an_urgent_text_never() -> None:
    assert not quote_ok(GOOD + " He slapped my mother.")


def test_a_word_that_might_be_a_name_closes_it() -> None:
    assert not quote_ok("then Rose was kind to me, wonderful")


def test_an_allow_listed_place_does_not() -> None:
    encoder = FakeEncoder()
    encoder.names["Hexham"] = 0.1
    assert read("the staff in Hexham were kind", encoder, consent_to_quote=True).quote_ok


@pytest.mark.parametrize(
    "text",
    [
        "thanks to sarah who was kind",
        "thanks to s\u200ba\u200bra\u0336h who was kind",
        "they and dr\u00a0\u200bold were kind to me",
        "it was SARAH's kindness that helped",
        "they and dr old were kind to me",
        "it was s\u00e1rah again who was kind",
        "and nurse Patel was kind to me",
        "we all liked Grace, she was so kind",
        "Patience from the community team was kind",
        "Memory and Talent were kind to me",
        "All were kind. Grace came every day",
    ],
)
def test_a_common_name_that_the_model_missed_closes_it(text: str) -> None:
    assert not quote_ok(text)


@pytest.mark.parametrize("language", ["cy", "pl-PL"])
def test_another_language_never(language: str) -> None:
    assert not quote_ok(GOOD, language=language)


@pytest.mark.parametrize("text", ["Kind.", "kind " * 90])
def test_too_short_or_too_long(text: str) -> None:
    assert not quote_ok(text)


@pytest.mark.parametrize("number", ["43 8812", "943, 47 - 65", "9 / 4 / 3 / 4 / 7", "43\n8812"])
def test_a_long_number_left_standing_closes_it(number: str) -> None:
    assert not quote_ok(f"they kept asking for {number} for some reason")


@pytest.mark.parametrize(
    "word", ["S a m u e l a", "S   a\tm\nu", "S/a/m/u", "S.a.m.u", "S-a-m-u", "S4mu3la", "p**r", "S@muela"]
)
def test_a_word_that_is_spelt_out_or_masked_closes_it(word: str) -> None:
    assert not quote_ok(f"they and {word} were kind to me")


@pytest.mark.parametrize("word", ["the N.H.S.", "an A&E nurse", "a 45min wait", "ward 4a", "the **T.V.**", "e-mail"])
def test_an_abbreviation_or_a_number_does_not(word: str) -> None:
    assert quote_ok(f"they and {word} were kind to me")


def test_date_place_and_rare_event_together_close_it() -> None:
    event, place, date = "my dad died", "at Northgate Hospital", "on 3 March"
    assert not quote_ok(f"the staff were kind when {event} {place} {date}")
    assert quote_ok(f"the staff were kind when {event} {date}")
    assert quote_ok(f"the staff were kind {place} {date}")
    assert quote_ok(f"the staff were kind when {event} {place}")
