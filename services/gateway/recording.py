"""What an integration declares before it uploads files: the input models, as strict as those of feedback.

No file name is taken. What a file is called on somebody's phone tells who they are, and is good for nothing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from services.gateway.problems import invalid
from services.gateway.submission import BOM, ConsentInput, Envelope, Input, Seconds, Text, refused
from shared.media import MOST_BYTES, MediaKind, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

RECORDINGS: Mapping[MediaKind, tuple[str, ...]] = {
    "video": ("video/mp4", "video/webm", "video/quicktime"),
    "audio": ("audio/mp4", "audio/x-m4a", "audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav"),
    "image": ("image/jpeg", "image/png", "image/webp"),
}
"""Content types of each kind; whether a file is what it says, the media service finds out."""

CAPTIONS = ("text/vtt", "application/x-subrip")

MOST_CAPTIONS = 5 * 1024 * 1024
"""Bytes of captions: fifty times those of a film of two hours."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator allows: bytes of a recording, and after how many days its files may be erased."""

    largest: int
    retention_days: tuple[int, ...]


def _limits(info: ValidationInfo) -> Limits | None:
    return info.context["limits"] if info.context else None


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value.lower()):
        raise refused("must be a SHA-256 as 64 hexadecimal digits")
    return value.lower()


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value.lower() not in allowed:
        raise refused(f"must be one of: {', '.join(allowed)}")
    return value.lower()


Checksum = Annotated[str, StringConstraints(max_length=200), AfterValidator(_sha256)]
ContentType = Annotated[str, StringConstraints(max_length=200)]


class RecordingInput(Input):
    """A film, a sound recording or a picture that is about to be uploaded."""

    kind: MediaKind
    size: Annotated[int, Field(ge=1, le=MOST_BYTES)]
    sha256: Checksum
    content_type: ContentType
    duration_seconds: Seconds | None = None

    @field_validator("size")
    @classmethod
    def _allowed(cls, value: int, info: ValidationInfo) -> int:
        limits = _limits(info)
        if limits is not None and value > limits.largest:
            raise refused(f"must be at most {limits.largest}")
        return value

    @field_validator("content_type")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        kind: MediaKind | None = info.data.get("kind")  # None where it is refused itself
        return value if kind is None else _one_of(value, RECORDINGS[kind])


class CaptionsInput(Input):
    """What is said in the recording, with time codes, in a file of its own."""

    size: Annotated[int, Field(ge=1, le=MOST_CAPTIONS)]
    sha256: Checksum
    content_type: ContentType

    @field_validator("content_type")
    @classmethod
    def _known(cls, value: str) -> str:
        return _one_of(value, CAPTIONS)


class RecordingConsentInput(ConsentInput):
    """What the submitter, and everybody else who can be seen or heard, agreed to; nothing is assumed."""

    bystanders: Shown = "unresolved"
    staff: Shown = "unresolved"
    poster: bool = False


class RecordingSubmission(Envelope):
    """Feedback whose words are in a recording, and the recording's files as they are to be uploaded."""

    text: Text = ""
    media: RecordingInput
    captions: CaptionsInput | None = None
    consent: RecordingConsentInput | None = None
    retention_days: int | None = None

    @field_validator("captions")
    @classmethod
    def _of_what_is_heard(cls, value: CaptionsInput | None, info: ValidationInfo) -> CaptionsInput | None:
        media: RecordingInput | None = info.data.get("media")
        if value is not None and media is not None and media.kind == "image":
            raise refused("belong to a film or a sound recording")
        return value

    @field_validator("retention_days")
    @classmethod
    def _chosen(cls, value: int | None, info: ValidationInfo) -> int | None:
        limits = _limits(info)
        if value is not None and limits is not None and value not in limits.retention_days:
            raise refused(f"must be one of: {', '.join(map(str, limits.retention_days))}")
        return value


RECORDING: TypeAdapter[RecordingSubmission] = TypeAdapter(RecordingSubmission)


def read_recording(body: bytes, now: datetime, limits: Limits) -> RecordingSubmission:
    """Read one declaration from JSON bytes (a leading byte-order mark is ignored).

    Args:
        body: what was sent.
        now: the moment that "in the future" is measured from.
        limits: what the operator allows.

    Raises:
        Problem: 400 for what is no JSON in UTF-8, 422 for the rest, naming the fields.
    """
    context: dict[str, Any] = {"now": now, "limits": limits}
    try:
        return RECORDING.validate_json(body.removeprefix(BOM), context=context)
    except ValidationError as error:
        raise invalid(error) from None
