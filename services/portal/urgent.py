"""Urgent feedback in PostgreSQL: who is to look at it, since when it waits, and who has taken it on. Never words.

Flag, acknowledgement and withdrawal arrive on three topics, in any order and more than once: the highest version wins,
and what was withdrawn stays so. The learning service keeps the same for its own watch; services share no tables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.portal.audit import note, note_each
from services.portal.directory import STEWARD
from services.portal.outbox import queue
from shared.database import transient_faults_told
from shared.events import UrgentAcknowledged
from shared.topics import URGENT_ACKNOWLEDGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.portal.people import Person
    from shared.consumer import Delivery
    from shared.events import FeedbackUrgent, FeedbackWithdrawn

_FLAG = text(
    "INSERT INTO urgent_item (feedback_id, version, organisation, role, reasons, severity, flagged_at) "
    "SELECT DISTINCT ON (feedback_id) feedback_id, version, organisation, role, "
    "ARRAY(SELECT jsonb_array_elements_text(reasons)), severity, flagged_at "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(feedback_id uuid, version integer, organisation text, "
    "role text, reasons jsonb, severity real, flagged_at timestamptz) ORDER BY feedback_id, version DESC "
    "ON CONFLICT (feedback_id) DO UPDATE SET version = EXCLUDED.version, organisation = EXCLUDED.organisation, "
    "role = EXCLUDED.role, reasons = EXCLUDED.reasons, severity = EXCLUDED.severity, flagged_at = EXCLUDED.flagged_at "
    "WHERE EXCLUDED.version > urgent_item.version AND urgent_item.withdrawn_at IS NULL"
)
_ACKNOWLEDGE = (
    "INSERT INTO urgent_item (feedback_id, acknowledged_version, acknowledged_at, acknowledged_by) "
    "SELECT DISTINCT ON (feedback_id) feedback_id, version, acknowledged_at, role "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(feedback_id uuid, version integer, "
    "acknowledged_at timestamptz, role text) ORDER BY feedback_id, version DESC "
    "ON CONFLICT (feedback_id) DO UPDATE SET acknowledged_version = EXCLUDED.acknowledged_version, "
    "acknowledged_at = EXCLUDED.acknowledged_at, acknowledged_by = EXCLUDED.acknowledged_by "
    "WHERE EXCLUDED.acknowledged_version > urgent_item.acknowledged_version AND urgent_item.withdrawn_at IS NULL"
)
_TAKEN_ON = text(_ACKNOWLEDGE)
_TAKE_ON = text(_ACKNOWLEDGE + " RETURNING 1")
_WITHDRAW = text(
    "INSERT INTO urgent_item (feedback_id, withdrawn_at) "
    "SELECT DISTINCT id, CAST(:now AS timestamptz) FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY id "
    "ON CONFLICT (feedback_id) DO UPDATE SET withdrawn_at = EXCLUDED.withdrawn_at, organisation = '', role = NULL, "
    "reasons = '{}', severity = 0, flagged_at = NULL, acknowledged_by = NULL"
)
_THEIRS = "(role = ANY(CAST(:roles AS text[])) OR (role IS NULL AND :steward))"
_OPEN = text(
    "SELECT * FROM urgent_item WHERE version > acknowledged_version AND withdrawn_at IS NULL "  # noqa: S608 - constants only
    f"AND {_THEIRS} ORDER BY flagged_at, feedback_id"
)
_TAKEN = text(
    "SELECT * FROM urgent_item WHERE version > 0 AND version <= acknowledged_version AND withdrawn_at IS NULL "  # noqa: S608
    f"AND {_THEIRS} ORDER BY acknowledged_at DESC, feedback_id LIMIT :limit"
)
_ONE = text(f"SELECT * FROM urgent_item WHERE feedback_id = :id AND withdrawn_at IS NULL AND {_THEIRS}")  # noqa: S608
_FORGET = text(
    "DELETE FROM urgent_item WHERE withdrawn_at < :before "
    "OR (version <= acknowledged_version AND acknowledged_at < :before)"
)

TAKEN_SHOWN = 50
"""Items that somebody has taken on, shown at most."""


@dataclass(frozen=True, slots=True)
class UrgentItem:
    """One piece of urgent feedback, without its words.

    Attributes:
        role: who is to look at it; None where the catalogue names nobody.
    """

    feedback_id: UUID
    version: int
    organisation: str
    role: str | None
    reasons: tuple[str, ...]
    flagged_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class UrgentStore:
    """The adapter to the table `urgent_item`; every call raises `TransientFault` while PostgreSQL is away."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def on_feedback_urgent(self, deliveries: Sequence[Delivery[FeedbackUrgent]]) -> None:
        """Keep items; a replay, an older version and what was withdrawn change nothing."""
        rows = [
            {
                "feedback_id": str(event.feedback_id),
                "version": event.version,
                "organisation": _storable(event.about.organisation),
                "role": event.role and _storable(event.role),
                "reasons": [_storable(reason) for reason in event.reasons],
                "severity": event.severity,
                "flagged_at": event.flagged_at.isoformat(),
            }
            for event in (delivery.event for delivery in deliveries)
        ]
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_FLAG, {"rows": json.dumps(rows)})

    async def on_urgent_acknowledged(self, deliveries: Sequence[Delivery[UrgentAcknowledged]]) -> None:
        """Remember who took what on, here or with `heed urgent`; a replay changes nothing."""
        rows = _acknowledged(delivery.event for delivery in deliveries)
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_TAKEN_ON, {"rows": rows})

    async def on_feedback_withdrawn(self, deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        """Forget what the submitter took back, for good, whatever comes later."""
        ids = [delivery.event.feedback_id for delivery in deliveries]
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_WITHDRAW, {"ids": ids, "now": datetime.now(UTC)})

    async def waiting(self, person: Person, now: datetime) -> list[UrgentItem]:
        """What waits for this person's roles, the oldest first; that it was looked at is noted before it is told."""
        return await self._looked_at(_OPEN, person, now)

    async def taken(self, person: Person, now: datetime) -> list[UrgentItem]:
        """What somebody in these roles has taken on, the latest first; noted likewise."""
        return await self._looked_at(_TAKEN, person, now)

    async def take_on(self, person: Person, feedback_id: UUID, version: int, now: datetime) -> bool:
        """Take one item on in the role that it waits for: row, event and audit in one transaction.

        Returns:
            Whether it is theirs to take on; what somebody has taken on already stays with them.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            row = (await connection.execute(_ONE, {"id": feedback_id, **_roles(person)})).one_or_none()
            if row is None or row.version < version:
                return False
            event = UrgentAcknowledged(
                feedback_id=feedback_id, version=version, role=row.role or STEWARD, acknowledged_at=now
            )
            taken = await connection.execute(_TAKE_ON, {"rows": _acknowledged([event])})
            if taken.one_or_none() is not None:
                await queue(connection, URGENT_ACKNOWLEDGED, event, now)
                await note(connection, person, "took on", f"urgent {feedback_id} version {version}", now)
        return True

    async def asked_for(self, person: Person, feedback_id: UUID, what: str, now: datetime) -> UrgentItem | None:
        """One item, if it is theirs; that they asked for what was said is noted before it can be.

        Args:
            person: who asks.
            feedback_id: of the item.
            what: they asked for: `words` or `recording`.
            now: the moment of it.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            row = (await connection.execute(_ONE, {"id": feedback_id, **_roles(person)})).one_or_none()
            if row is None or row.version == 0:  # taken on elsewhere before it was flagged here
                return None
            await note(connection, person, "asked for", f"{what} of urgent {feedback_id} version {row.version}", now)
        return _item(row)

    async def forget(self, before: datetime) -> None:
        """Delete what was taken on or withdrawn before; what still waits stays."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_FORGET, {"before": before})

    async def _looked_at(self, statement: Any, person: Person, now: datetime) -> list[UrgentItem]:
        async with transient_faults_told(), self._database.begin() as connection:
            rows = (await connection.execute(statement, {**_roles(person), "limit": TAKEN_SHOWN})).all()
            looked_at = [f"urgent {row.feedback_id} version {row.version}" for row in rows]
            await note_each(connection, person, "viewed", looked_at, now)
        return [_item(row) for row in rows]


def _roles(person: Person) -> dict[str, object]:
    return {"roles": sorted(person.roles), "steward": person.is_steward}


def _acknowledged(events: Iterable[UrgentAcknowledged]) -> str:
    return json.dumps(
        [
            {
                "feedback_id": str(event.feedback_id),
                "version": event.version,
                "acknowledged_at": event.acknowledged_at.isoformat(),
                "role": _storable(event.role),
            }
            for event in events
        ]
    )


def _storable(given: str) -> str:
    """PostgreSQL holds no NUL."""
    return given.replace("\x00", "")


def _item(row: Row[Any]) -> UrgentItem:
    return UrgentItem(
        feedback_id=row.feedback_id,
        version=row.version,
        organisation=row.organisation,
        role=row.role,
        reasons=tuple(row.reasons),
        flagged_at=row.flagged_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
    )
