"""What a team member's correction makes of a reading's measures, and what a new model does. Pure.

A correction is a whole: the newest one of a version of the feedback stands, and what it leaves out is as the model read
it. It outlives models, as a person knows better; it does not outlive an edit, as the words are others then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from services.learning.readings import Measure, Reading
    from shared.events import ReadingCorrected

TONES = ("positive", "neutral", "negative")

_THEMES = frozenset({"theme", *(f"theme_{tone}" for tone in TONES)})
_OF_THE_MODEL = _THEMES | {"sentiment", "model"}


@dataclass(frozen=True, slots=True)
class Correction:
    """One team member's word on one version of a piece of feedback.

    Attributes:
        number: of two corrections of the same version the higher one stands.
        sentiment: 1 very positive … 5 very negative; None: as the model read it.
        themes: each theme that the feedback raises, with its tone; None: as the model read them.
    """

    feedback_id: UUID
    version: int
    number: int
    sentiment: int | None
    themes: tuple[tuple[str, str], ...] | None
    corrected_at: datetime


def correction_of(event: ReadingCorrected) -> Correction:
    """The correction that an event stands for."""
    themes = None if event.themes is None else tuple(sorted({(theme.name, theme.tone) for theme in event.themes}))
    return Correction(event.feedback_id, event.version, event.correction, event.sentiment, themes, event.corrected_at)


def newest(corrections: Iterable[Correction]) -> list[Correction]:
    """One a piece of feedback, in order of id: of the highest version the highest number, the first of its like."""
    chosen: dict[UUID, Correction] = {}
    for correction in corrections:
        held = chosen.get(correction.feedback_id)
        if held is None or (correction.version, correction.number) > (held.version, held.number):
            chosen[correction.feedback_id] = correction
    return [chosen[feedback_id] for feedback_id in sorted(chosen)]


def tone_of(sentiment: int) -> str:
    """The tone of a sentiment, 1 to 5."""
    return TONES[0] if sentiment < 3 else TONES[1] if sentiment == 3 else TONES[2]


def corrected(measures: Iterable[Measure], correction: Correction) -> tuple[Measure, ...]:
    """The measures with a person's word in place of the model's.

    A sentiment alone takes along the themes that had the tone of the model's. Urgent feedback adds nothing to themes
    or sentiment, corrected or not.
    """
    kept = set(measures)
    if ("urgent", "") in kept:
        return tuple(sorted(kept))
    if correction.sentiment is not None:
        kept = _retoned(kept, correction.sentiment)
    if correction.themes is not None:
        kept = {(measure, value) for measure, value in kept if measure not in _THEMES}
        kept |= {("theme", name) for name, _ in correction.themes}
        kept |= {(f"theme_{tone}", name) for name, tone in correction.themes}
    return tuple(sorted(kept))


def _retoned(measures: set[Measure], sentiment: int) -> set[Measure]:
    before = {f"theme_{tone_of(int(value))}" for measure, value in measures if measure == "sentiment"}
    after = f"theme_{tone_of(sentiment)}"
    kept = {(after if measure in before else measure, value) for measure, value in measures if measure != "sentiment"}
    return kept | {("sentiment", str(sentiment))}


def overlaid(reading: Reading, corrections: Mapping[UUID, Correction]) -> Reading:
    """The reading as it is to be counted: corrected where there is a correction of this very version."""
    correction = corrections.get(reading.feedback_id)
    if correction is None or reading.withdrawn:
        return reading
    as_read = reading.as_read
    if correction.version != reading.version:
        # The one kept is of words still to come: none is kept of these any more, whichever arrived first.
        return replace(reading, measures=as_read, uncorrected=None)
    return replace(reading, measures=corrected(as_read, correction), uncorrected=as_read)


def reread(measures: Iterable[Measure], of_the_model: Iterable[Measure]) -> tuple[Measure, ...]:
    """The measures with what another model says in place of what the first one said."""
    return tuple(sorted({pair for pair in measures if pair[0] not in _OF_THE_MODEL} | set(of_the_model)))
