"""A form about how a quote was read: what was ticked, what is wrong with it, and the reading that it becomes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from services.portal.corrections import Reading
from shared.events import CorrectedTheme
from shared.themes import THEMES, words_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.sources import QuoteSource

Tone = Literal["positive", "neutral", "negative"]

SENTIMENTS = {
    1: "Very positive",
    2: "Positive",
    3: "Neither positive nor negative",
    4: "Negative",
    5: "Very negative",
}

TONES: dict[Tone, str] = {
    "positive": "Praise",
    "neutral": "Neither",
    "negative": "Could be better",
}
"""How a theme is raised, as the form says it."""

MOST_THEMES = 40
"""Boxes ticked: a form has room for few more, and so has its event."""


@dataclass(frozen=True, slots=True)
class ThemeBox:
    """One theme with a box for each tone.

    Attributes:
        name: as the model has it.
        label: in plain words.
        tones: those that are ticked.
    """

    name: str
    label: str
    tones: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ticked:
    """A form as it came.

    Attributes:
        sentiment: None: none that there is.
        problem: one plain sentence; empty: it can become an event.
    """

    sentiment: int | None
    themes: frozenset[CorrectedTheme]
    problem: str = ""

    @property
    def reading(self) -> Reading:
        """What a form without a problem becomes."""
        assert self.sentiment is not None, "a form without a sentiment has a problem"
        return Reading(self.sentiment, self.themes)


def reading_of(source: QuoteSource) -> Reading:
    """How the model read it."""
    return Reading(source.sentiment, frozenset(source.themes))


def shown(reading: Reading) -> Ticked:
    """A reading as a form."""
    return Ticked(reading.sentiment, reading.themes)


def read(fields: Mapping[str, str], known: Iterable[str], before: Reading) -> Ticked:
    """Read a form.

    Args:
        fields: as they came; what is ticked has a name such as `negative:Parking`.
        known: names of the themes that could be ticked; what else came is passed over.
        before: what stands now; saying the same again is no correction.
    """
    sentiment = fields.get("sentiment", "")
    label = int(sentiment) if sentiment in {str(number) for number in SENTIMENTS} else None
    themes = frozenset(
        CorrectedTheme(name=name, tone=tone) for name in known for tone in TONES if f"{tone}:{name}" in fields
    )
    return Ticked(label, themes, _problem(label, themes, before))


def _problem(sentiment: int | None, themes: frozenset[CorrectedTheme], before: Reading) -> str:
    if sentiment is None:
        return "Choose how it is meant as a whole"
    if len(themes) > MOST_THEMES:
        return f"Tick {MOST_THEMES} boxes or fewer"
    if Reading(sentiment, themes) == before:
        return "Change what was read wrongly; nothing is changed yet"
    return ""


def names(source: QuoteSource, on_the_page: Iterable[str]) -> list[str]:
    """Every theme that can be ticked: those of this quote, of its page and of the model that comes with Heed."""
    found = {*(theme.name for theme in source.themes), *on_the_page, *THEMES}
    return sorted(found, key=lambda name: (label(name).casefold(), name))


def boxes(known: Iterable[str], ticked: Iterable[CorrectedTheme]) -> list[ThemeBox]:
    """These themes as the form shows them."""
    tones: dict[str, set[str]] = {}
    for theme in ticked:
        tones.setdefault(theme.name, set()).add(theme.tone)
    return [ThemeBox(name, label(name), frozenset(tones.get(name, ()))) for name in known]


def label(theme: str) -> str:
    """A theme in words that take no side."""
    return words_for(theme).better


def told(reading: Reading) -> list[str]:
    """A reading in plain words, a line each."""
    lines = [f"{label(theme.name)}: {TONES[theme.tone].lower()}" for theme in reading.ordered]
    return [f"As a whole: {SENTIMENTS[reading.sentiment].lower()}", *sorted(lines, key=str.casefold)]
