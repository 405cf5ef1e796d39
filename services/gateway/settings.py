"""What the gateway can be told; `services/gateway/README.md` lists every setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from shared.bucket import BucketSettings
from shared.media import MOST_BYTES
from shared.settings import Seconds, Secret


def _numbers(given: object) -> object:
    """Environment variables hold text: numbers with commas between them."""
    return [part for part in given.replace(" ", "").split(",") if part] if isinstance(given, str) else given


Days = Annotated[int, Field(ge=1, le=3_650)]


class GatewaySettings(BucketSettings):
    """Settings of the gateway, beside those of every service."""

    database_url: SecretStr = Field(
        description="PostgreSQL of the role that owns schema `gateway`: postgresql+asyncpg://…"
    )
    pseudonym_key: Secret = Field(
        description="Key of all pseudonyms and content hashes; changing it unlinks the old ones."
    )
    raw_retention_days: float = Field(
        7, gt=0, le=365, description="Days that raw payloads stay in the outbox, published or set aside."
    )
    audit_retention_days: float = Field(
        730, gt=0, description="Days that audit rows stay: how much was deleted and when, never what."
    )
    purge_interval: Seconds = Field(3600.0, description="Seconds between purges of the outbox.")
    relay_batch: int = Field(500, ge=1, le=10_000, description="Outbox rows published together at most.")
    relay_poll: Seconds = Field(1.0, description="Seconds until an idle relay looks again unasked.")
    gateway_database_pool: int = Field(
        10, ge=3, le=200, description="Database connections at most; the relay keeps one."
    )
    gateway_max_body: int = Field(
        512 * 1024, ge=1024, description="Bytes of one submission, or of one line of a batch."
    )
    gateway_batch_lines: int = Field(
        10_000, ge=1, le=1_000_000, description="Lines of one batch request, blank ones too."
    )
    gateway_batch_body: int = Field(64 * 1024 * 1024, ge=1024, description="Bytes of one batch request.")
    gateway_outbox_age: Seconds = Field(600.0, description="Seconds that a row may wait for Kafka before not ready.")
    media_largest: int = Field(MOST_BYTES, ge=1, le=MOST_BYTES, description="Bytes of one recording at most.")
    media_retention_choices: Annotated[tuple[Days, ...], NoDecode, BeforeValidator(_numbers)] = Field(
        (30, 90, 365), min_length=1, description="Days to keep a recording that a sender may choose from."
    )
    media_form_lifetime: float = Field(900.0, gt=0, le=86_400, description="Seconds that an upload may begin within.")
    media_upload_deadline: Seconds = Field(
        86_400.0, description="Seconds after which a recording that was declared and never completed is forgotten."
    )
    media_notification_token: Secret | None = Field(
        None, description="Bearer token with which the bucket may tell of uploads itself; none: it may not."
    )
    urgent_words_token: Secret | None = Field(
        None, description="Bearer token with which the portal may ask for raw words that are kept; none: nobody may."
    )
    media_sweep_interval: Seconds = Field(300.0, description="Seconds between looks for uploads to remove.")
