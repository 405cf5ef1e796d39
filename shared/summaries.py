"""`LearningSummary`: the structured page of one team and one period. Rendered text comes from it, never beside it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from shared.events import NAMESPACE, Event, Name


class LearningSummary(Event):
    """One team's page for one period; the newest revision replaces the older ones."""

    ce_type: ClassVar[str] = "heed.learning.summary.v1"

    team_id: Name
    team_name: Name
    organisation: Name
    period: date
    """First day."""
    period_kind: Literal["month", "quarter"] = "month"
    revision: Annotated[int, Field(ge=1)]
    generated_at: AwareDatetime
    text: str
    """The page as plain text, rendered from the fields above."""

    def key(self) -> str:
        """Compaction keeps one per team and period."""
        return f"{self.team_id}:{self.period.isoformat()}"

    def identity(self) -> UUID:
        """One id per revision."""
        return uuid5(NAMESPACE, f"summary:{self.key()}:{self.revision}")

    def moment(self) -> datetime:
        """When it was written."""
        return self.generated_at
