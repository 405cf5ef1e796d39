"""What passes between the service and its decoding process: one task in, one finding out, both as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from services.media.cues import MOST_CUES
from services.media.reasons import Reason
from services.media.signatures import Format
from shared.events import MAX_TEXT
from shared.media import MediaKind

RECORDING, CAPTIONS, POSTER, SOUND = "recording", "captions", "poster", "sound"
"""Names of the files that the decoding process writes into its folder."""

POSTER_TYPE = "image/jpeg"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Task(_Message):
    """What is to be decoded, and how far that may go.

    Attributes:
        kind: what the recording is to be.
        recording: path of the file as it was uploaded.
        format: that it has been declared to have.
        captions: path of its captions; None where there are none.
        captions_format: of these.
        folder: where clean files go.
        poster: whether a still picture is wanted.
        sound: whether the speech is wanted as bare samples.
        room: characters that a transcript may have.
        most_seconds: of the recording.
        decode_seconds: after which frames are no longer tried; the process is ended at twice that.
    """

    kind: MediaKind
    recording: str
    format: Format
    captions: str | None = None
    captions_format: Format | None = None
    folder: str
    poster: bool = False
    sound: bool = False
    room: int = MAX_TEXT
    most_seconds: float
    decode_seconds: float


class Said(_Message):
    """One segment of a transcript, in seconds."""

    start: Annotated[FiniteFloat, Field(ge=0, le=86_400)]
    end: Annotated[FiniteFloat, Field(ge=0, le=86_400)]
    text: Annotated[str, Field(max_length=MAX_TEXT)]


class Finding(_Message):
    """What became of a task. It is not trusted: a crafted file may have taken its writer over.

    Attributes:
        refused: why; then nothing else is told.
        seconds: how long the recording is; None for a picture.
        transcript: what is said.
        words_from: where that was read.
        poster: whether a still picture was made.
        sound: whether samples of the speech were written.
        disk_full: there was no room to write; nothing is wrong with the files.
    """

    refused: Reason | None = None
    seconds: Annotated[FiniteFloat, Field(ge=0, le=86_400)] | None = None
    transcript: Annotated[tuple[Said, ...], Field(max_length=MOST_CUES)] = ()
    words_from: Literal["embedded", "captions", "speech"] | None = None
    poster: bool = False
    sound: bool = False
    disk_full: bool = False
