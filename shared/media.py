"""Events about films, sound and pictures. What is in them never travels: files stay in the bucket."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field, StringConstraints

from shared.events import Event, FeedbackSubmitted, Name, _Model

MOST_BYTES = 2 * 1024**3
"""Of one file, whatever an operator allows."""

MediaKind = Literal["video", "audio", "image"]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

Shown = Literal["nobody", "agreed", "unresolved"]
"""Whether people other than the submitter can be seen or heard, and what they said to that."""


def clean_folder(media_id: UUID) -> str:
    """The folder of the bucket with what was checked and cleaned of one upload."""
    return f"clean/{media_id}/"


def clean_key(media_id: UUID, role: Literal["recording", "captions", "poster"]) -> str:
    """The key of one file of it."""
    return f"{clean_folder(media_id)}{role}"


class MediaConsent(_Model):
    """What the submitter told of everybody who can be seen or heard; nothing is assumed."""

    bystanders: Shown = "unresolved"
    staff: Shown = "unresolved"
    poster: bool = False
    """Whether a still picture may stand for the film."""

    @property
    def resolved(self) -> bool:
        """Whether nobody is still to be asked."""
        return "unresolved" not in {self.bystanders, self.staff}


class UploadedFile(_Model):
    """A file as it was declared; whether it is that, the media service finds out."""

    role: Literal["recording", "captions"]
    object_key: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    size: Annotated[int, Field(ge=1, le=MOST_BYTES)]
    """Bytes."""
    sha256: Sha256
    content_type: Name


class MediaUploaded(Event):
    """Somebody says that the files of one piece of feedback are in quarantine. Restricted."""

    ce_type: ClassVar[str] = "heed.media.uploaded.v1"

    media_id: UUID
    kind: MediaKind
    feedback: FeedbackSubmitted
    """As it is to be submitted, without a transcript: that comes of the files."""
    files: Annotated[tuple[UploadedFile, ...], Field(min_length=1, max_length=2)]
    """The recording, and its captions if there are any."""
    consent: MediaConsent
    retention_days: Annotated[int, Field(ge=1, le=3_650)]
    """After so many days from receipt the files are erased."""
    uploaded_at: AwareDatetime

    def key(self) -> str:
        """Partition by media id."""
        return str(self.media_id)

    def identity(self) -> UUID:
        """One id per media, consent as it stands: a consent that is resolved later is news."""
        consent = f"{self.consent.bystanders}:{self.consent.staff}:{self.consent.poster}"
        return uuid5(self.media_id, f"uploaded:{self.feedback.version}:{consent}")

    def moment(self) -> datetime:
        """When its upload was completed."""
        return self.uploaded_at


class CleanFile(_Model):
    """A file that was checked and cleaned."""

    role: Literal["recording", "captions", "poster"]
    object_key: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    content_type: Name
    size: Annotated[int, Field(ge=1)]
    """Bytes."""


class MediaChecked(Event):
    """What became of uploaded files, for the receipt. Restricted: it says where clean files are."""

    ce_type: ClassVar[str] = "heed.media.checked.v1"

    media_id: UUID
    feedback_id: UUID
    state: Literal["accepted", "rejected", "held", "erased"]
    """`held`: a person must see to its consent first; `erased`: it was withdrawn, or its time is over."""
    reason: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")] | None = None
    """A code; None where it was accepted."""
    transcript: Literal["embedded", "captions", "speech"] | None = None
    """Where words came from; None where there are none."""
    files: tuple[CleanFile, ...] = ()
    checked_at: AwareDatetime

    def key(self) -> str:
        """Partition by media id."""
        return str(self.media_id)

    def identity(self) -> UUID:
        """One id per state and reason."""
        return uuid5(self.media_id, f"checked:{self.state}:{self.reason}")

    def moment(self) -> datetime:
        """When it was decided."""
        return self.checked_at
