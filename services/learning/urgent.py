"""Urgent feedback in PostgreSQL: who is to look at it, whether somebody has, and since when it waits. Never words.

An item is open until somebody in its role has acknowledged its newest version. Flag and acknowledgement arrive on two
topics, in any order and more than once; both keep the highest version. Withdrawal takes the item away (`beside.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import text

from services.learning import beside
from services.learning.counting import locked
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.events import FeedbackUrgent, UrgentAcknowledged

U = TypeVar("U", "FeedbackUrgent", "UrgentAcknowledged")

_FLAG = text(
    "INSERT INTO urgent_item (feedback_id, version, organisation, role, reasons, severity, flagged_at) "
    "SELECT feedback_id, version, organisation, role, ARRAY(SELECT jsonb_array_elements_text(reasons)), severity, "
    "flagged_at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(feedback_id uuid, version integer, "
    "organisation text, role text, reasons jsonb, severity real, flagged_at timestamptz) ORDER BY feedback_id "
    "ON CONFLICT (feedback_id) DO UPDATE SET version = EXCLUDED.version, organisation = EXCLUDED.organisation, "
    "role = EXCLUDED.role, reasons = EXCLUDED.reasons, severity = EXCLUDED.severity, flagged_at = EXCLUDED.flagged_at "
    "WHERE EXCLUDED.version > urgent_item.version"
)
_ACKNOWLEDGE = text(
    "INSERT INTO urgent_item (feedback_id, acknowledged_version, acknowledged_at, acknowledged_by) "
    "SELECT feedback_id, version, acknowledged_at, role FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS given(feedback_id uuid, version integer, acknowledged_at timestamptz, role text) ORDER BY feedback_id "
    "ON CONFLICT (feedback_id) DO UPDATE SET acknowledged_version = EXCLUDED.acknowledged_version, "
    "acknowledged_at = EXCLUDED.acknowledged_at, acknowledged_by = EXCLUDED.acknowledged_by "
    "WHERE EXCLUDED.acknowledged_version > urgent_item.acknowledged_version"
)
_ITEMS = text(
    "SELECT * FROM urgent_item WHERE version > 0 AND (:all OR version > acknowledged_version) "
    "ORDER BY flagged_at, feedback_id"
)
_OVERDUE = text("SELECT count(*) FROM urgent_item WHERE version > acknowledged_version AND flagged_at <= :since")


@dataclass(frozen=True, slots=True)
class UrgentItem:
    """One piece of urgent feedback, as far as the one who handles it must know without its words.

    Attributes:
        role: who is to look at it; None where the catalogue names nobody.
        acknowledged_at: when somebody took its newest version on; None while nobody has.
        acknowledged_by: in which role.
    """

    feedback_id: UUID
    version: int
    organisation: str
    role: str | None
    reasons: tuple[str, ...]
    severity: float
    flagged_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None


class UrgentStore:
    """The adapter to the table `urgent_item`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def flag(self, events: Sequence[FeedbackUrgent]) -> None:
        """Keep items; a replay, an older version and what was withdrawn change nothing.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        newest = _newest(events)
        rows = [
            {
                "feedback_id": str(event.feedback_id),
                "version": event.version,
                "organisation": event.about.organisation.replace("\x00", ""),
                "role": event.role and event.role.replace("\x00", ""),
                "reasons": [reason.replace("\x00", "") for reason in event.reasons],
                "severity": event.severity,
                "flagged_at": event.flagged_at.isoformat(),
            }
            for event in newest.values()
        ]
        await self._write(_FLAG, rows, list(newest))

    async def acknowledge(self, events: Sequence[UrgentAcknowledged]) -> None:
        """Remember who took what on; a replay and an older version change nothing.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        newest = _newest(events)
        rows = [
            {
                "feedback_id": str(event.feedback_id),
                "version": event.version,
                "acknowledged_at": event.acknowledged_at.isoformat(),
                "role": event.role.replace("\x00", ""),
            }
            for event in newest.values()
        ]
        await self._write(_ACKNOWLEDGE, rows, list(newest))

    async def items(self, *, everything: bool = False) -> list[UrgentItem]:
        """What nobody has acknowledged yet, the oldest first; everything that is kept, where asked."""
        async with transient_faults_told(), self._database.connect() as connection:
            return [_item(row) for row in await connection.execute(_ITEMS, {"all": everything})]

    async def overdue(self, since: datetime) -> int:
        """How many were flagged at that time or before and are still open."""
        async with transient_faults_told(), self._database.connect() as connection:
            return int((await connection.execute(_OVERDUE, {"since": since})).scalar_one())

    async def _write(self, statement: Any, rows: Sequence[Mapping[str, object]], ids: list[UUID]) -> None:
        if not rows:
            return
        async with transient_faults_told(), self._database.begin() as connection:
            await beside.alone(connection)
            withdrawn = await _withdrawn(connection, ids)
            await connection.execute(
                statement, {"rows": json.dumps([row for row in rows if row["feedback_id"] not in withdrawn])}
            )


def _newest(events: Iterable[U]) -> dict[UUID, U]:
    """The highest version of each, the last of its like."""
    return {event.feedback_id: event for event in sorted(events, key=lambda event: event.version)}


async def _withdrawn(connection: AsyncConnection, ids: list[UUID]) -> set[str]:
    return {str(reading.feedback_id) for reading in await locked(connection, ids) if reading.withdrawn}


def _item(row: Row[Any]) -> UrgentItem:
    taken_on = row.acknowledged_version >= row.version
    return UrgentItem(
        feedback_id=row.feedback_id,
        version=row.version,
        organisation=row.organisation,
        role=row.role,
        reasons=tuple(row.reasons),
        severity=row.severity,
        flagged_at=row.flagged_at,
        acknowledged_at=row.acknowledged_at if taken_on else None,
        acknowledged_by=row.acknowledged_by if taken_on else None,
    )
