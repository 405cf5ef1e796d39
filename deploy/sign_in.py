"""Links that sign in to the portal once: for the trial, and where no identity provider is there yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.portal.directory import STEWARD
from services.portal.people import Grant
from services.portal.sessions import SessionStore
from shared.database import engine

if TYPE_CHECKING:
    from services.learning.catalogue import Catalogue

LINK_MINUTES = 15
"""For so long a link can be used."""

SUBJECT = "one-time link"
"""What the audit calls whoever came by a link that names nobody."""


def everything(catalogue: Catalogue) -> Grant:
    """A steward who belongs to every team of a catalogue, and holds every named role: for whoever tries Heed out."""
    roles = {catalogue.urgent_role, *(team.urgent_role for team in catalogue.teams)}
    return Grant(
        SUBJECT,
        teams=frozenset(team.id for team in catalogue.teams),
        roles=frozenset({STEWARD, *(role for role in roles if role)}),
    )


async def sign_in_link(database_url: str, portal_url: str, grant: Grant) -> str:
    """A new link.

    Args:
        database_url: of the portal.
        portal_url: the address that people reach it at.
        grant: what the link lets in with.

    Raises:
        TransientFault: the database is away.
    """
    database = engine(database_url, "portal", pool_size=1)
    try:
        expires_at = datetime.now(UTC) + timedelta(minutes=LINK_MINUTES)
        opener = await SessionStore(database).make_link(grant, expires_at)
    finally:
        await database.dispose()
    return f"{portal_url.rstrip('/')}/sign-in/link/{opener}"
