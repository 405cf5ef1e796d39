"""What is taken out, in whose offsets, and what is spared."""
# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.analysis import allow_list
from services.analysis.allow_list import AllowList
from services.analysis.given_names import NAMES, WORD_NAMES
from services.analysis.normalised import normalise, storable
from services.analysis.redaction import Redactor
from services.analysis.words import words_of
from tests.analysis_doubles import FakeEncoder, read

SERVICE = Path(allow_list.__file__).parent
COMMON = yaml.safe_load((SERVICE / "allow_list.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Bronwen was kind", "[name] was kind"),
        ("Nurse Bronwen Okafor's voice", "Nurse [name]'s voice"),
        ("Bronwen Okafor-Gethin, and Gethin", "[name], and [name]"),
        ("T. Gethin and J Okafor came", "[name] and [name] came"),
        ("Bronwen B was kind", "[name] was kind"),
        ("I saw A Gethin? I Gethin?", "I saw A [name]? I [name]?"),
        ("Bronwen\nOkafor", "[name]\n[name]"),
        ("Bronwen on 07700 900123", "[name] on [phone]"),
        ("write to Bronwen.Okafor@example.org", "write to [email]"),
        ("[name] helped, and [phone]", "[name] helped, and [phone]"),
        ("Hexham was clean", "Hexham was clean"),
        ("hexham was clean, Dr Hexham was kind", "hexham was clean, Dr [name] was kind"),
        ("Rose was kind", "Rose was kind"),
        ("Br\u200bonwen was kind", "[name] was kind"),
        ("Вrоnwеn was kind", "[name] was kind"),
        ("𝐁𝐫𝐨𝐧𝐰𝐞𝐧 was kind", "[name] was kind"),
        ("Bʀᴏɴᴡᴇɴ was kind", "[name] was kind"),
        ("B\x00r\x00o\x00n\x00w\x00e\x00n was kind", "[name] was kind"),
        ("Br\u0640onwen was kind", "[name] was kind"),
        ("Bronwen  \t Okafor\x92s   voice", "[name]\x92s   voice"),
        ("", ""),
        ("a\x00b\x07c\x0bd\ne\ud800", "abc d\ne\ufffd"),
        ("👍🏽 👨‍👩‍👧", "👍🏽 👨‍👩‍👧"),
    ],
)
def test_redacted_text(text: str, redacted: str) -> None:
    assert read(text).redacted_text == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("The Marie Curie nurses came", "The Marie Curie nurses came"),
        ("our Macmillan nurse and the macmillan team", "our Macmillan nurse and the macmillan team"),
        ("Nurse Marie Curie came", "Nurse [name] came"),
        ("Macmillan supported me", "[name] supported me"),
        ("Ann Macmillan was kind", "[name] was kind"),
    ],
)
def test_institutions_that_are_named_after_people_are_spared(text: str, redacted: str) -> None:
    people = [(*match.span(), 0.99) for match in re.finditer(r"Marie|Curie|Macmillan|Ann", text, re.IGNORECASE)]
    assert Redactor(0.3, AllowList()).redact(normalise(text), words_of(text), people).text() == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("the Punjabi interpreter came", "the Punjabi interpreter came"),
        ("her crohns and his Crohn's", "her crohns and his Crohn's"),
        ("Nando's is near", "Nando's is near"),
        ("Guillain-Barre, or ehlers danlos", "Guillain-Barre, or ehlers danlos"),
        ("his Wilson's disease", "his Wilson's disease"),
        ("Wilson was kind", "[name] was kind"),
        ("Dr Punjabi came", "Dr [name] came"),
        ("Wilson Punjabi came", "[name] came"),
        ("thanks to Wilson, Punjabi and the team", "thanks to [name], [name] and the team"),
        ("Dr Guillain-Barre came", "Dr [name] came"),
        ("Dr.Punjabi came", "Dr.[name] came"),
        ("Professor  Punjabi came", "Professor  [name] came"),
        ("saw Dr.\nPunjabi", "saw Dr.\n[name]"),
    ],
)
def test_what_is_on_the_common_list_is_spared_unless_it_is_said_of_a_person(text: str, redacted: str) -> None:
    suspected = "Punjabi|crohns?|Nando|Guillain-Barre|ehlers|danlos|Wilson"
    plain = normalise(text)
    people = [(*match.span(), 0.99) for match in re.finditer(suspected, plain.text, re.IGNORECASE)]
    assert Redactor(0.3, AllowList()).redact(plain, words_of(plain.text), people).text() == redacted


