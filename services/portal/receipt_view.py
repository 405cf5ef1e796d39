"""A receipt in plain words: short sentences, one thought each, for whoever told us something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.portal.clock import told_day
from services.portal.directory import UNROUTED
from shared import period_names

if TYPE_CHECKING:
    from datetime import date

    from services.portal.commitment_routes import Told
    from services.portal.directory import Directory
    from services.portal.receipts import Journey, Recording

RECORDINGS = {
    "waiting_for_upload": "Your recording has not come yet.",
    "uploaded": "We have your recording. We are checking it.",
    "accepted": "We have your recording. It is checked.",
    "rejected": "We could not use your recording.",
    "held": "A person looks at your recording before it is used.",
    "erased": "Your recording is deleted.",
    "expired": "Your recording did not come in time.",
}

REASONS = {
    **dict.fromkeys(
        ("file_missing", "empty_file", "wrong_size", "wrong_checksum"), "It did not arrive whole. Please send it again."
    ),
    **dict.fromkeys(("wrong_type", "polyglot"), "The file is not a recording that we can use."),
    **dict.fromkeys(("truncated", "not_readable"), "The file is damaged."),
    **dict.fromkeys(
        ("codec_not_allowed", "too_many_streams", "took_too_long", "too_much_memory", "decoder_ended"),
        "We could not open it. Try to send it in another format, such as MP4.",
    ),
    "too_long": "It is too long.",
    **dict.fromkeys(("too_many_pixels", "too_many_frames"), "It is too large."),
    **dict.fromkeys(("captions_unreadable", "too_many_cues", "transcript_too_long"), "We could not use its captions."),
    "consent_unresolved": "Somebody else may be in it. We must know that they agree.",
    "under_16": "We take extra care of people under 16.",
    "refused": "A person looked at it and decided so.",
    "not_resolved_in_time": "We could not find out in time whether everybody in it agrees.",
    "withdrawn": "It was taken back.",
    "retention_over": "We keep recordings only for a time, and that is over.",
}
"""By the codes of the media service; one that is new is told without a reason."""


@dataclass(frozen=True, slots=True)
class Part:
    """A summary that the feedback is part of, and what its team does."""

    team: str
    period: str
    doing: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What the page tells.

    Attributes:
        received: the day, as are the other two.
        read: empty until it is read.
        changed: whether newer words of it wait to be read.
        parts: none until a summary is out that includes it.
        withdrawn: empty unless it was taken back.
        recording: sentences; none where there is no recording.
    """

    received: str
    read: str
    changed: bool
    parts: tuple[Part, ...]
    withdrawn: str
    recording: tuple[str, ...]

    @property
    def acts(self) -> bool:
        """Whether any team has written what it does."""
        return any(part.doing for part in self.parts)


def receipt_view(journey: Journey, parts: tuple[Part, ...]) -> ReceiptView:
    """The journey in words."""
    waits_again = journey.state == "received" and journey.read_at is not None
    return ReceiptView(
        received=told_day(journey.received_at),
        read=told_day(journey.read_at) if journey.read_at and not waits_again else "",
        changed=waits_again,
        parts=parts,
        withdrawn=told_day(journey.withdrawn_at) if journey.withdrawn_at else "",
        recording=recording(journey.media),
    )


def recording(media: Recording | None) -> tuple[str, ...]:
    """What became of a recording, sentence by sentence; a state that is new is not told."""
    if media is None or media.state not in RECORDINGS:
        return ()
    why = REASONS.get(media.reason) if media.reason else None
    return (RECORDINGS[media.state], why) if why else (RECORDINGS[media.state],)


def team_name(directory: Directory, team_id: str) -> str:
    """A team by the name that people know it by; one that has left the catalogue is "a team"."""
    if team_id == UNROUTED:
        return "the people who look after all feedback"
    return next((team.name for team in directory.teams if team.id == team_id), "a team")


def period_name(period: date, kind: str | None) -> str:
    """As "May 2026"; where the portal has no page of it, by its first day alone."""
    return period_names.span(period, kind) if kind else f"the time from {period_names.day(period)}"
