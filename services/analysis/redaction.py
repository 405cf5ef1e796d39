"""Takes names and identifiers out of a text: `[name]`, `[phone]`, … in their place.

Names come from the model's word probabilities, identifiers from `patterns`; what is on the allow-list is spared.
Offsets are those of the original text throughout.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

from services.analysis.allow_list import AllowList
from services.analysis.given_names import CERTAIN_NAMES
from services.analysis.normalised import Normalised, storable, without_diacritics
from services.analysis.patterns import Kind, Span, identifiers, merged

_START, _END = attrgetter("start"), attrgetter("end")

NameToken = tuple[int, int, float]
"""Start, end and P(name) of one word of the plain text."""

PLACEHOLDER = re.compile(
    rf"\[(?:{'|'.join(kind.value for kind in Kind)}|unreadable|illegible|redacted)\]", re.IGNORECASE
)
"""What stands for something already taken out, by Heed or before it."""

_BETWEEN_NAMES = re.compile(r" |\. ?| ?[-'] ?|, (?=[A-Z]\b)")
_INITIAL_BEFORE = re.compile(r"(?<![\w'])(?![AI] )[A-Z](?:\. ?| )(?:[A-Z](?:\. ?| ))?$")
_INITIAL_AFTER = re.compile(r" [A-HJ-Z]\b(?!['.&]?\w)")
_TITLE_BEFORE = re.compile(
    r"\b(?:dr|doctor|mr|mrs|ms|miss|prof|professor|nurse|sister|matron|midwife|sir|dame|lady|lord)(?:\.\s{0,2}|\s{1,2})$",
    re.IGNORECASE,
)
_ROLE_BEFORE = re.compile(
    r"\b(?:dr|doctor|mr|mrs|ms|miss|prof|professor|nurse|sister|matron|midwife|sir|dame|lady|lord|called|named|name is"
    r"|name was|paramedics?|drivers?|therapist|physio|carer|consultant|receptionist|hca|thanks to|thank ?you|especially"
    r"|including|such as|regards|love)(?:\.\s{0,2}|[,:]?\s{1,2})$",
    re.IGNORECASE,
)
_LISTED = re.compile(r" |\. ?| ?[-'/] ?|,? (?:and |& |\+ )?")

_INSTITUTION = re.compile(
    r"(?<!\w)(?:Marie Curie|Sue Ryder|Florence Nightingale|Ronald McDonald|Elizabeth Garrett Anderson"
    r"|Macmillan(?= (?:nurses?|cancer|team|unit|centre|services?|charity)\b))(?!\w)",
    re.IGNORECASE,
)
"""National charities, hospitals and houses that are named after people; a title before makes it a person.

These and the abbreviations hold without the common allow-list, too: the card's held-out figures stand on them.
"""

_ABBREVIATIONS = frozenset(
    ("nino", "dob", "mrn", "nhs", "nmc", "gmc", "hcpc", "pals", "neas", "camhs", "cahms", "cpn", "resus", "covid")
)
"""Labels of identifiers and of services, which stand where names stand."""

KNOWN_FROM = 0.005
"""P(name) that is enough for a word of the gazetteer."""
CONFIRMED_FROM = 0.02
"""P(name) that is enough after a role or title, or beside a name, and that a quote may not hold.

The model card tells what the threshold and these rules find and change."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What was taken out of one text, and where words were left that might be names."""

    original: str
    spans: tuple[Span, ...]
    """In original offsets, in order, without overlap."""
    doubt: bool
    """A word that the model holds to be a name with a probability of 2 % or more was left standing."""

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return dict(Counter(span.kind.value for span in self.spans))

    def text(self, start: int = 0, end: int | None = None) -> str:
        """The original's stretch with placeholders; one that begins before the stretch is not repeated in it."""
        end = len(self.original) if end is None else end
        parts: list[str] = []
        at = start
        for span in self.spans[bisect_right(self.spans, start, key=_END) :]:
            if span.start >= end:
                break
            parts.append(self.original[at : max(at, span.start)])
            if span.start >= start:
                parts.append(f"[{span.kind.value}]")
            at = min(span.end, end)
        parts.append(self.original[at:end])
        return storable("".join(parts))