@pytest.mark.parametrize("before", ["thanks to ", "Regards,\n", "my consultant:  ", "called\n"])
def test_a_word_that_might_be_a_name_is_one_where_names_stand(before: str) -> None:
    plain = normalise(f"{before}Punjabi")
    people = [(plain.text.index("Punjabi"), len(plain.text), 0.02)]
    assert Redactor(0.3, AllowList(common=False)).redact(plain, words_of(plain.text), people).counts == {"name": 1}


@pytest.mark.parametrize("name", ["Zo\u00eb", "Zoe\u0308", "\u0141ucja", "Anne-Zo\u00eb"])
def test_a_name_of_the_gazetteer_is_one_with_its_diacritics_too(name: str) -> None:
    plain = normalise(name)
    redactor = Redactor(0.3, AllowList(), frozenset(("anne", "lucja", "zoe")))
    assert redactor.redact(plain, words_of(plain.text), [(0, len(plain.text), 0.01)]).counts == {"name": 1}


def test_what_is_on_the_common_list_is_no_doubt() -> None:
    text = "the Punjabi interpreter came"
    assert not Redactor(0.3, AllowList()).redact(normalise(text), words_of(text), [(4, 11, 0.99)]).doubt
    assert Redactor(0.3, AllowList(common=False)).redact(normalise(text), words_of(text), [(4, 11, 0.1)]).doubt


def test_no_word_of_the_common_list_is_a_name_of_the_gazetteer() -> None:
    """But for six that mean a people or a service far more often than a person."""
    words = {word for part in COMMON["words"].values() for word in part.split()}
    gazetteer = set((SERVICE / "model" / "names.txt").read_text(encoding="utf-8").split())
    assert words & (gazetteer | NAMES | WORD_NAMES) == {"arab", "emas", "emis", "french", "nicu", "zulu"}


def test_no_word_of_the_common_list_stands_twice() -> None:
    words = [word for part in COMMON["words"].values() for word in part.split()]
    assert len(words) == len(set(words))
    assert not [word for word in words if word.endswith("s") and word.removesuffix("s") in words]


@pytest.mark.parametrize(
    "phrase", [phrase.strip() for part in COMMON["phrases"].values() for phrase in part.split(",")]
)
def test_one_suspected_word_leads_to_its_phrase(phrase: str) -> None:
    text = f"about {phrase.upper()} today"
    for word in re.finditer(r"\w\w+", phrase):
        at = (6 + word.start(), 6 + word.end())
        assert AllowList().phrases(text, [at]) == {(6, 6 + len(phrase))}


@pytest.mark.parametrize(
    ("person", "follows"),
    [(person, follows) for follows, people in COMMON["eponyms"].items() for person in people.split()],
)
def test_an_eponym_is_spared_only_before_what_is_named_after_it(person: str, follows: str) -> None:
    allowed, at = AllowList(), (0, len(person))
    for form in (person, f"{person}'s", person.replace("-", " ")):
        assert allowed.phrases(f"{form} {follows}", [at]) == {(0, len(f"{form} {follows}"))}
    assert allowed.phrases(f"{person} said so", [at]) == set()


def test_spans_are_in_original_offsets() -> None:
    text = "Thank you Br\u200bonwen, ring ０７７００ 900123"
    assert [(s.kind.value, text[s.start : s.end]) for s in read(text).redactions] == [
        ("name", "Br\u200bonwen"),
        ("phone", "０７７００ 900123"),
    ]


