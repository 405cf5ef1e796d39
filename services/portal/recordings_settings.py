"""What recordings can be told; a part of the portal's settings, under the names that other services have for it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.settings import ServiceSettings


class RecordingSettings(ServiceSettings):
    """Where recordings are, and for how long a link to one works."""

    s3_endpoint: str | None = Field(
        None, description="The media bucket's store: http://host:port or https://host; none: no recordings are shown."
    )
    s3_access_key: str | None = Field(None, description="User of the store that may read clean recordings.")
    s3_secret_key: SecretStr | None = Field(None, description="Its password.")
    s3_bucket: str = Field("heed-media", description="Name of the bucket.")
    s3_public_endpoint: str | None = Field(
        None, description="Where browsers reach the same store, if elsewhere; links are signed for it."
    )
    s3_region: str = Field("us-east-1", description="Region that signatures name; only AWS has others.")
    portal_recording_seconds: float = Field(
        120, ge=1, le=120, description="Seconds that a link to a recording works; then it is opened anew from the page."
    )

    @model_validator(mode="after")
    def _bucket_agrees(self) -> Self:
        """Half a login would be found out by the first recording."""
        login = {"HEED_S3_ACCESS_KEY": self.s3_access_key, "HEED_S3_SECRET_KEY": self.s3_secret_key}
        unset = [name for name, value in login.items() if not value]
        if self.s3_endpoint and unset:
            raise ValueError(f"HEED_S3_ENDPOINT is set: set {' and '.join(unset)} too")
        return self
