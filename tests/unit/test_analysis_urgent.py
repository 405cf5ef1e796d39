"""The urgent lexicon, the severity score and the submitter's age."""
# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.sample.sentences import authored
from services.analysis import urgent
from services.analysis.normalised import normalise
from services.analysis.urgent import Lexicon, urgent_reasons
from services.analysis.words import words_of
from tests.analysis_doubles import read

LEXICON = Lexicon()
PHRASES = [
    (code, phrase.replace("{someone}", "my mother").replace("{me}", "him"))
    for code, entry in yaml.safe_load((Path(urgent.__file__).parent / "lexicon.yaml").read_text())["entries"].items()
    for phrase in entry["phrases"]
]
PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)


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
        ("suicide", "i cant go on any more"),
        ("suicide", "I don't want to live"),
        ("suicide", "what's the point of living"),
        ("suicide", "I dont want to be here anymore"),
        ("suicide", "they would be better off without me"),
        ("self_harm", "I have been cutting myself again"),
        ("suicide", "I have nothing left to live for"),
        ("suicide", "he took 40 paracetamol"),
        ("self_harm", "he started to self-harm"),
        ("abuse", "I was verbally abused by the porter"),
        ("abuse", "he touched me inappropriately"),
        ("abuse", "put his hand up my skirt"),
        ("abuse", "his carer takes his pension"),
        ("assault", "the carer slapped my mother"),
        ("assault", "A NURSE HIT ME"),
        ("assault", "slapping an old lady"),
        ("assault", "she was tied to the bed"),
        ("assault", "they force fed her and dragged her across the floor"),
        ("neglect", "she was left lying in her own urine for hours"),
        ("neglect", "sitting in his own mess"),
        ("neglect", "she hasn't been washed for three days"),
        ("neglect", "he fell and no one came"),
        ("serious_harm", "my dad nearly died because nobody came"),
        ("serious_harm", "the baby stopped breathing"),
        ("serious_harm", "they missed a stroke"),
        ("serious_harm", "given penicillin although he is allergic"),
        ("serious_harm", "they operated on the wrong knee"),
        ("serious_harm", "the wrong leg was amputated"),
        ("serious_harm", "they left a swab inside me"),
        ("threat", "I will kill you all"),
        ("threat", "he came back with a knife"),
        ("threat", "the driver threatened me"),
        ("safeguarding", "I want to raise a safeguarding concern"),
        ("safeguarding", "I do not feel safe at home"),
        ("safeguarding", "the child is at risk"),
        ("safeguarding", "my dad hurts me"),
        ("safeguarding", "she is scared to go home"),
        ("suicide", "my family would cope better without me"),
        ("suicide", "I don't want to wake up tomorrow"),
        ("suicide", "I took all of them an hour ago"),
        ("suicide", "tell my girls im sorry"),
        ("suicide", "I want to go to sleep and not wake up"),
        ("suicide", "tonight im going to take the lot"),
        ("self_harm", "burning my arms again"),
        ("assault", "tied my uncle to his chair"),
        ("assault", "pinned my autistic lad face down"),
        ("assault", "he holds me by the throat"),
        ("serious_harm", "10 times his morphine dose"),
        ("threat", "I'll be back with a blade"),
        ("threat", "voices are telling me to hurt the baby"),
        ("self_harm", "my son is cutting up every night"),
        ("self_harm", "I found her with a blade"),
        ("abuse", "a carer gets into bed with the residents"),
        ("abuse", "my stepdad comes in my room"),
        ("abuse", "he filmed her naked"),
        ("assault", "he put his hands round my throat"),
        ("assault", "they tie her wrists to the chair"),
        ("assault", "I think of putting a pillow over his face"),
        ("serious_harm", "she had the wrong patient's insulin"),
        ("threat", "I am coming down there with a bat"),
        ("safeguarding", "I can't keep her safe any more"),
        ("safeguarding", "he came back with cigarette burns"),
        ("under_16", "I'm 14 and my tooth hurts"),
        ("under_16", "im only 9"),
    ],
)
def test_a_phrase_is_told_by_its_code(code: str, text: str) -> None:
    assert f"lexicon:{code}" in reasons(text)


@pytest.mark.parametrize("text", [text for texts in authored()["urgent"].values() for text in texts])
def test_what_is_urgent_in_the_sample_is_told(text: str) -> None:
    assert reasons(text)


@pytest.mark.parametrize(("code", "phrase"), PHRASES, ids=[phrase[:40] for _, phrase in PHRASES])
@given(data=st.data())
@settings(max_examples=30)
def test_every_form_of_a_phrase_holds_one_of_the_words_that_it_is_tried_for(
    code: str, phrase: str, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(re.compile(phrase, re.ASCII), fullmatch=True, alphabet=PRINTABLE))
    assert f"lexicon:{code}" in reasons(text)


@pytest.mark.parametrize(
    "text",
    [
        "There was no abuse",
        "I was never threatened",
        "I wasnt assaulted by anyone",
        "I am not suicidal",
        "no self harm, no safeguarding concerns",
        "I saw a suicide prevention leaflet",
        "I was dying for a cup of tea",
        "life threatening illness",
        "The pain was killing me",
        "hit the nail on the head",
        "they removed the wrong one first",
        "sent home with a broken arm in plaster, I took 2 tablets",
        "a towel was hanging up, we watched the baby change",
        "I fell asleep and no one noticed, then I took 10 tablets a day",
        "I was scared to go back to work",
        "the dose was here at ten, we live nearby",
        "killing time in the waiting room",
        "Nothing could have been better",
        "I saw a domestic abuse poster",
        "I'm 14 weeks pregnant, I'm 10.5 stone",
        "the doctor took all of them seriously",
        "the cord had to be cut off",
    ],
)
def test_what_is_negated_or_figurative_is_not(text: str) -> None:
    assert reasons(text) == []


@pytest.mark.parametrize("word", ["only", "just", "merely", "simply"])
def test_not_only_denies_nothing(word: str) -> None:
    assert reasons(f"He not {word} slapped my mother but laughed") == ["lexicon:assault"]


def test_a_negation_does_not_cover_a_second_mention() -> None:
    assert reasons("She was not suicidal then. Now she is suicidal.") == ["lexicon:suicide"]


@pytest.mark.parametrize("text", ["I want to kill\nmyself", "they said no\nshe is suicidal"])
def test_a_phrase_goes_on_in_the_next_line_and_a_negation_may_end_with_its_own(text: str) -> None:
    assert reasons(text) == ["lexicon:suicide"]


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
    "unit",
    [
        "left in her own ",
        "no any ",
        "he is ",
        "hit my a ",
        "suicide ",
        "wrong drug ",
        "was ",
        "fell ",
        "baby ",
        "given a ",
    ],
)
def test_work_is_linear_in_the_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        LEXICON.reasons(text, LEXICON.triggers | words_of(text))
        return time.process_time() - started

    assert seconds(100_000) < 40 * seconds(10_000) + 0.2