class Redactor:
    """Redacts texts; immutable, so any thread may use it."""

    def __init__(
        self, name_threshold: float, allow_list: AllowList, known_names: frozenset[str] = CERTAIN_NAMES
    ) -> None:
        """Set the operating point.

        Args:
            name_threshold: a word at or above this P(name) is a name, 0 to 1.
            allow_list: what is not taken for people's names.
            known_names: the gazetteer, in lower case.
        """
        self.name_threshold = name_threshold
        self._known_names = known_names
        self._allowed = allow_list

    def redact(self, plain: Normalised, words: frozenset[str], names: Sequence[NameToken]) -> Redacted:
        """Find what must go.

        Args:
            plain: the text from `normalise`.
            words: the plain text's lower-case words, see `words.words_of`.
            names: words of the plain text with their P(name), in order; those left out count as 0.
        """
        found = identifiers(plain.text, words)
        doubt = False
        if names:
            spared = self._spared(plain.text, names)
            open_names = [
                name
                for name in names
                if not _covered(name, spared) and plain.text[name[0] : name[1]].lower() not in _ABBREVIATIONS
            ]
            listed = {name for name in open_names if self._allowed.holds(plain.text, name[0], name[1])}
            found = merged(found + self._name_spans(plain.text, open_names, listed))
            doubt = any(
                name[2] >= CONFIRMED_FROM and name not in listed and not _covered(name, found) for name in open_names
            )
        # Once more: of one character that stands for several, as the ligature of "me" in accounts, two may hold a part.
        spans = merged([Span(span.kind, *plain.span(span.start, span.end)) for span in found])
        return Redacted(plain.original, tuple(spans), doubt)

    def _name_spans(self, text: str, names: Sequence[NameToken], listed: Set[NameToken]) -> list[Span]:
        """Names at or above the threshold, neighbours joined, single initials taken along."""
        joined: list[Span] = []
        for start, end, _ in self._names(text, names, listed):
            if joined and _BETWEEN_NAMES.fullmatch(text, joined[-1].end, start):
                joined[-1] = Span(Kind.NAME, joined[-1].start, end)
            else:
                joined.append(Span(Kind.NAME, start, end))
        return [_with_initials(text, span) for span in joined]

    def _names(self, text: str, names: Sequence[NameToken], listed: Set[NameToken]) -> list[NameToken]:
        """Words at the threshold; below it those that are known names, stand where names stand or were names before.

        One of the allow-list is a name after a title or beside another name only.
        """
        sure = [
            probability >= CONFIRMED_FROM and _after_title(text, start)
            if (start, end, probability) in listed
            else self._is_name(text, start, end, probability)
            for start, end, probability in names
        ]
        for order in (range(1, len(names)), range(len(names) - 2, -1, -1)):
            for at in order:
                beside = at - order.step
                if not sure[at] and sure[beside] and names[at][2] >= CONFIRMED_FROM:
                    first, second = sorted((names[at], names[beside]))
                    sure[at] = _LISTED.fullmatch(text, first[1], second[0]) is not None
        found = {
            text[start:end] for (start, end, _), is_sure in zip(names, sure, strict=True) if is_sure and end - start > 1
        }
        return [
            name
            for name, is_sure in zip(names, sure, strict=True)
            if is_sure or (name[2] >= CONFIRMED_FROM and name not in listed and text[name[0] : name[1]] in found)
        ]

    def _is_name(self, text: str, start: int, end: int, probability: float) -> bool:
        """By itself, or by what stands before it."""
        return (
            probability >= self.name_threshold
            or (probability >= KNOWN_FROM and self._known_names.issuperset(_as_known(text[start:end])))
            or (probability >= CONFIRMED_FROM and _ROLE_BEFORE.search(text, max(0, start - 16), start) is not None)
        )

    def _spared(self, text: str, names: Sequence[NameToken]) -> list[Span]:
        """Placeholders, and allow-listed phrases that no title makes a person's."""
        spared = [Span(Kind.NAME, *match.span()) for match in PLACEHOLDER.finditer(text)] if "[" in text else []
        allowed = self._allowed.phrases(text, [name[:2] for name in names])
        institutions = (match.span() for match in _INSTITUTION.finditer(text))
        spared += [Span(Kind.NAME, *at) for at in chain(allowed, institutions) if not _after_title(text, at[0])]
        return merged(spared)


def _as_known(word: str) -> list[str]:
    """The parts of a word as the gazetteer has them."""
    return without_diacritics(word).lower().split("-")


def _after_title(text: str, start: int) -> bool:
    return _TITLE_BEFORE.search(text, max(0, start - 12), start) is not None


def _with_initials(text: str, span: Span) -> Span:
    """Take "T" of "T Gethin" and "B" of "Sarah B" along."""
    before = _INITIAL_BEFORE.search(text, max(0, span.start - 6), span.start)
    after = _INITIAL_AFTER.match(text, span.end)
    return Span(span.kind, before.start() if before else span.start, after.end() if after else span.end)


def _covered(name: NameToken, spans: Sequence[Span]) -> bool:
    """Within one of the spans, which are in order and apart."""
    at = bisect_right(spans, name[0], key=_START) - 1
    return at >= 0 and name[1] <= spans[at].end
