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
    voice_rate: Amount | None = None
    """Of those who had care; None: nobody told us how many had."""
    quiet: tuple[str, ...] = ()
    """Groups that were heard less than their share of care, surely and by much; as told by people, never inferred."""
    channels_moved: bool = False
    """People reached us in other ways than before."""


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


VariationIcon = Literal[
    "none",
    "common_cause",
    "improvement_high",
    "improvement_low",
    "concern_high",
    "concern_low",
    "neutral_high",
    "neutral_low",
]
"""What the latest point of a chart says (NHS England, Making Data Count); none: it says nothing."""

Percent = Annotated[int, Field(ge=0, le=100)]


class ChartPoint(_Model):
    """One period of a chart, as it may be told; rules and icons come from the true counts."""

    period: date
    """First day."""
    percent: Percent | None = None
    """Of the comments that were read; None: a gap, as fewer than 10 were."""
    responses: RoundedCount | None = None
    lower: Percent | None = None
    upper: Percent | None = None
    rule: Literal["outside", "trend", "two_in_three", "shift"] | None = None
    direction: Literal["high", "low"] | None = None


class ChartStep(_Model):
    """Something that could move a chart by itself: noted on it, and never a reason to draw it anew."""

    period: date
    """The first period that it applies to."""
    kind: Literal["model", "channels", "rebase"]
    reason: str | None = None
    """Why a person started a new phase there."""


class ThemeChart(_Model):
    """How often a theme was raised in one tone, period by period."""

    theme: Name
    label: str
    """Completes "people raise …" or "people value …"."""
    tone: Literal["valued", "better"]
    icon: VariationIcon
    rule: Literal["outside", "trend", "two_in_three", "shift"] | None = None
    since: date | None = None
    """The first day of the period in which the latest point's signal began."""
    sentence: str
    mean: Percent
    """Of the latest phase."""
    assurance: Literal["consistent_pass", "consistent_fail", "inconsistent"] | None = None
    """Only where the team itself set a target."""
    target: Percent | None = None
    points: tuple[ChartPoint, ...]


class Pattern(_Model):
    """What the charts say. Without charts there is no icon, and no claim about change."""

    icon: VariationIcon = "none"
    """Of the first sentence."""
    sentence: str
    points_needed: int | None = None
    charts: Annotated[tuple[ThemeChart, ...], Field(max_length=3)] = ()
    """Of the themes on the page that have enough points, those with a signal first."""
    steps: tuple[ChartStep, ...] = ()
    """Within the time that the charts show, in order."""
    channels_moved: bool = False
    """A signal began where the mix of channels changed: it is not read."""


class Certainty(_Model):
    """How sure are we."""

    model_version: str | None = None
    several_models: bool = False
    points: int | None = None
    """Periods that the charts rest on; None: no chart."""
    responses: RoundedCount | None = None
    """Comments that the charts rest on."""
    charts_read: int = 0
    """Charts that were looked at for a signal, shown or not."""
    icon_wrong_once_in: int | None = None
    """An icon is wrong about one time in so many; None: no chart."""


class Commitment(_Model):
    """What came of what people said, as the team recorded it."""

    theme: Name
    label: str
    state: Literal["heard", "looking", "testing", "changed", "cannot_change"]
    because: str | None = None
    """Why it cannot change, in the team's words."""
    role: str | None = None
    """Who sees to it: a role, never a person."""
    since: date
    people_told: bool = False


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
    valued_earlier: bool = False
    """No praise could be shown of this period: `valued` is of the quarter before it."""
    valued_quote: Quote | None = None
    pattern: Pattern
    told: Annotated[tuple[Quote, ...], Field(max_length=2)] = ()
    better: Annotated[tuple[ThemeShare, ...], Field(max_length=3)] = ()
    questions: Annotated[tuple[str, ...], Field(max_length=3)] = ()
    commitments: Annotated[tuple[Commitment, ...], Field(max_length=2)] = ()
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
