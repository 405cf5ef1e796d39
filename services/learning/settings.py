"""What the learning service needs to know of its surroundings."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from services.learning.periods import PeriodKind
from shared.settings import Seconds, ServiceSettings


class LearningSettings(ServiceSettings):
    """`HEED_…` variables of the learning service."""

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql+asyncpg://role:password@host/database.")
    catalogue: Path = Field(description="The team catalogue, a YAML file.")
    summary_quiet: Seconds = Field(
        2.0, description="Seconds without any new reading after which summaries are written."
    )
    summary_max_delay: Seconds = Field(30.0, description="Seconds after which one is written even under constant load.")
    summary_period: PeriodKind = Field("month", description="What a page covers: `month`, `week` or `quarter`.")
    summary_grace_days: float = Field(
        7, ge=0, le=365, description="Days after its end that a period stays open; its page is provisional until then."
    )
    urgent_within_hours: float = Field(
        8, gt=0, le=8_760, description="Hours within which somebody must take urgent feedback on; then it is overdue."
    )
    reading_retention_days: float = Field(
        400, gt=0, description="Days after it happened that redacted words, and urgent items taken on, stay."
    )
    correction_retention_days: float = Field(
        1_095, gt=0, description="Days that the words of a corrected reading stay all the same, to learn from."
    )
    list_retention_days: float = Field(
        30, gt=0, description="Days that lists of the feedback in a page stay once they are sent."
    )
    audit_retention_days: float = Field(
        730, gt=0, description="Days that audit rows stay: how much was deleted and when, never what."
    )
    purge_interval: Seconds = Field(3600.0, description="Seconds between looks at what is past its retention.")
