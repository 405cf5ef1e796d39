"""What a person is sent: that a page is there, and where. None of its words, as others read mail and channels, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.portal.subscriptions_subject import heading, opening, path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.portal.subscriptions_subject import Published

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


def message(published: Sequence[Published], portal: str, unsubscribe: str) -> Message:
    """Tell of one team's pages, or of one theme's digests.

    Args:
        published: at least one, all about the same.
        portal: the portal's address, without a slash at its end.
        unsubscribe: URL.
    """
    pages = sorted(published, key=lambda page: page.period, reverse=True)
    lines = [f"{_named(page)}\n{portal}{path(page)}" for page in pages[:MOST_LINES]]
    if len(pages) > MOST_LINES:
        lines.append(f"And {len(pages) - MOST_LINES} more.")
    what = _named(pages[0]) if len(pages) == 1 else f"{len(pages)} pages"
    begins = f"{opening(pages[0])}: there is something new to read."
    closing = f"To see it, sign in. To stop these messages: {unsubscribe}"
    return Message(f"{heading(pages[0])}: {what}", "\n\n".join([begins, *lines, closing]), unsubscribe)


def _named(page: Published) -> str:
    so_far = ", so far" if page.provisional else ""
    return f"{period_name(page)}{so_far}"


def period_name(page: Published) -> str:
    """A page's period in words: "May 2026", "April to June 2026", "week of 8 June 2026"."""
    first = page.period
    if page.period_kind == "week":
        return f"week of {first.day} {first:%B %Y}"
    if page.period_kind == "quarter":
        last = (first + timedelta(days=75)).replace(day=1)
        return f"{first:%B} to {last:%B %Y}"
    return f"{first:%B %Y}"
