"""Identifiers that follow a form: numbers, addresses, links. Names of people are the model's business.

Every expression is linear in the length of the text: repetitions are bounded or possessive, and none starts inside a
run that another start has already scanned. Cheap tests of the whole text decide which expressions are tried at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

from services.analysis import forms

Match = re.Match[str]


class Kind(StrEnum):
    """What was found; the placeholder is the kind in square brackets."""

    NAME = "name"
    EMAIL = "email"
    URL = "url"
    HANDLE = "handle"
    NHS_NUMBER = "nhs_number"
    PHONE = "phone"
    NINO = "nino"
    DOB = "dob"
    POSTCODE = "postcode"
    ADDRESS = "address"
    STAFF_ID = "staff_id"
    HOSPITAL_NO = "hospital_no"
    REF_NO = "ref_no"
    VEHICLE = "vehicle"
    BED = "bed"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of a text, in characters."""

    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """One expression; its group `value`, or else the whole match, is the identifier where `holds` says so."""

    kind: Kind
    expression: re.Pattern[str]
    needs: Callable[[Features], bool]
    holds: Callable[[Match], bool] | None = None

    def spans(self, text: str) -> Iterator[Span]:
        """Every stretch of the text that is such an identifier."""
        group: str | int = "value" if "value" in self.expression.groupindex else 0
        for match in self.expression.finditer(text):
            if self.holds is None or self.holds(match):
                start, end = match.span(group)
                yield Span(self.kind, start, end)


@dataclass(frozen=True, slots=True)
class Features:
    """What one cheap look at a text tells: it decides which expressions are worth trying."""

    digits: int
    at: bool
    link: bool
    words: Set[str]


def _before(match: Match, reach: int) -> str:
    """Up to so many characters that stand before it."""
    return match.string[max(0, match.start() - reach) : match.start()]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def is_nhs_number(digits: str) -> bool:
    """Ten digits whose last is the mod 11 check digit (NHS Data Dictionary, "NHS number")."""
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check != 10 and int(digits[9]) == check % 11


_NHS_CONTEXT = re.compile(r"\b(?:n\.?h\.?s\.?|chi|h ?[&+]? ?c|health (?:and|&) care)\b", re.IGNORECASE)
"""Of England and Wales, of Scotland (CHI) and of Northern Ireland (H&C), all ten digits."""
_NHS_AFTER = re.compile(r"\W{0,2}(?:is |was )?(?:my |her |his |their |the )?n\.?h\.?s\.? ?(?:no\b|num)", re.IGNORECASE)
_WEAK_NHS_CONTEXT = re.compile(r"\b(?:my|her|his|their|patient'?s?|health)(?: \w{2,12})?\s+(?:no\b|num)", re.IGNORECASE)


def _nhs_number(match: Match) -> bool:
    """The check digit with a context or a 3-3-4 layout; or "NHS" shortly before any ten digits."""
    before = _before(match, 32)
    if _NHS_CONTEXT.search(before) or _NHS_AFTER.match(match.string, match.end()):
        return True
    if match["odd"]:
        return False
    laid_out = bool(match["a"] or match["b"])
    return is_nhs_number(_digits(match.group())) and (laid_out or bool(_WEAK_NHS_CONTEXT.search(before)))


_PHONE_CONTEXT = re.compile(
    r"\b(?:tel\w{0,7}|phone\w{0,2}|mob\w{0,5}|ring|call|text|contact|whats ?app|number|num|fax|cell)\b[^\d]{0,16}$",
    re.IGNORECASE,
)


_DATED = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d")


def _phone(match: Match) -> bool:
    """A UK number by its leading zero and length, any other by the `phonenumbers` library, a short one by context."""
    raw = match["number"]
    digits = _digits(raw)
    if _DATED.match(raw):
        return False
    if raw[0] == "+" or digits.startswith("00"):
        return _is_number_anywhere("+" + digits.removeprefix("00"))
    if _is_uk_number(digits):
        return True
    if len(digits) == 12 and digits.startswith("44"):
        return _is_number_anywhere("+" + digits)
    if len(digits) == 10 and digits[0] == "7" and _is_number_anywhere("+44" + digits):
        return True
    return _PHONE_CONTEXT.search(_before(match, 28)) is not None


