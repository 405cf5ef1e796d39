"""What a person is sent: that a page is there, and where. None of its words, as others read mail and channels, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from shared.summaries import LearningSummary

MOST_LINES = 12
"""Pages named in one message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a person.

    Attributes:
        title: a subject line.
        body: plain text.
        unsubscribe: URL that stops them, by GET for a person and by POST for a mail program (RFC 8058).
    """

    title: str
    body: str
    unsubscribe: str


def message(summaries: Sequence[LearningSummary], portal: str, unsubscribe: str) -> Message:
    """Tell of one team's pages.

    Args:
        summaries: at least one, all of one team.
        portal: the portal's address, without a slash at its end.
        unsubscribe: URL.
    """
    pages = sorted(summaries, key=lambda summary: summary.period, reverse=True)
    team = pages[0].team_name
    lines = [f"{_named(page)}\n{portal}{page_path(page.team_id, page.period)}" for page in pages[:MOST_LINES]]
    if len(pages) > MOST_LINES:
        lines.append(f"And {len(pages) - MOST_LINES} more.")
    what = _named(pages[0]) if len(pages) == 1 else f"{len(pages)} pages"
    opening = f"What people told {team}: there is something new to read."
    closing = f"To see it, sign in. To stop these messages: {unsubscribe}"
    return Message(f"{team}: {what}", "\n\n".join([opening, *lines, closing]), unsubscribe)


def page_path(team_id: str, period: date) -> str:
    """The path of a team's page in the portal."""
    return f"/teams/{team_id}/{period.isoformat()}"


def _named(page: LearningSummary) -> str:
    so_far = ", so far" if page.provisional else ""
    return f"{period_name(page)}{so_far}"


def period_name(page: LearningSummary) -> str:
    """A page's period in words: "May 2026", "April to June 2026", "week of 8 June 2026"."""
    first = page.period
    if page.period_kind == "week":
        return f"week of {first.day} {first:%B %Y}"
    if page.period_kind == "quarter":
        last = (first + timedelta(days=75)).replace(day=1)
        return f"{first:%B} to {last:%B %Y}"
    return f"{first:%B %Y}"
