"""Periods: weeks, months or quarters by the clock of Europe/London, and when one closes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")

PeriodKind = Literal["month", "quarter", "week"]

REMEMBERED: dict[PeriodKind, int] = {"week": 104, "month": 36, "quarter": 16}
"""Periods before a page's own that its charts look back on, at most: what bounds the cost of a page."""


def period_of(moment: datetime, kind: PeriodKind) -> date:
    """The first day of the period in which it happened, by the clock of Europe/London."""
    return start_of(moment.astimezone(LONDON).date(), kind)


def start_of(day: date, kind: PeriodKind) -> date:
    """The first day of the period that holds a day; weeks start on Monday (ISO 8601)."""
    if kind == "week":
        return day - timedelta(days=day.weekday())
    first = day.replace(day=1)
    return first if kind == "month" else first.replace(month=3 * ((first.month - 1) // 3) + 1)


def following(start: date, kind: PeriodKind) -> date:
    """The first day of the next period."""
    if kind == "week":
        return start + timedelta(days=7)
    return start_of(start + timedelta(days=32 if kind == "month" else 93), kind)


def earliest(start: date, kind: PeriodKind) -> date:
    """The first day of the oldest period that a page of this one looks back on."""
    if kind == "week":
        return start - timedelta(weeks=REMEMBERED[kind])
    months = 12 * start.year + start.month - 1 - REMEMBERED[kind] * (1 if kind == "month" else 3)
    return date(months // 12, months % 12 + 1, 1)


def closes_at(start: date, kind: PeriodKind, grace: timedelta) -> datetime:
    """When a period closes: some time after the midnight in London that ends it."""
    return datetime.combine(following(start, kind), time(), LONDON) + grace


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a period is in one installation.

    Attributes:
        kind: how long one is.
        grace: how long after its end one stays open for what comes in late.
    """

    kind: PeriodKind = "month"
    grace: timedelta = timedelta(days=7)

    def has(self, start: date) -> bool:
        """Whether a period begins on that day."""
        return start_of(start, self.kind) == start

    def closing(self, start: date, now: datetime) -> datetime | None:
        """When an open period closes; None where it has closed: what comes later makes a new revision all the same."""
        then = closes_at(start, self.kind, self.grace)
        return then if now < then else None


MONTHLY = Calendar()
