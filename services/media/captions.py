"""Uploaded captions: WebVTT and SubRip, read to cues. Runs in the decoding process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webvtt import WebVTT
from webvtt.errors import MalformedCaptionError, MalformedFileError

from services.media.cues import MOST_CUES, Cue
from services.media.reasons import Reason, Refused
from services.media.signatures import Format

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_BYTES = 4 * 1024 * 1024
"""Of a caption file: forty times what a transcript may hold."""


def read(path: Path, format_: Format) -> list[Cue]:
    """The cues of a caption file, as they stand there; notes, styles and headers are none.

    Raises:
        Refused: it is not readable as that format, holds no cue, or is far larger than a transcript may be.
    """
    if path.stat().st_size > MOST_BYTES:
        raise Refused(Reason.TOO_MANY_CUES)
    text = _decoded(path.read_bytes(), format_)
    if text.count("-->") > MOST_CUES:  # before each becomes an object
        raise Refused(Reason.TOO_MANY_CUES)
    try:
        found = WebVTT.from_buffer(text.splitlines(), format=format_.value)
    except (MalformedCaptionError, MalformedFileError, ValueError):
        raise Refused(Reason.CAPTIONS_UNREADABLE) from None
    if not found.captions:
        raise Refused(Reason.CAPTIONS_UNREADABLE)
    return [
        Cue(caption.start_time.in_milliseconds() / 1000, caption.end_time.in_milliseconds() / 1000, caption.raw_text)
        for caption in found.captions
    ]


def _decoded(raw: bytes, format_: Format) -> str:
    """WebVTT is UTF-8 by its standard; SubRip has none, and old programs write Windows-1252."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        if format_ is Format.SRT:
            return raw.decode("cp1252", errors="replace")
        raise Refused(Reason.CAPTIONS_UNREADABLE) from None


def written(cues: Sequence[Cue]) -> str:
    """Cues as WebVTT: what stands beside a clean recording in place of what was uploaded."""
    blocks = [f"{_clock(cue.start)} --> {_clock(cue.end)}\n{_escaped(cue.text)}" for cue in cues]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
