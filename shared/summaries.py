"""`LearningSummary`: the structured page of one team and one period. Rendered text comes from it, never beside it.

Small numbers (privacy.md): a count of responses is rounded to 5 and only given from 10; a share is in whole percent and
only given where both it and its remainder rest on at least 8 responses and 8 %.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from shared.events import NAMESPACE, Event, Name, _Model

MINIMUM_RESPONSES = 10
"""A period is described from this many responses."""

MINIMUM_CELL = 8
"""A share is given from this many responses, and from this many percent."""

PATTERN_POINTS = 13
"""A chart has limits from this many points (learning.md, section 1)."""

RoundedCount = Annotated[int, Field(ge=MINIMUM_RESPONSES, multiple_of=5)]
"""A count of responses, rounded to 5."""


class Amount(_Model):
    """How many, without telling a small number.

    `few`: 1 to 7 responses; `some`: at least 8, but under 8 %; `most`: all but fewer than 8 or under 8 %; `share`:
    `percent` says it.
    """

    size: Literal["none", "few", "some", "share", "most", "all"]
    percent: Annotated[int, Field(ge=8, le=92)] | None = None


class ChannelHeard(_Model):
    """A channel that responses came through; `amount` is left out where one channel's would reveal another's."""

    label: str
    amount: Amount | None = None


class Heard(_Model):
    """Who we heard, and who we didn't."""

    responses: RoundedCount | None = None
    """None: fewer than 10."""
    minimum_responses: int = MINIMUM_RESPONSES
    channels: tuple[ChannelHeard, ...] = ()
    age_unknown: Amount | None = None
    without_words: Amount | None = None
    other_language: Amount | None = None


class ThemeShare(_Model):
    """A theme, in plain words, and how many of the comments that were read raise it in this tone."""

    theme: Name
    """As the model names it."""
    label: str
    """Valued or could-be-better phrasing, in plain words."""
    group: str
    amount: Amount


class Quote(_Model):
    """Words that their writer agreed to share; redacted, and through the quote gate."""

    text: str
    theme: Name | None = None


class Pattern(_Model):
    """What the charts say. Without charts there is no icon, and no claim about change."""

    icon: Literal["none"] = "none"
    sentence: str
    points_needed: int | None = None


class Certainty(_Model):
    """How sure are we."""

    model_version: str | None = None
    several_models: bool = False


class LearningSummary(Event):
    """One team's page for one period; the newest revision replaces the older ones."""

    ce_type: ClassVar[str] = "heed.learning.summary.v1"

    team_id: Name
    team_name: Name
    organisation: Name
    period: date
    """First day."""
    period_kind: Literal["month", "quarter", "week"] = "month"
    revision: Annotated[int, Field(ge=1)]
    generated_at: AwareDatetime
    provisional: bool = False
    """Whether the period is still open: it has not ended, or its grace time has not; more may come in."""
    described: bool
    """Whether at least 10 comments were read: only then does the page tell themes and quotes."""
    heard: Heard
    valued: Annotated[tuple[ThemeShare, ...], Field(max_length=3)] = ()
    valued_quote: Quote | None = None
    pattern: Pattern
    told: Annotated[tuple[Quote, ...], Field(max_length=2)] = ()
    better: Annotated[tuple[ThemeShare, ...], Field(max_length=3)] = ()
    questions: Annotated[tuple[str, ...], Field(max_length=3)] = ()
    certainty: Certainty
    text: str
    """The page as plain text, rendered from the fields above."""
    markdown: str
    """The same page as Markdown."""

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """Every quote on the page, in order."""
        return (*((self.valued_quote,) if self.valued_quote else ()), *self.told)

    def key(self) -> str:
        """Compaction keeps one per team and period."""
        return f"{self.team_id}:{self.period.isoformat()}"

    def identity(self) -> UUID:
        """One id per revision."""
        return uuid5(NAMESPACE, f"summary:{self.key()}:{self.revision}")

    def moment(self) -> datetime:
        """When it was written."""
        return self.generated_at
