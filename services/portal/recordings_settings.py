"""What recordings can be told; a part of the portal's settings."""

from __future__ import annotations

from pydantic import Field

from shared.bucket import BucketSettings


class RecordingSettings(BucketSettings):
    """Where recordings are, and for how long a link to one works."""

    portal_recording_seconds: float = Field(
        120, ge=1, le=120, description="Seconds that a link to a recording works; then it is opened anew from the page."
    )
