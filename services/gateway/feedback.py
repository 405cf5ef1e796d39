"""Turns a valid submission into the event that leaves the gateway, with identities pseudonymised and URLs dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from pydantic import ValidationError

from services.gateway.problems import Problem, invalid, too_large
from services.gateway.submission import CommentInput, Envelope, SocialPostInput, SubmitterInput, VideoInput
from shared.events import (
    About,
    Consent,
    FeedbackSubmitted,
    Kind,
    MediaReference,
    QuestionType,
    Source,
    Submitter,
    TranscriptSegment,
    feedback_id,
)
from shared.topics import FEEDBACK_SUBMITTED

if TYPE_CHECKING:
    from datetime import datetime

    from services.gateway.integrations import Integration
    from services.gateway.pseudonyms import Pseudonyms

LARGEST_EVENT = FEEDBACK_SUBMITTED.largest_record - 64 * 1024
"""Bytes of one event's JSON; the rest of what the topic takes is left for a record's key and headers."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that only has to be written.

    Attributes:
        content_hash: keyed; equal for equal content, whenever it is received.
        event: `FeedbackSubmitted` as JSON, with version 1; the store sets the true version.
    """

    feedback_id: UUID
    content_hash: bytes
    event: str


def prepare(
    submission: CommentInput | SocialPostInput | VideoInput,
    integration: Integration,
    pseudonyms: Pseudonyms,
    now: datetime,
) -> Prepared:
    """Make the event of a submission.

    Raises:
        Problem: 422 where the organisation is not the integration's, 413 where the event outgrows a Kafka record.
    """
    check_organisation(submission, integration)
    try:
        event = _event(submission, integration.id, pseudonyms, now)
    except ValidationError as error:
        raise invalid(error) from None
    # Defaults are left out, so that a field that a later release adds does not make old content look changed.
    content = event.model_dump_json(exclude={"feedback_id", "version", "received_at"}, exclude_defaults=True)
    body = event.model_dump_json(exclude_none=True)
    if len(body.encode()) > LARGEST_EVENT:
        raise too_large(LARGEST_EVENT, "feedback")
    return Prepared(event.feedback_id, pseudonyms.content(content.encode()), body)


def check_organisation(submission: Envelope, integration: Integration) -> None:
    """Let an integration speak of its own organisations only.

    Raises:
        Problem: 422.
    """
    if not integration.speaks_for(submission.about.organisation):
        detail = "This integration may not submit for that organisation."
        raise Problem(422, "unknown-organisation", detail, [("about.organisation", "is not one of this integration's")])


def _event(
    submission: CommentInput | SocialPostInput | VideoInput, integration: str, pseudonyms: Pseudonyms, now: datetime
) -> FeedbackSubmitted:
    event = enveloped(
        submission,
        Kind(submission.kind),
        integration,
        pseudonyms,
        now,
        author=submission.author_id if isinstance(submission, SocialPostInput) else None,
    )
    said: dict[str, object] = {"text": submission.text}
    if isinstance(submission, VideoInput):
        said["transcript"] = tuple(
            TranscriptSegment(start_seconds=part.start_seconds, end_seconds=part.end_seconds, text=part.text)
            for part in submission.transcript
        )
        said["media"] = _media(submission, event["feedback_id"])
    return FeedbackSubmitted(**event, **said)


def enveloped(
    submission: Envelope,
    kind: Kind,
    integration: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    *,
    author: str | None = None,
) -> dict[str, Any]:
    """The fields of `FeedbackSubmitted` that every kind of feedback fills alike: all but what was said.

    Args:
        submission: as it was sent.
        kind: of feedback.
        integration: id of who sent it.
        pseudonyms: hide who submitted it.
        now: when it was received.
        author: of a post, where its submitter has no id.
    """
    about, consent = submission.about, submission.consent
    return {
        "feedback_id": feedback_id(integration, submission.source_id),
        "kind": kind,
        "source": Source(integration=integration, channel=submission.channel),
        "question": submission.question,
        "question_type": submission.question_type or QuestionType.NONSPECIFIC,
        "rating": submission.rating,
        "language": submission.language,
        "occurred_at": submission.occurred_at,
        "received_at": now,
        "about": About(organisation=about.organisation, service=about.service, unit=about.unit, site=about.site),
        "submitter": _submitter(submission.submitter, author, integration, pseudonyms),
        "consent": Consent(quote=consent.quote, contact=consent.contact) if consent else Consent(),
    }


def _submitter(given: SubmitterInput | None, author: str | None, integration: str, pseudonyms: Pseudonyms) -> Submitter:
    told = given or SubmitterInput()
    identity = told.id or author
    return Submitter(
        pseudonym=pseudonyms.submitter(integration, identity) if identity else None,
        role=told.role,
        age_band=told.age_band,
    )


def media_id(identity: UUID) -> UUID:
    """Name the recording of one piece of feedback for ever."""
    return uuid5(identity, "media:0")


def _media(submission: VideoInput, identity: UUID) -> tuple[MediaReference, ...]:
    if submission.media is None:
        return ()
    return (
        MediaReference(
            media_id=str(media_id(identity)),
            content_type=submission.media.content_type,
            duration_seconds=submission.media.duration_seconds,
        ),
    )
