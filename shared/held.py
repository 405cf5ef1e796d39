"""`SummaryHeld`: a page that a rule keeps from its team, told to whoever looks after the installation."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from shared.events import NAMESPACE, Event, Name


class SummaryHeld(Event):
    """One page is held. Rules and places, never words of the page; a record without a value says that it is no more."""

    ce_type: ClassVar[str] = "heed.summary.held.v1"

    team_id: Name
    team_name: Name
    period: date
    """First day."""
    period_kind: Literal["month", "quarter", "week"] = "month"
    revision: Annotated[int, Field(ge=1)]
    """That is held; an earlier one may be out."""
    reasons: Annotated[tuple[Name, ...], Field(min_length=1)]
    """As `heed summaries --held` shows them: the rule, and where it is broken."""
    held_at: AwareDatetime
    """Since when its revisions have been held, without one that was not."""

    def key(self) -> str:
        """As its page's: compaction keeps one per team and period."""
        return f"{self.team_id}:{self.period.isoformat()}"

    def identity(self) -> UUID:
        """One id per revision."""
        return uuid5(NAMESPACE, f"held:{self.key()}:{self.revision}")

    def moment(self) -> datetime:
        """Since when."""
        return self.held_at
