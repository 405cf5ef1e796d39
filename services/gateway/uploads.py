"""Turns a declared recording into the event that says its files are there, to be sent once they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from services.gateway.feedback import check_organisation, enveloped, media_id
from services.gateway.problems import invalid, too_large
from services.gateway.recording import RecordingConsentInput
from shared.events import FeedbackSubmitted, Kind, MediaReference
from shared.media import MediaConsent, MediaUploaded, UploadedFile
from shared.topics import MEDIA_UPLOADED

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.gateway.integrations import Integration
    from services.gateway.pseudonyms import Pseudonyms
    from services.gateway.recording import Limits, RecordingSubmission

LARGEST_EVENT = MEDIA_UPLOADED.largest_record - 64 * 1024
"""Bytes of one event's JSON; the rest of what the topic takes is left for a record's key and headers."""


@dataclass(frozen=True, slots=True)
class PreparedUpload:
    """A declaration that only has to be written.

    Attributes:
        content_hash: keyed; equal for equal content, whenever it is received.
        files: what is to be uploaded, and where to.
        event: `MediaUploaded` as JSON; the true time of its upload is set when it is completed.
    """

    feedback_id: UUID
    media_id: UUID
    content_hash: bytes
    files: tuple[UploadedFile, ...]
    event: str


def quarantine(media: UUID) -> str:
    """The folder of the bucket that one recording's files are uploaded to; nobody but us chooses a name in it."""
    return f"quarantine/{media}/"


def prepare_upload(
    submission: RecordingSubmission, integration: Integration, pseudonyms: Pseudonyms, limits: Limits, now: datetime
) -> PreparedUpload:
    """Make the event of a declaration.

    Where no retention was chosen it is the shortest.

    Raises:
        Problem: 422 where the organisation is not the integration's, 413 where the event outgrows a Kafka record.
    """
    check_organisation(submission, integration)
    try:
        event = _event(submission, integration.id, pseudonyms, limits, now)
    except ValidationError as error:
        raise invalid(error) from None
    # Defaults are left out, so that a field that a later release adds does not make old content look changed.
    said = event.feedback.model_dump_json(exclude={"feedback_id", "version", "received_at"}, exclude_defaults=True)
    content = said + event.model_dump_json(exclude={"media_id", "uploaded_at", "feedback"}, exclude_defaults=True)
    body = event.model_dump_json(exclude_none=True)
    if len(body.encode()) > LARGEST_EVENT:
        raise too_large(LARGEST_EVENT, "feedback")
    hashed = pseudonyms.content(content.encode())
    return PreparedUpload(event.feedback.feedback_id, event.media_id, hashed, event.files, body)


def _event(
    submission: RecordingSubmission, integration: str, pseudonyms: Pseudonyms, limits: Limits, now: datetime
) -> MediaUploaded:
    fields = enveloped(submission, Kind.VIDEO, integration, pseudonyms, now)
    identity = media_id(fields["feedback_id"])
    media = submission.media
    reference = MediaReference(
        media_id=str(identity), content_type=media.content_type, duration_seconds=media.duration_seconds
    )
    consent = submission.consent or RecordingConsentInput()
    return MediaUploaded(
        media_id=identity,
        kind=media.kind,
        feedback=FeedbackSubmitted(**fields, text=submission.text, media=(reference,)),
        files=_files(submission, identity),
        consent=MediaConsent(bystanders=consent.bystanders, staff=consent.staff, poster=consent.poster),
        retention_days=submission.retention_days or min(limits.retention_days),
        uploaded_at=now,
    )


def _files(submission: RecordingSubmission, identity: UUID) -> tuple[UploadedFile, ...]:
    media, captions = submission.media, submission.captions
    recording = UploadedFile(
        role="recording",
        object_key=f"{quarantine(identity)}recording",
        size=media.size,
        sha256=media.sha256,
        content_type=media.content_type,
    )
    if captions is None:
        return (recording,)
    return (
        recording,
        UploadedFile(
            role="captions",
            object_key=f"{quarantine(identity)}captions",
            size=captions.size,
            sha256=captions.sha256,
            content_type=captions.content_type,
        ),
    )
