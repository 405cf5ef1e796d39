"""Events in, events out: between what crosses the topics and what the reader reads. Pure."""

from __future__ import annotations

from datetime import datetime

from services.analysis.reader import Impression, Reading, Submission
from services.analysis.segments import Cue
from shared.events import AnalysedSegment, FeedbackAnalysed, FeedbackSubmitted, FeedbackUrgent, Sentiment, Theme


def submission(event: FeedbackSubmitted) -> Submission:
    """What the reader needs of a submitted event."""
    return Submission(
        id=str(event.feedback_id),
        text=event.text,
        cues=tuple(Cue(cue.start_seconds, cue.end_seconds, cue.text) for cue in event.transcript),
        question_type=event.question_type.value,
        consent_to_quote=event.consent.quote,
        age_band=event.submitter.age_band,
        language=event.language,
    )


def analysed(event: FeedbackSubmitted, reading: Reading, now: datetime) -> FeedbackAnalysed:
    """The redacted reading; none of the raw text goes along."""
    sentiment = None if reading.impression is None else _sentiment(reading.impression)
    themes = () if reading.impression is None else _themes(reading.impression)
    # Of a text in one segment the whole's are the segment's: made once.
    return FeedbackAnalysed(
        feedback_id=event.feedback_id,
        version=event.version,
        kind=event.kind,
        source=event.source,
        about=event.about,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        analysed_at=now,
        question_type=event.question_type,
        rating=event.rating,
        language=reading.language,
        role=event.submitter.role,
        age_band=event.submitter.age_band,
        segments=tuple(
            AnalysedSegment(
                text=segment.text,
                sentiment=sentiment if segment.impression is reading.impression else _sentiment(segment.impression),
                themes=themes if segment.impression is reading.impression else _themes(segment.impression),
                start_seconds=segment.start_seconds,
                end_seconds=segment.end_seconds,
            )
            for segment in reading.segments
        ),
        sentiment=sentiment,
        themes=themes,
        severity=reading.severity,
        urgent=bool(reading.urgent),
        quote_ok=reading.quote_ok,
        redactions=reading.counts,
        model_version=reading.model_version,
        media=event.media,
    )


def urgent(event: FeedbackSubmitted, reading: Reading, now: datetime, role: str | None = None) -> FeedbackUrgent | None:
    """Reasons for a person in this role to look at it today, where there are any; never words."""
    if not reading.urgent:
        return None
    return FeedbackUrgent(
        feedback_id=event.feedback_id,
        version=event.version,
        about=event.about,
        reasons=reading.urgent,
        role=role,
        severity=reading.severity,
        occurred_at=event.occurred_at,
        flagged_at=now,
    )


def _sentiment(impression: Impression) -> Sentiment:
    return Sentiment(label=impression.label, probabilities=impression.probabilities)


def _themes(impression: Impression) -> tuple[Theme, ...]:
    return tuple(Theme(name=name, probability=probability) for name, probability in impression.themes)
