"""Whether a text may be shown to anyone as a quote. When in doubt, it may not: it is counted, never quoted."""

from __future__ import annotations

import re
from collections.abc import Set

from services.analysis.forms import DATE
from services.analysis.given_names import WORD_NAMES
from services.analysis.normalised import normalise, without_diacritics
from services.analysis.redaction import PLACEHOLDER, Redacted

SHORTEST_QUOTE = 10
LONGEST_QUOTE = 400
"""Characters of the redacted text."""

_CAPITALISED = re.compile(r"(?<=[a-z0-9,;:&] )[A-Z][a-z]+")
_FIRST = re.compile(r"(?:^|[.!?\n-])\s*([A-Z][a-z]+)")
_SHOUTED = re.compile(r"\b[A-Z]{2,}\b")
_NAMES_AT_FIRST = WORD_NAMES - frozenset(("chance", "day", "hence", "long", "love", "may", "short", "ward", "will"))
"""Without those that begin a sentence as words far more often than as names."""
_LONG_NUMBER = re.compile(r"\d(?:\W{0,3}\d){4}")
"""Whatever stands between its digits: of "943, 476 - 5919" no form may know what it is."""
_SINGLE_LETTERS = frozenset("bcdefghjklmnopqrstuvwxyz")
_SPELT_OUT = re.compile(r"(?<!\w)[^\W\d_](?:[^\w'&+]{1,3}[^\W\d_]\b){3}")
_MASKED = re.compile(r"[0-9@$*](?<=[^\W\d_].)[@$*]*[^\W\d_]")
"""A digit or signs among the letters of a word: "S4r4h", "p**l"."""

_TITLES = frozenset(("dr", "mr", "mrs", "ms"))
_TITLED = re.compile(r"\b(?:dr|mrs?|ms)\b\.?\s{1,2}[a-z]", re.IGNORECASE)
"""A title whose name was not found: "dr old"."""

_PLACE = re.compile(
    r"\b(?:[Ww]ard [A-Z0-9]|(?:in|at|from|near) [A-Z][a-z]{2,}"
    r"|[A-Z][a-z]+ (?i:ward|hospital|clinic|surgery|centre|unit|lodge|house|hospice)\b)|\[(?:address|postcode|bed)\]"
)
_RARE_EVENT_TEXT = """
amputated amputation arrested assaulted birth born cardiac collision coroner crash death died dies drowned drowning
escaped evacuated explosion funeral haemorrhage helicopter inquest miscarriage miscarried murder murdered overdose
rape raped resuscitated resuscitation shot stabbed stillbirth stillborn suicide transplant triplets twins
"""
_RARE_EVENT = frozenset(_RARE_EVENT_TEXT.split())
_GRAVE_TEXT = """
abuse abused abuser blade blades bleach bruise bruised bruises dead die dying flinch flinches harm harmed harming kill
killed killing knife knives ligature machete naked noose overdose overdosed police punched rape raped razor rope slap
slapped starving stepdad stepfather strangled suicidal suicide swallowed threat threatened threatening threats wrists
"""
_GRAVE = frozenset(_GRAVE_TEXT.split())
"""Of danger and of violence: what the urgent check did not know how to read is no quote, either."""


def quotable(
    redacted: Redacted,
    text: str,
    words: Set[str],
    known_names: Set[str],
    *,
    consent: bool,
    urgent: bool,
    english: bool,
) -> bool:
    """Judge one whole text by the rules of the quote gate.

    Args:
        redacted: what was taken out, and whether a doubt remains.
        text: the redacted text.
        words: the plain raw text's lower-case words.
        known_names: the gazetteer, in lower case.
        consent: the submitter agreed to be quoted.
        urgent: a person is asked to look at it.
        english: not told or found to be in another language; names are not measured in others.
    """
    if not consent or urgent or not english or redacted.doubt or not _GRAVE.isdisjoint(words):
        return False
    if not SHORTEST_QUOTE <= len(text.strip()) <= LONGEST_QUOTE:
        return False
    plain = normalise(text).text
    rest = PLACEHOLDER.sub(" ", plain) if "[" in plain else plain
    if _MASKED.search(rest) or (not _SINGLE_LETTERS.isdisjoint(words) and _SPELT_OUT.search(rest)):
        return False
    return not (_names_left(rest, words, known_names) or _LONG_NUMBER.search(rest) or _singular(plain, words))


def _names_left(text: str, words: Set[str], known_names: Set[str]) -> bool:
    """A name of the gazetteer still stands in the redacted text."""
    known = words & known_names
    if "'" in text or not text.isascii():
        known |= {word for word in words if without_diacritics(word.removesuffix("'s")) in known_names}
    if any(re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) for name in known):
        return True
    if not _TITLES.isdisjoint(words) and _TITLED.search(text):
        return True
    if WORD_NAMES.isdisjoint(words):
        return False
    if any(word.lower() in WORD_NAMES for word in _CAPITALISED.findall(text)):
        return True
    if any(word.lower() in _NAMES_AT_FIRST for word in _FIRST.findall(text)):
        return True
    return not text.isupper() and any(word.lower() in WORD_NAMES for word in _SHOUTED.findall(text))


def _singular(text: str, words: Set[str]) -> bool:
    """A date, a place and a rare event together point at one person."""
    if _RARE_EVENT.isdisjoint(words):
        return False
    return (DATE.search(text) is not None or "[dob]" in text) and _PLACE.search(text) is not None
