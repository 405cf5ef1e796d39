"""What one piece of feedback adds to a team's period: a pure function of the event.

A reading keeps the very list of measures that it was counted under, so a replacement or a withdrawal takes away exactly
what was added, even by an older version of this code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.learning.corrections import tone_of
from services.learning.periods import period_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from services.learning.periods import PeriodKind
    from shared.events import FeedbackAnalysed, MediaReference

Measure = tuple[str, str]
"""A measure and its value: ("sentiment", "1"), ("theme_negative", "Timeliness of care"), ("responses", "")."""

CounterKey = tuple[str, "date", str, str]
"""Team, period, measure, value: the counters' primary key."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest version of one piece of feedback, or the tombstone of a withdrawn one.

    A tombstone keeps the id alone: no team, no period, no words, no measures.
    """

    feedback_id: UUID
    version: int
    withdrawn: bool = False
    team_id: str | None = None
    period: date | None = None
    measures: tuple[Measure, ...] = ()
    details: dict[str, Any] | None = None
    """The remaining columns of the row."""
    uncorrected: tuple[Measure, ...] | None = None
    """What it would count for had no team member corrected it; None where none has."""
    traceparent: str | None = None
    """Of the event that brought it, for the page that it makes due; kept in no reading's row."""

    @property
    def as_read(self) -> tuple[Measure, ...]:
        """What the model alone says that it counts for."""
        return self.measures if self.uncorrected is None else self.uncorrected


def reading_of(
    event: FeedbackAnalysed, team_id: str, kind: PeriodKind = "month", traceparent: str | None = None
) -> Reading:
    """The reading that an event stands for, in the period of that kind in which it happened."""
    return Reading(
        feedback_id=event.feedback_id,
        version=event.version,
        team_id=team_id,
        period=period_of(event.occurred_at, kind),
        measures=tuple(sorted(measures_of(event))),
        details={
            "occurred_at": event.occurred_at.isoformat(),
            "organisation": _clean(event.about.organisation),
            "service": _clean(event.about.service),
            "unit": _clean(event.about.unit),
            "site": _clean(event.about.site),
            "channel": _clean(event.source.channel),
            "kind": event.kind.value,
            "question_type": event.question_type.value,
            "language": event.language,
            "rating": event.rating,
            "sentiment": event.sentiment.label if event.sentiment else None,
            "themes": [{"name": _clean(theme.name), "probability": theme.probability} for theme in event.themes],
            "severity": event.severity,
            "urgent": event.urgent,
            "quote_ok": event.quote_ok and not event.urgent,
            "segments": [
                segment_row(
                    _clean(segment.text) or "",
                    segment.sentiment.label,
                    [_clean(theme.name) or "" for theme in segment.themes],
                    segment.start_seconds,
                )
                for segment in event.segments
            ],
            # A recording cannot be redacted: one that names somebody is counted and quoted, and never played.
            "media": [] if event.redactions else _stored(event.media),
            "model_version": _clean(event.model_version),
        },
        traceparent=traceparent,
    )


def segment_row(text: str, sentiment: int, themes: Sequence[str], start_seconds: float | None) -> dict[str, Any]:
    """A stretch as it is stored; seconds only where it was spoken."""
    row: dict[str, Any] = {"text": text, "sentiment": sentiment, "themes": list(themes)}
    return row if start_seconds is None else {**row, "start_seconds": start_seconds}


def _stored(media: Iterable[MediaReference]) -> list[dict[str, str]]:
    """Id and type of what is in the bucket; of what only its sender has, there is nothing to be watched."""
    found = [(_uuid(each.media_id), _clean(each.content_type) or "") for each in media if each.stored]
    return [{"media_id": str(media_id), "content_type": type_} for media_id, type_ in found if media_id is not None]


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def tombstone(feedback_id: UUID) -> Reading:
    """What a withdrawal leaves; it wins over every version, earlier or later."""
    return Reading(feedback_id=feedback_id, version=0, withdrawn=True)


def measures_of(event: FeedbackAnalysed) -> set[Measure]:
    """Everything that the event counts under, each once.

    Urgent feedback counts as a voice heard, never towards themes or sentiment: a person looks at it the same day
    (learning.md, "Outside this route").
    """
    has_words = any(segment.text.strip() for segment in event.segments)
    measures = {
        ("responses", ""),
        ("channel", _clean(event.source.channel) or ""),
        ("kind", event.kind.value),
        ("question", event.question_type.value),
        ("role", event.role or "unknown"),
        ("age", event.age_band or "unknown"),
        ("language", _language(event.language)),
        ("text", "with" if has_words else "without"),
    }
    if event.urgent:
        return measures | {("urgent", "")}
    if has_words:
        measures.add(("read", ""))
    return measures | measures_of_the_model(
        _clean(event.model_version) or "",
        event.sentiment.label if event.sentiment else None,
        [_clean(theme.name) or "" for theme in event.themes],
        [(s.sentiment.label, [_clean(theme.name) or "" for theme in s.themes]) for s in event.segments],
        has_words=has_words,
    )


def measures_of_the_model(
    model_version: str,
    sentiment: int | None,
    themes: Iterable[str],
    segments: Sequence[tuple[int, Sequence[str]]],
    *,
    has_words: bool,
) -> set[Measure]:
    """What the model's reading alone adds.

    Args:
        model_version: of the model that read it.
        sentiment: of the whole; None where there was nothing to read.
        themes: of the whole.
        segments: sentiment and themes of each.
        has_words: whether there was anything to read.
    """
    found: set[Measure] = {("model", model_version)} if has_words else set()
    if sentiment is not None:
        found.add(("sentiment", str(sentiment)))
    for theme in themes:
        # The tone of the segments that raise it; of the whole comment where none does.
        tones = {tone_of(label) for label, raised in segments if theme in raised}
        if not tones and sentiment is not None:
            tones = {tone_of(sentiment)}
        found.add(("theme", theme))
        found |= {(f"theme_{tone}", theme) for tone in tones}
    return found


def _language(tag: str | None) -> str:
    if tag is None:
        return "unknown"
    return "english" if tag.split("-")[0] in {"en", "eng"} else "other"


def _clean(value: str | None) -> str | None:
    """PostgreSQL stores no NUL character."""
    return value.replace("\x00", "") if value is not None else None


def newest(readings: Iterable[Reading]) -> list[Reading]:
    """One reading per id, in order of id: a withdrawal, else the highest version, else the first of its like."""
    chosen: dict[UUID, Reading] = {}
    for reading in readings:
        held = chosen.get(reading.feedback_id)
        if held is None or supersedes(reading, held):
            chosen[reading.feedback_id] = reading
    return [chosen[feedback_id] for feedback_id in sorted(chosen)]


def supersedes(arriving: Reading, held: Reading) -> bool:
    """Whether an arriving reading replaces the one held; a withdrawal always does, and nothing replaces it."""
    if held.withdrawn:
        return False
    return arriving.withdrawn or arriving.version > held.version


def deltas(gone: Iterable[Reading], come: Iterable[Reading]) -> dict[CounterKey, int]:
    """What the counters change by when some readings go and others come; zeros left out, in order of key."""
    change: Counter[CounterKey] = Counter()
    for readings, step in ((gone, -1), (come, 1)):
        for reading in readings:
            if reading.team_id is not None and reading.period is not None:
                for measure, value in reading.measures:
                    change[(reading.team_id, reading.period, measure, value)] += step
    return {key: change[key] for key in sorted(change) if change[key]}
