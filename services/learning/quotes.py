"""Which words are quoted: consented, redacted, through the gate, typical, and different from one another.

The gate has two halves. *Identity* (names, contact details, age, a date beside a place, a role that one person holds,
any team by its name) also binds the checker. *Tone* does not: a patient's strong words are not a violation, but a
quote that judges staff, or that compares teams, is simply not chosen; a page is not the place where one person is
judged in public, and the theme still counts. Both halves treat praise and criticism alike.

What passes must also say something, and one thing: a quote of filler words only is not chosen, nor one that turns
("kind, but slow"), as half of it would contradict the heading above it, nor one that only answers a question that the
page does not show ("Because they came").
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from services.learning import language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.sources import QuoteSource

    Origin = Callable[[], QuoteSource]

SHORTEST = 5
LONGEST = 22
"""Words."""

MEANING = 3
"""Different words at least that are not in `language.EMPTY`: "nothing really, all good" is an answer, but no story."""

PRAISE = (1, 2)
"""Sentiments under which a quote may stand beside what people valued."""

SIMILAR = 0.5
"""Share of the shorter quote's words (overlap coefficient) above which two say the same: one may hold the other."""

_IDENTITY = (
    ("name", language.TITLED),
    ("contact_or_placeholder", language.CONTACT),
    ("age", language.AGE),
    ("singling_role", language.SINGLING_ROLE),
)
_TONE = (
    language.JUDGEMENT,
    language.INSULTS,
    language.RANKING,
    language.COMPARISON,
    language.TRAFFIC_LIGHT,
    language.TURN,
    language.FRAGMENT,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One redacted stretch of consented feedback.

    Attributes:
        source: names its feedback, so that one voice is quoted once; never on a page.
        sentiment: 1 very positive … 5 very negative.
        origin: makes what goes out beside the page if it is quoted (decision 19); None: nobody will ask.
        vocabulary: its words, once `usable` has let it pass.
    """

    source: str
    text: str
    sentiment: int
    themes: tuple[str, ...]
    origin: Origin | None = field(default=None, compare=False)
    vocabulary: frozenset[str] = field(default=frozenset(), compare=False)


def identity_faults(text: str, team_names: Iterable[str] = (), allowed: Sequence[str] = ()) -> tuple[str, ...]:
    """Codes of what could tell a reader who is meant; none if nothing.

    Args:
        text: a quote.
        team_names: of every team, the page's own too: whose page it is must not change what is quoted.
        allowed: names of places that are not people.
    """
    found = [code for code, pattern in _IDENTITY if pattern.search(text)]
    if language.capitalised_inside(text, allowed) or language.name_before_verb(text):
        found.append("name")
    places = names(tuple(allowed)).search(text)
    if language.DATE.search(text) and (places or language.PLACE.search(text)):
        found.append("date_and_place")
    if names(tuple(team_names)).search(text):
        found.append("team_named")
    if language.unprintable(text):
        found.append("unprintable")
    return tuple(dict.fromkeys(found))


def quotable(text: str, team_names: Iterable[str] = (), allowed: Sequence[str] = ()) -> bool:
    """Whether a quote passes both halves of the gate, says something, and is short enough to be read."""
    return _vocabulary(text, team_names, allowed) is not None


def _vocabulary(text: str, team_names: Iterable[str], allowed: Sequence[str]) -> frozenset[str] | None:
    """The words of what is `quotable`, else None."""
    if not SHORTEST <= len(text.split()) <= LONGEST or len(text) > 200:
        return None
    found = frozenset(language.words(text))
    if len(found - language.EMPTY) < MEANING or any(pattern.search(text) for pattern in _TONE):
        return None
    return None if identity_faults(text, team_names, allowed) else found


def usable(candidates: Iterable[Candidate], team_names: Sequence[str], allowed: Sequence[str]) -> list[Candidate]:
    """The candidates that may be quoted, the most typical first; the same voices give the same order.

    Typical: the words it uses are words that many of the others use too.
    """
    passed = []
    for candidate in candidates:
        said = " ".join(candidate.text.split())
        contradicts = candidate.sentiment in PRAISE and language.DENIED_PRAISE.search(said)
        vocabulary = None if contradicts else _vocabulary(said, team_names, allowed)
        if vocabulary is not None:
            passed.append(replace(candidate, text=said, vocabulary=vocabulary))
    used_by = Counter(word for candidate in passed for word in candidate.vocabulary)

    def typicality(candidate: Candidate) -> float:
        return sum(used_by[word] for word in candidate.vocabulary) / max(len(candidate.vocabulary), 1)

    return sorted(passed, key=lambda candidate: (-typicality(candidate), candidate.source, candidate.text))


def pick(
    ranked: Iterable[Candidate], taken: Sequence[Candidate], *, theme: str | None, sentiments: Iterable[int]
) -> Candidate | None:
    """The most typical one on a theme and in a tone that does not repeat what was taken already."""
    tones = set(sentiments)
    for candidate in ranked:
        on_theme = theme is None or theme in candidate.themes
        if on_theme and candidate.sentiment in tones and not any(_repeats(candidate, other) for other in taken):
            return candidate
    return None


def _repeats(one: Candidate, other: Candidate) -> bool:
    if one.source == other.source:
        return True
    return len(one.vocabulary & other.vocabulary) > SIMILAR * min(len(one.vocabulary), len(other.vocabulary))


@lru_cache(maxsize=16)
def names(given: tuple[str, ...], flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    """An expression that finds any of these names where it stands as words of its own; made once for each list."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, given)) or '(?!)'})(?!\w)", flags)
