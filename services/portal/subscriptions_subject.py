"""What a subscription is about: one team's pages, or one theme's digests over all teams. Pure.

It is kept as text where a team's id always stood: the id, or `theme:` and a slug; no id of a team holds a colon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from services.portal.theme_names import title
from shared.digests import ThemeDigest
from shared.events import NAMESPACE
from shared.summaries import LearningSummary

if TYPE_CHECKING:
    from services.portal.directory import Directory

Published = LearningSummary | ThemeDigest
"""What can be subscribed to."""

THEME = "theme:"


def of_theme(slug: str) -> str:
    """The subject that is a theme."""
    return f"{THEME}{slug}"


def theme_of(about: str) -> str | None:
    """The slug of a subject that is a theme; None for a team."""
    return about.removeprefix(THEME) if about.startswith(THEME) else None


def subject(published: Published) -> str:
    """What this is about."""
    return published.team_id if isinstance(published, LearningSummary) else of_theme(published.slug)


def read(about: str, payload: str) -> Published:
    """What was kept as JSON."""
    kind = LearningSummary if theme_of(about) is None else ThemeDigest
    return kind.model_validate_json(payload)


def named(about: str, directory: Directory) -> str:
    """A subject for people, as a heading."""
    slug = theme_of(about)
    return directory.team(about).name if slug is None else f"Theme: {title(slug)}"


def feed_title(about: str, directory: Directory) -> str:
    """What a feed of it is called."""
    slug = theme_of(about)
    return f"What people told {directory.team(about).name}" if slug is None else _told_several(slug)


def noted(about: str) -> str:
    """A subject for the audit."""
    slug = theme_of(about)
    return f"team {about}" if slug is None else f"theme {slug}"


def heading(published: Published) -> str:
    """Whose it is, or of what, in a message's first words."""
    return published.team_name if isinstance(published, LearningSummary) else title(published.slug)


def opening(published: Published) -> str:
    """What was told to whom, without any of it."""
    if isinstance(published, LearningSummary):
        return f"What people told {published.team_name}"
    return _told_several(published.slug)


def path(published: Published) -> str:
    """Of its page in the portal."""
    if isinstance(published, LearningSummary):
        return f"/teams/{published.team_id}/{published.period.isoformat()}"
    return f"/themes/{published.slug}/{published.period.isoformat()}"


def identity(published: Published) -> UUID:
    """Of the page, whatever its revision."""
    if isinstance(published, LearningSummary):
        return uuid5(NAMESPACE, f"page:{published.key()}")
    return uuid5(NAMESPACE, f"digest:{published.slug}:{published.key()}")


def _told_several(slug: str) -> str:
    return f"What people told several teams: {title(slug)}"
