"""What a team does about what it heard, told back to the people who said it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field, StringConstraints

from shared.events import Event, Name


class CommitmentRecorded(Event):
    """One thing that a team tries, changed or cannot change; the newest revision stands."""

    ce_type: ClassVar[str] = "heed.commitment.recorded.v1"

    commitment_id: UUID
    revision: Annotated[int, Field(ge=1)]
    team_id: Name
    period: date
    """First day of the period whose page it answers."""
    theme: Name
    """As the model names it."""
    state: Literal["heard", "looking", "testing", "changed", "cannot_change"]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    """What the team does, in its own words; never a person's name."""
    because: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)] | None = None
    """Why it cannot change; only there, and always there."""
    role: Name
    """Who sees to it: a role, never a person."""
    people_told: bool = False
    """Whether those who said it were told."""
    since: date
    """When this state began."""
    recorded_at: AwareDatetime

    def key(self) -> str:
        """Compaction keeps one record per commitment."""
        return f"{self.team_id}:{self.commitment_id}"

    def identity(self) -> UUID:
        """One id per revision."""
        return uuid5(self.commitment_id, f"recorded:{self.revision}")

    def moment(self) -> datetime:
        """When it was recorded."""
        return self.recorded_at
