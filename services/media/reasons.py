"""Why media were refused, held or erased: the codes that stand on a receipt."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A code of `MediaChecked`; `services/media/README.md` tells the submitter's side of each."""

    FILE_MISSING = "file_missing"
    EMPTY_FILE = "empty_file"
    WRONG_SIZE = "wrong_size"
    WRONG_CHECKSUM = "wrong_checksum"
    WRONG_TYPE = "wrong_type"
    POLYGLOT = "polyglot"
    TRUNCATED = "truncated"
    NOT_READABLE = "not_readable"
    CODEC_NOT_ALLOWED = "codec_not_allowed"
    TOO_MANY_STREAMS = "too_many_streams"
    TOO_LONG = "too_long"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_FRAMES = "too_many_frames"
    TOOK_TOO_LONG = "took_too_long"
    TOO_MUCH_MEMORY = "too_much_memory"
    DECODER_ENDED = "decoder_ended"
    CAPTIONS_UNREADABLE = "captions_unreadable"
    TOO_MANY_CUES = "too_many_cues"
    TRANSCRIPT_TOO_LONG = "transcript_too_long"
    CONSENT_UNRESOLVED = "consent_unresolved"
    UNDER_16 = "under_16"
    REFUSED = "refused"
    NOT_RESOLVED_IN_TIME = "not_resolved_in_time"
    WITHDRAWN = "withdrawn"
    RETENTION_OVER = "retention_over"


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """These files are not accepted; no retry will change that."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