def test_counts_by_kind() -> None:
    assert read("Bronwen and Gethin at NE1 4LP").counts == {"name": 2, "postcode": 1}


def test_a_span_across_two_stretches_shows_once() -> None:
    text = "call 07700 900123 now"
    redacted = Redactor(0.3, AllowList()).redact(normalise(text), words_of(text), ())
    assert redacted.text(0, 11) + "|" + redacted.text(11) == "call [phone]| now"


@pytest.mark.parametrize(
    ("word", "probability", "left"),
    [
        ("tesfaye", 0.01, "then [name] came"),
        ("Tesfaye", 0.01, "then [name] came"),
        ("anne-tesfaye", 0.01, "then [name] came"),
        ("tesfaye", 0.001, "then tesfaye came"),
        ("anne-marvellous", 0.01, "then anne-marvellous came"),
    ],
)
def test_a_known_name_needs_less_of_the_model(word: str, probability: float, left: str) -> None:
    text = f"then {word} came"
    redactor = Redactor(0.3, AllowList(), known_names=frozenset({"anne", "tesfaye"}))
    assert redactor.redact(normalise(text), words_of(text), [(5, 5 + len(word), probability)]).text() == left


@pytest.mark.parametrize(("probability", "doubt"), [(0.01, False), (0.02, True)])
def test_an_unknown_word_left_standing_is_a_doubt(probability: float, *, doubt: bool) -> None:
    text = "then marvellous came"
    redactor = Redactor(0.3, AllowList(), known_names=frozenset())
    assert redactor.redact(normalise(text), words_of(text), [(5, 15, probability)]).doubt is doubt


@given(st.text(max_size=60))
def test_offsets_lead_back_to_the_original(text: str) -> None:
    plain = normalise(text)
    at = 0
    for index in range(len(plain.text)):
        start, end = plain.span(index, index + 1)
        assert at <= start < end <= len(text)
        at = start
    assert plain.position(len(plain.text)) == len(text) or plain.origins is None


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_a_text_without_identifiers_comes_back_as_it_was(text: str) -> None:
    redacted = Redactor(0.3, AllowList()).redact(normalise(text), frozenset(), ())
    if not redacted.spans:
        assert redacted.text() == storable(text)


@pytest.mark.parametrize("text", ["Привет, как дела? Всё хорошо", "Όλα καλά, ευχαριστώ", "مرحبا", "谢谢你们"])
def test_other_alphabets_are_not_taken_for_disguises(text: str) -> None:
    assert normalise(text).text == text.replace("，", ",")


def test_two_words_of_one_character_are_one_span() -> None:
    plain = normalise("me\u2100 said")  # a/c
    spans = Redactor(0.3, AllowList()).redact(plain, words_of(plain.text), [(0, 3, 0.9), (4, 5, 0.9)]).spans
    assert [(span.start, span.end) for span in spans] == [(0, 3)]


LINE = "I was in hospital for a week and the nurses on the ward"


@pytest.mark.parametrize(
    ("text", "wrapped"),
    [
        (f"{LINE}\nwere kind", True),
        (f"{LINE} \r\nwere kind", True),
        (f"{LINE}.\nThey were kind", False),
        (f"{LINE}\n\nThey were kind", False),
        ("nurses 10\nfood 5", False),
        (f"{LINE} {LINE}\nwere kind", False),
    ],
)
def test_only_a_wrapped_lines_end_is_a_blank(text: str, wrapped: bool) -> None:
    assert ("\n" not in normalise(text).text) is wrapped


def test_ten_thousand_names_in_one_text_are_no_burden() -> None:
    def seconds(names: int) -> float:
        started = time.process_time()
        reading = read("Bronwen, Rose " * names, FakeEncoder(room=64))
        assert reading.counts == {"name": names + 1}, "Bronwen · Rose Bronwen · … · Rose"
        return time.process_time() - started

    # Quadratic work would grow a hundredfold.
    assert seconds(7_000) < 40 * seconds(700) + 0.2