def _nhs_in_parts(match: Match) -> bool:
    return is_nhs_number(_digits(match.group())) and _NHS_CONTEXT.search(_before(match, 32)) is not None


def _phone_in_parts(match: Match) -> bool:
    return _is_uk_number(_digits(match.group())) and _PHONE_CONTEXT.search(_before(match, 28)) is not None


def _card_in_parts(match: Match) -> bool:
    return len(_digits(match.group())) in {15, 16} and "card" in _before(match, 24).lower()


def _is_uk_number(digits: str) -> bool:
    return digits[0] == "0" and digits[1] in "1235789" and len(digits) in {10, 11}


def _is_number_anywhere(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, "GB"))
    except phonenumbers.NumberParseException:
        return False


def _postcode(match: Match) -> bool:
    """A real postcode area; where lower case and an ordinal such as "b5 1st" is more likely, it is not one."""
    if match["area"].upper() not in forms.POSTCODE_AREAS:
        return False
    ordinal = match["inward"][1:].lower() in {"st", "nd", "rd", "th", "hr"}
    return not ordinal or match.group().isupper()


def _vehicle(match: Match) -> bool:
    """Capitals or a context; with a gap before the digits both, as "ED 12 HRS" is none."""
    upper, context = match.group().isupper(), forms.VEHICLE_CONTEXT.search(_before(match, 40)) is not None
    return upper and context if match["gap"] else upper or context


def _has_digits(at_least: int) -> Callable[[Features], bool]:
    return lambda features: features.digits >= at_least


def _has_words(wanted: Set[str]) -> Callable[[Features], bool]:
    return lambda features: not features.words.isdisjoint(wanted)


def _with_at(features: Features) -> bool:
    return features.at


def _with_link(features: Features) -> bool:
    return features.link


def _spoken_email(features: Features) -> bool:
    return "at" in features.words and (features.link or "dot" in features.words)


def _spoken_digits(features: Features) -> bool:
    return len(forms.DIGIT_WORDS & features.words) >= 3


def _spoken_bed(features: Features) -> bool:
    return not forms.BED_WORDS.isdisjoint(features.words)


PATTERNS: tuple[Pattern, ...] = (
    Pattern(Kind.EMAIL, forms.EMAIL, _with_at),
    Pattern(Kind.EMAIL, forms.EMAIL_IN_WORDS, _spoken_email),
    Pattern(Kind.URL, forms.URL, _with_link),
    Pattern(Kind.URL, forms.URL_IN_WORDS, _has_words({"dot"})),
    Pattern(Kind.HANDLE, forms.HANDLE, _with_at),
    Pattern(Kind.HANDLE, forms.HANDLE_IN_CONTEXT, _has_words(forms.NETWORKS)),
    Pattern(Kind.HANDLE, forms.HANDLE_BEFORE, _has_words(forms.NETWORKS)),
    Pattern(Kind.NHS_NUMBER, forms.NHS_NUMBER, _has_digits(7), _nhs_number),
    Pattern(Kind.NHS_NUMBER, forms.IN_PARTS, _has_digits(10), _nhs_in_parts),
    Pattern(Kind.DOB, forms.DOB, _has_words(forms.BIRTH_WORDS)),
    Pattern(Kind.DOB, forms.DOB_AFTER, _has_words(forms.BIRTH_WORDS)),
    Pattern(Kind.DOB, forms.DOB_IN_WORDS, _has_words(forms.BIRTH_WORDS)),
    Pattern(Kind.NINO, forms.NINO, _has_digits(6)),
    Pattern(Kind.STAFF_ID, forms.STAFF_ID, _has_digits(3)),
    Pattern(Kind.STAFF_ID, forms.POLICE_ID, _has_words(forms.POLICE_WORDS)),
    Pattern(Kind.STAFF_ID, forms.NMC_PIN, _has_digits(6)),
    Pattern(Kind.HOSPITAL_NO, forms.HOSPITAL_NO, _has_digits(5)),
    Pattern(Kind.HOSPITAL_NO, forms.MRN, _has_words(forms.MRN_WORDS)),
    Pattern(Kind.REF_NO, forms.REF_NO, _has_words(forms.REFERENCES)),
    Pattern(Kind.REF_NO, forms.REF_NO_BARE, _has_digits(4)),
    Pattern(Kind.HOSPITAL_NO, forms.HOSPITAL_NO_BARE, _has_digits(6)),
    Pattern(Kind.REF_NO, forms.SORT_CODE, _has_digits(6)),
    Pattern(Kind.REF_NO, forms.CARD, _has_digits(15)),
    Pattern(Kind.REF_NO, forms.IN_PARTS, _has_digits(15), _card_in_parts),
    Pattern(Kind.PHONE, forms.PHONE, _has_digits(6), _phone),
    Pattern(Kind.PHONE, forms.PHONE_BEFORE_A_NUMBER, _has_digits(11), _phone),
    Pattern(Kind.PHONE, forms.PHONE_ON_TWO_LINES, _has_digits(10), _phone),
    Pattern(Kind.PHONE, forms.IN_PARTS, _has_digits(10), _phone_in_parts),
    Pattern(Kind.PHONE, forms.PHONE_IN_WORDS, _spoken_digits),
    Pattern(Kind.POSTCODE, forms.POSTCODE, _has_digits(2), _postcode),
    Pattern(Kind.POSTCODE, forms.POSTCODE_IN_CONTEXT, _has_words(forms.POSTCODE_WORDS)),
    Pattern(Kind.ADDRESS, forms.ADDRESS, _has_digits(1), forms.is_address),
    Pattern(Kind.ADDRESS, forms.ADDRESS_IN_CONTEXT, _has_words(forms.HOME_WORDS)),
    Pattern(Kind.ADDRESS, forms.WELSH_ADDRESS, _has_words(forms.WELSH_STREETS)),
    Pattern(Kind.VEHICLE, forms.VEHICLE, _has_digits(2), _vehicle),
    Pattern(Kind.VEHICLE, forms.NORTHERN_IRISH_VEHICLE, _has_words(forms.VEHICLE_WORDS)),
    Pattern(Kind.VEHICLE, forms.OLD_VEHICLE, _has_words(forms.PLATE_WORDS)),
    Pattern(Kind.BED, forms.BED, _spoken_bed),
)
"""In order of precedence: where two overlap, the earlier names the kind."""


