"""When a delivery is due, how long a failed one waits, and what becomes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from services.portal.clock import LONDON

if TYPE_CHECKING:
    from uuid import UUID

    from services.portal.channels import Channel
    from services.portal.subscriptions_subject import Published

DIGEST_HOUR = time(8)
"""By the clock of Europe/London."""

DIGEST_WEEKDAY = 0
"""Monday."""

DIGEST_DAY = 8
"""Of the month: a month's page closes when seven days of grace are over, and so is final by then."""


MESSAGE_QUIET = timedelta(minutes=10)
"""For so long a message to a person waits for further revisions: an open month's page changes with each comment."""


class Frequency(StrEnum):
    """How often a subscription sends."""

    REVISION = "revision"
    """Every revision of a page, as it comes."""
    WEEK = "week"
    MONTH = "month"


class State(StrEnum):
    """What has become of a delivery; all but `waiting` are settled."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    """Tried too often, or refused for good; a person may replay it."""
    SUPERSEDED = "superseded"
    """A newer revision came before it was sent; the older one may hold what was withdrawn since."""
    DROPPED = "dropped"
    """Muted, taken back, or its owner may not read the team's pages any more."""


class _Notice(BaseModel):
    model_config = ConfigDict(frozen=True)

    period: date
    revision: int
    """The newest one that was sent."""
    taken_back: Literal[True] = True


class PageNotice(_Notice):
    """What a webhook is sent when a page is taken back that it got: forget it."""

    team_id: str


class DigestNotice(_Notice):
    """The same of a theme's digest."""

    slug: str


Notice = PageNotice | DigestNotice


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be sent now.

    Attributes:
        attempts: how often it was tried in vain.
        published: the page or digest as it is now; None: it was taken back.
        notice: that it was, for who got it before.
        traceparent: of the trace that brought the page.
    """

    id: UUID
    attempts: int
    published: Published | None
    notice: Notice | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A subscription that one member sends for, until its lease is over.

    Attributes:
        about: a team or a theme; see `subscriptions_subject`.
        target: sealed; None for none.
        secret: sealed; what a webhook is signed with.
        deliveries: what is due, the oldest first.
    """

    subscription: UUID
    owner: str
    about: str
    channel: Channel
    target: bytes | None
    secret: bytes | None
    deliveries: tuple[Due, ...]


@dataclass(frozen=True, slots=True)
class Retries:
    """How long and how often a delivery is tried.

    Attributes:
        attempts: after so many in vain it is dead.
        first: seconds until the second attempt.
        longest: seconds between two attempts at most.
    """

    attempts: int
    first: float
    longest: float

    def pause(self, failed: int, jitter: float) -> timedelta:
        """How long to wait after so many attempts in vain: doubled each time, then the longest.

        Args:
            failed: at least 1.
            jitter: 0 to 1, drawn at random, so that receivers that came back are not all met at once; it takes away
                up to half of the pause.
        """
        whole = min(self.first * 2 ** min(failed - 1, 32), self.longest)
        return timedelta(seconds=whole * (1 - jitter / 2))

    def are_over(self, failed: int) -> bool:
        """Whether it is dead after so many attempts in vain."""
        return failed >= self.attempts


def next_digest(frequency: Frequency, now: datetime) -> datetime:
    """When what comes now is sent: at once, or with the next digest, strictly later than now."""
    if frequency is Frequency.REVISION:
        return now
    local = now.astimezone(LONDON)
    day = local.date()
    if frequency is Frequency.WEEK:
        day += timedelta(days=(DIGEST_WEEKDAY - day.weekday()) % 7)
        if _moment(day) <= now:
            day += timedelta(days=7)
    else:
        day = day.replace(day=DIGEST_DAY)
        if _moment(day) <= now:
            day = (day + timedelta(days=31)).replace(day=DIGEST_DAY)
    return _moment(day)


def _moment(day: date) -> datetime:
    return datetime.combine(day, DIGEST_HOUR, LONDON).astimezone(UTC)
