"""Who looked at or changed what, and when. Never what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.portal.people import Person

_NOTE = text("INSERT INTO audit (at, subject, action, object) VALUES (:now, :subject, :action, :object)")
_FORGET = text("DELETE FROM audit WHERE at < :before")


async def note(connection: AsyncConnection, person: Person, action: str, what: str, now: datetime) -> None:
    """Write one row within the transaction of the deed: neither is there without the other.

    Args:
        action: such as `viewed page`.
        what: an id, never words.
    """
    given = {"now": now, "subject": person.subject, "action": action, "object": what}
    await connection.execute(_NOTE, given)


class Audit:
    """The adapter to the table `audit`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def viewed(self, person: Person, what: str, now: datetime) -> None:
        """Note a view before it is shown.

        Raises:
            TransientFault: it could not be noted; then it is not shown either.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            await note(connection, person, "viewed", what, now)

    async def forget(self, before: datetime) -> None:
        """Delete older rows."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_FORGET, {"before": before})
