"""The urgent lexicon, the severity score and the submitter's age."""
# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import time

import pytest

from services.analysis.normalised import normalise
from services.analysis.urgent import Lexicon, urgent_reasons
from services.analysis.words import words_of
from tests.analysis_doubles import read

LEXICON = Lexicon()


def reasons(text: str) -> list[str]:
    plain = normalise(text).text
    return LEXICON.reasons(plain, words_of(plain))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("suicide", "I want to kill myself"),
        ("suicide", "I feel suicidal every night"),
        ("suicide", "I feel ѕuісіdаl"),
        ("suicide", "I feel suicid\u200bal"),
        ("suicide", "SHE TOOK AN OVERDOSE"),
        ("suicide", "I can’t go on"),
        ("suicide", "they would be better off without me"),
        ("self_harm", "I have been cutting myself again"),
        ("self_harm", "he started to self-harm"),
        ("abuse", "I was verbally abused by the porter"),
        ("abuse", "he touched me inappropriately"),
        ("assault", "the carer slapped my mother"),
        ("assault", "a nurse hit me"),
        ("neglect", "she was left lying in her own urine for hours"),
        ("serious_harm", "my dad nearly died because nobody came"),
        ("threat", "I will kill you all"),
        ("threat", "he came back with a knife"),
        ("threat", "the driver threatened me"),
        ("safeguarding", "I want to raise a safeguarding concern"),
        ("safeguarding", "I do not feel safe at home"),
    ],
)
def test_a_phrase_is_told_by_its_code(code: str, text: str) -> None:
    assert f"lexicon:{code}" in reasons(text)


@pytest.mark.parametrize(
    "text",
    [
        "There was no abuse",
        "I was never threatened",
        "I am not suicidal",
        "no self harm, no safeguarding concerns",
        "I saw a suicide prevention leaflet",
        "I was dying for a cup of tea",
        "life threatening illness",
        "The pain was killing me",
        "hit the nail on the head",
        "killing time in the waiting room",
        "Nothing could have been better",
    ],
)
def test_what_is_negated_or_figurative_is_not(text: str) -> None:
    assert reasons(text) == []


def test_a_negation_does_not_cover_a_second_mention() -> None:
    assert reasons("She was not suicidal then. Now she is suicidal.") == ["lexicon:suicide"]


def test_severity_counts_from_its_threshold() -> None:
    assert urgent_reasons([], 0.9, 0.9, None) == ("severity",)
    assert urgent_reasons([], 0.8999, 0.9, None) == ()


def test_an_under_16_goes_to_a_person() -> None:
    assert read("All was kind", age_band="under_16").urgent == ("under_16",)
    assert read("All was kind", age_band="16_24").urgent == ()


def test_raw_text_is_judged_before_redaction() -> None:
    reading = read("Bronwen slapped my mother. Disgraceful.")
    assert reading.urgent == ("lexicon:assault", "severity")


@pytest.mark.parametrize(
    "unit", ["left in her own ", "no any ", "he is ", "hit my a ", "suicide ", "wrong drug ", "was "]
)
def test_work_is_linear_in_the_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        LEXICON.reasons(text, LEXICON.triggers | words_of(text))
        return time.process_time() - started

    assert seconds(100_000) < 40 * seconds(10_000) + 0.2
