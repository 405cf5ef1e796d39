"""Recordings, watched where they are: a link into the bucket that works for a short time, never a byte through here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.bucket import open_bucket
from shared.media import clean_key

if TYPE_CHECKING:
    from uuid import UUID

    from services.portal.settings import PortalSettings
    from shared.objects import ObjectStore

DOING = {"video": "Watch", "audio": "Listen", "image": "See the picture"}
"""What one does with a recording, by the first part of its content type."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A moment of a recording.

    Attributes:
        start_seconds: from its start; None: the whole.
    """

    media_id: UUID
    content_type: str
    start_seconds: float | None = None

    @property
    def label(self) -> str:
        """What a link to it says, such as "Watch from 0:12"."""
        kind = self.content_type.partition("/")[0]
        doing = DOING.get(kind, "Open the recording")
        if self.start_seconds is None or kind == "image":
            return doing
        return f"{doing} from {clock(self.start_seconds)}"

    @property
    def fragment(self) -> str:
        """The media fragment that has a browser begin there (W3C Media Fragments, `#t=`); empty at the start."""
        if not self.start_seconds:
            return ""
        # A little early rather than late: half a word says nothing.
        return f"#t={int(self.start_seconds * 10) / 10:g}"


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any, rounded down: 0:12, 61:05 is 1:01:05."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Recordings:
    """Finds clean recordings and signs links to them.

    Args:
        bucket: of the recordings, as a user that may read the clean ones.
        lifetime: of a link.
    """

    def __init__(self, bucket: ObjectStore, lifetime: timedelta) -> None:
        self._bucket = bucket
        self._lifetime = lifetime

    async def link(self, spot: Spot) -> str | None:
        """Where to watch it, for so long; None where there is none, now or any more.

        Raises:
            TransientFault: the bucket does not answer.
        """
        found = await self._bucket.stat(clean_key(spot.media_id, "recording"))
        if found is None:
            return None
        # As the media service stored it: what a sender declared it to be is not asked for.
        return await self._bucket.link(found.key, self._lifetime, found.content_type) + spot.fragment


def recordings_of(settings: PortalSettings) -> Recordings | None:
    """The installation's; None where the operator has named no bucket."""
    bucket = open_bucket(settings)
    if bucket is None:
        return None
    return Recordings(bucket, timedelta(seconds=settings.portal_recording_seconds))
