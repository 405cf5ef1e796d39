"""`ThemeDigest`: what several teams together heard about one theme in one period. It names none of them.

What crosses a team's border (privacy.md): at least 3 teams, at least 10 responses, no count of 1 to 7, and no second
one that would reveal such a count; not even to a team that takes its own away from the sum.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from shared.events import NAMESPACE, Event, Name
from shared.summaries import Amount, RoundedCount

MINIMUM_TEAMS = 3
"""A digest is of this many teams at least; of how many it is, it does not say."""


class ThemeDigest(Event):
    """One theme and period over several teams; the newest revision replaces the older ones, none takes it back."""

    ce_type: ClassVar[str] = "heed.theme.digest.v1"

    slug: Name
    theme: Name
    """As the model names it."""
    period: date
    """First day."""
    period_kind: Literal["month", "quarter", "week"] = "month"
    revision: Annotated[int, Field(ge=1)]
    generated_at: AwareDatetime
    provisional: bool = False
    """Whether the period is still open."""
    minimum_teams: int = MINIMUM_TEAMS
    read: RoundedCount
    """Comments that were read, of the teams that raise the theme."""
    raised: RoundedCount
    """Comments of these that raise it."""
    valued: Amount | None = None
    """Of the comments read, those that value it; None where it, or `better`, would give a small count away."""
    better: Amount | None = None
    """Of the comments read, those that say it could be better; None likewise."""
    questions: Annotated[tuple[str, ...], Field(max_length=2)] = ()
    text: str
    """The digest as plain text, rendered from the fields above."""

    def key(self) -> str:
        """Its topic is the theme's own: compaction keeps one a period."""
        return self.period.isoformat()

    def identity(self) -> UUID:
        """One id per revision."""
        return uuid5(NAMESPACE, f"digest:{self.slug}:{self.key()}:{self.revision}")

    def moment(self) -> datetime:
        """When it was written."""
        return self.generated_at
