"""Who looked at or changed what, and when. Never what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.portal.people import Person

_NOTE = text(
    "INSERT INTO audit (at, subject, action, object) SELECT CAST(:now AS timestamptz), CAST(:subject AS text), "
    "CAST(:action AS text), object FROM unnest(CAST(:objects AS text[])) AS object"
)
_FORGET = text("DELETE FROM audit WHERE at < :before")


async def note(connection: AsyncConnection, person: Person, action: str, what: str, now: datetime) -> None:
    """Write one row within the transaction of the deed: neither is there without the other.

    Args:
        action: such as `viewed`.
        what: an id, never words.
    """
    await note_each(connection, person, action, [what], now)


async def note_each(
    connection: AsyncConnection, person: Person, action: str, objects: list[str], now: datetime
) -> None:
    """The same of several things at once."""
    given = {"now": now, "subject": person.subject, "action": action, "objects": objects}
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
