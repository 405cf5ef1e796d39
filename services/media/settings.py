"""What the media service can be told; `services/media/README.md` lists every setting."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from shared.settings import Seconds, ServiceSettings

MEBIBYTE = 1024 * 1024


class MediaSettings(ServiceSettings):
    """Settings of the media service, beside those of every service."""

    # A film takes up to minutes, and Kafka waits five for a member: one at a time, and what is handled is kept.
    batch_records: int = Field(1, ge=1, le=10_000, description="Records handled together at most.")
    database_url: SecretStr = Field(
        description="PostgreSQL of the role that owns schema `media`: postgresql+asyncpg://…"
    )
    s3_endpoint: str = Field(description="The media bucket's store: http://host:port or https://host.")
    s3_access_key: str = Field(description="User of the store.")
    s3_secret_key: SecretStr = Field(description="Its password.")
    s3_bucket: str = Field("heed-media", description="Name of the bucket.")
    s3_region: str = Field("us-east-1", description="Region that signatures name; only AWS has others.")
    media_scratch: Path | None = Field(
        None, description="Folder on a disk, where a file is while it is checked; none: the system's temporary one."
    )
    media_most_seconds: float = Field(1_800, gt=0, le=86_400, description="Seconds that a recording may last.")
    media_decode_seconds: float = Field(
        60, ge=1, le=200, description="Seconds, by the clock and of a processor, that decoding one upload may take."
    )
    media_decode_memory: int = Field(
        1_024 * MEBIBYTE, ge=256 * MEBIBYTE, description="Bytes of memory of the process that decodes."
    )
    media_held_days: float = Field(
        7, gt=0, le=365, description="Days that held media wait for a person; then they are rejected and erased."
    )
    media_speech_model: Path | None = Field(
        None,
        description="Folder of a Hugging Face speech recognition model, for recordings without captions (extra "
        "`torch`); none: those have no transcript.",
    )
    media_speech_seconds: float = Field(
        120, ge=1, le=200, description="Seconds that speech recognition of one recording may take."
    )
    audit_retention_days: float = Field(
        730, gt=0, description="Days that audit rows stay: what was done to which media, never what is in them."
    )
    purge_interval: Seconds = Field(3600.0, description="Seconds between looks at what is past its retention.")
