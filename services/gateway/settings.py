"""What the gateway can be told; `services/gateway/README.md` lists every setting."""

from __future__ import annotations

from pydantic import Field, SecretStr

from shared.settings import Seconds, Secret, ServiceSettings


class GatewaySettings(ServiceSettings):
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
