"""The media bucket of a service that can do without one: how it is told of it, and how it opens it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.objects import ObjectStore
from shared.settings import ServiceSettings


class BucketSettings(ServiceSettings):
    """Where recordings are, if anywhere."""

    s3_endpoint: str | None = Field(
        None, description="The media bucket's store: http://host:port or https://host; none: no recordings."
    )
    s3_access_key: str | None = Field(None, description="User of the store, with the rights of deploy/bucket.py.")
    s3_secret_key: SecretStr | None = Field(None, description="Its password.")
    s3_bucket: str = Field("heed-media", description="Name of the bucket.")
    s3_public_endpoint: str | None = Field(
        None, description="Where senders and browsers reach the same store, if elsewhere; forms and links name it."
    )
    s3_region: str = Field("us-east-1", description="Region that signatures name; only AWS has others.")

    @model_validator(mode="after")
    def _bucket_agrees(self) -> Self:
        """Half a login would be found out by the first recording."""
        login = {"HEED_S3_ACCESS_KEY": self.s3_access_key, "HEED_S3_SECRET_KEY": self.s3_secret_key}
        unset = [name for name, value in login.items() if not value]
        if self.s3_endpoint and unset:
            raise ValueError(f"HEED_S3_ENDPOINT is set: set {' and '.join(unset)} too")
        return self


def open_bucket(settings: BucketSettings) -> ObjectStore | None:
    """The bucket of recordings; None where the operator has set none."""
    if settings.s3_endpoint is None:
        return None
    assert settings.s3_access_key is not None, "the settings saw to it"
    assert settings.s3_secret_key is not None, "the settings saw to it"
    return ObjectStore(
        settings.s3_endpoint,
        settings.s3_access_key,
        settings.s3_secret_key.get_secret_value(),
        settings.s3_bucket,
        public_endpoint=settings.s3_public_endpoint,
        region=settings.s3_region,
    )