_TRIGGERS = forms.BED_WORDS | forms.BIRTH_WORDS | forms.DIGIT_WORDS | forms.NETWORKS | forms.POSTCODE_WORDS | {"dot"}
"""Words without which a text with no digit, "@" or link holds no identifier."""


def features(text: str, words: Set[str]) -> Features:
    """Look once at a plain text.

    Args:
        text: from `normalised.normalise`, or made of such a text.
        words: its lower-case words.
    """
    return Features(forms.count_digits(text), "@" in text, forms.LINK_MARK.search(text) is not None, words)


_BROKEN = tuple(
    pattern
    for pattern in PATTERNS
    if pattern.expression in {forms.NHS_NUMBER, forms.DOB, forms.NINO, forms.POSTCODE, forms.POSTCODE_IN_CONTEXT}
)
"""What may be broken over two lines; of others, what stands on the next line is more likely something else."""


def identifiers(text: str, words: Set[str]) -> list[Span]:
    """Every identifier in a plain text, in order and without overlap.

    As it is typed, with digits for the letters beside digits, and of some forms broken over two lines.
    """
    seen = features(text, words)
    if not (seen.digits or seen.at or seen.link) and _TRIGGERS.isdisjoint(words):
        return []
    found = _found(text, seen, PATTERNS)
    read = forms.legible(text)
    if read != text:
        seen = features(read, words)
        found += _found(read, seen, PATTERNS)
    if "\n" in read:
        found += _found(read.replace("\n", " "), seen, _BROKEN)
    return merged(found)


def _found(text: str, seen: Features, patterns: Iterable[Pattern]) -> list[Span]:
    return [span for pattern in patterns if pattern.needs(seen) for span in pattern.spans(text)]


def merged(spans: list[Span]) -> list[Span]:
    """Join overlapping spans into one each; the first given of those that overlap names the kind."""
    if len(spans) < 2:
        return spans
    rank = {span: -index for index, span in reversed(list(enumerate(spans)))}
    joined: list[Span] = []
    leader = 0
    for span in sorted(spans, key=lambda item: (item.start, -item.end)):
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            kind = span.kind if rank[span] > leader else last.kind
            leader = max(leader, rank[span])
            joined[-1] = Span(kind, last.start, max(last.end, span.end))
        else:
            joined.append(span)
            leader = rank[span]
    return joined
