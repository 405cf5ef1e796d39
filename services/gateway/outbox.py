"""The outbox in PostgreSQL: what waits for Kafka. The only place where raw feedback rests, and not for long."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told
from shared.topics import FEEDBACK_SUBMITTED, MEDIA_UPLOADED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PURGED_TOGETHER = 5_000
"""Rows deleted in one transaction, so that a purge never holds locks for long."""

# The lock is the session's, and every statement of a leader runs in that session: a leader that has lost its
# connection has lost the lock, and can no longer mark anything.
LEAD = text("SELECT pg_try_advisory_lock(hashtextextended('heed-relay-' || current_schema(), 0))")

WAITING = text(
    "SELECT id, topic, event::text AS event, traceparent FROM outbox "
    "WHERE published_at IS NULL AND set_aside IS NULL ORDER BY id LIMIT :limit"
)

DEPTH = text(
    "SELECT count(*) AS number, min(created_at) AS oldest FROM outbox WHERE published_at IS NULL AND set_aside IS NULL"
)

OLDEST = text("SELECT created_at FROM outbox WHERE published_at IS NULL AND set_aside IS NULL ORDER BY id LIMIT 1")

# What was deleted is counted where it is deleted, in the same transaction: the proof cannot be there without the deed.
PURGE = text(
    """
    WITH gone AS (
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox
             WHERE (published_at IS NOT NULL OR set_aside IS NOT NULL) AND created_at < :before LIMIT :limit
        )
        RETURNING CASE WHEN published_at IS NULL THEN 'set aside' ELSE 'published' END AS kind
    )
    INSERT INTO audit (at, action, number, before)
    SELECT CAST(:now AS timestamptz), 'purged ' || kind, count(*), CAST(:before AS timestamptz) FROM gone GROUP BY kind
    RETURNING action, number
    """
)

FORGET_AUDIT = text("DELETE FROM audit WHERE at < :before")

REQUEUE = text(
    """
    UPDATE outbox o SET published_at = NULL
     WHERE o.published_at IS NOT NULL AND CASE o.topic
           WHEN :submitted THEN NOT EXISTS (
               SELECT FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS done (feedback_id, version)
                WHERE done.feedback_id = o.feedback_id AND done.version = o.version)
           WHEN :uploaded THEN EXISTS (
               SELECT FROM media m WHERE m.feedback_id = o.feedback_id AND m.state = 'uploaded')
           ELSE true END
    """
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that Kafka has not got yet."""

    id: int
    topic: str
    event: str
    traceparent: str | None


class Leader:
    """The one member that publishes, while its session holds the lock."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waiting(self, limit: int) -> list[Waiting]:
        """The oldest rows not published, in order.

        Raises:
            TransientFault: the database is away, and the lock with it.
        """
        async with transient_faults_told():
            rows = (await self._connection.execute(WAITING, {"limit": limit})).all()
        return [Waiting(*row) for row in rows]

    async def mark_published(self, ids: Sequence[int], now: datetime) -> None:
        """Never publish these again.

        Raises:
            TransientFault: the database is away; they will be published once more, which readers allow for.
        """
        statement = text("UPDATE outbox SET published_at = :now WHERE id = ANY(CAST(:ids AS bigint[]))")
        async with transient_faults_told():
            await self._connection.execute(statement, {"ids": ids, "now": now})

    async def set_aside(self, row: int, reason: str) -> None:
        """Keep a row that can never be published from blocking those behind it; an operator decides about it."""
        async with transient_faults_told():
            await self._connection.execute(
                text("UPDATE outbox SET set_aside = :reason WHERE id = :id"), {"id": row, "reason": reason}
            )


class Outbox:
    """What the relay, the purge and the readiness check need of the outbox table."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Leader | None]:
        """Lead if no other member does: then yield a `Leader`, else None at once.

        Raises:
            TransientFault: the database is away.
        """
        async with transient_faults_told(), self._database.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            if not (await connection.execute(LEAD)).scalar_one():
                yield None
                return
            try:
                yield Leader(connection)
            finally:
                await connection.invalidate()  # ends the session, and so frees the lock whatever has happened

    async def oldest(self) -> datetime | None:
        """When the first waiting row was written; None where nothing waits.

        Raises:
            TransientFault: the database is away.
        """
        async with transient_faults_told(), self._database.connect() as connection:
            created: datetime | None = (await connection.execute(OLDEST)).scalar_one_or_none()
            return created

    async def depth(self) -> tuple[int, datetime | None]:
        """How many rows wait for Kafka, and when the oldest of them was written.

        Raises:
            TransientFault: the database is away.
        """
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await connection.execute(DEPTH)).one()
            return row.number, row.oldest

    async def purge(self, retention: timedelta, now: datetime) -> Counter[str]:
        """Delete rows older than `retention` that were published or set aside; an audit row says how many of each.

        What waits for Kafka is kept: it is nowhere else yet.

        Returns:
            How many were deleted: `purged published`, `purged set aside`.

        Raises:
            TransientFault: the database is away.
        """
        purged: Counter[str] = Counter()
        given = {"before": now - retention, "now": now, "limit": PURGED_TOGETHER}
        while True:
            async with transient_faults_told(), self._database.begin() as connection:
                told = {row.action: row.number for row in await connection.execute(PURGE, given)}
            purged.update(told)
            if sum(told.values()) < PURGED_TOGETHER:
                return purged

    async def forget_audit(self, retention: timedelta, now: datetime) -> None:
        """Delete audit rows older than `retention`.

        Raises:
            TransientFault: the database is away.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(FORGET_AUDIT, {"before": now - retention})


async def requeue_unfinished(database: AsyncEngine, finished: Collection[tuple[UUID, int]]) -> int:
    """Publish again what a broker without a disk has forgotten; for the embedded trial stack.

    Args:
        database: the gateway's engine.
        finished: pairs of feedback id and version that need no second reading.

    Returns:
        How many rows wait again: the submissions not finished, the uploads not checked, and every withdrawal.

    Raises:
        TransientFault: the database is away.
    """
    pairs = list(finished)
    given = {
        "ids": [identity for identity, _ in pairs],
        "versions": [version for _, version in pairs],
        "submitted": FEEDBACK_SUBMITTED.name,
        "uploaded": MEDIA_UPLOADED.name,
    }
    async with transient_faults_told(), database.begin() as connection:
        return (await connection.execute(REQUEUE, given)).rowcount
