"""Forgets by the clock what the service no longer needs, and keeps a proof without content of having done so."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told
from shared.repeating import repeating

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.learning.settings import LearningSettings

log = logging.getLogger(__name__)

FORGOTTEN_TOGETHER = 1_000
"""Rows deleted in one transaction, so that it never holds locks for long."""

# Lists that went out are needed for nothing but a broker that forgot them; what still waits is kept.
_LISTS = text(
    """
    WITH gone AS (
        DELETE FROM included_part WHERE (team_id, period, part) IN (
            SELECT team_id, period, part FROM included_part WHERE published AND included_at < :before LIMIT :limit
        )
        RETURNING 1
    )
    INSERT INTO audit (at, action, number, before)
    SELECT CAST(:now AS timestamptz), 'forgot lists of ids', count(*), CAST(:before AS timestamptz) FROM gone
    HAVING count(*) > 0
    RETURNING number
    """
)
# Words are kept to be quoted, read again by another model and learnt from; the counts that they led to stay.
_WORDS = text(
    """
    WITH old AS (
        SELECT feedback_id FROM reading
        WHERE segments <> '[]' AND period <= CAST(:before AS timestamptz)::date AND occurred_at < :before
        AND NOT EXISTS (
            SELECT FROM correction
            WHERE correction.feedback_id = reading.feedback_id AND corrected_at >= :corrected_before
        )
        ORDER BY feedback_id LIMIT :limit FOR UPDATE
    ), gone AS (
        UPDATE reading SET segments = '[]', media = '[]', quote_ok = false FROM old
        WHERE reading.feedback_id = old.feedback_id RETURNING team_id, period
    ), due AS (
        INSERT INTO due_page (team_id, period, removes)
        SELECT team_id, period, true FROM gone GROUP BY team_id, period ORDER BY team_id COLLATE "C", period
        ON CONFLICT (team_id, period) DO UPDATE SET changed_at = clock_timestamp(), removes = true
    )
    INSERT INTO audit (at, action, number, before)
    SELECT CAST(:now AS timestamptz), 'forgot redacted words', count(*), CAST(:before AS timestamptz) FROM gone
    HAVING count(*) > 0
    RETURNING number
    """
)
_URGENT = text(
    """
    WITH gone AS (
        DELETE FROM urgent_item WHERE feedback_id IN (
            SELECT feedback_id FROM urgent_item
            WHERE version <= acknowledged_version AND acknowledged_at < :before LIMIT :limit
        )
        RETURNING 1
    )
    INSERT INTO audit (at, action, number, before)
    SELECT CAST(:now AS timestamptz), 'forgot urgent items', count(*), CAST(:before AS timestamptz) FROM gone
    HAVING count(*) > 0
    RETURNING number
    """
)
_AUDIT = text("DELETE FROM audit WHERE at < :before")


class Retention:
    """The job that forgets.

    Args:
        database: the service's.
        settings: how long what is kept.
        clock: the time to go by.
    """

    def __init__(
        self,
        database: AsyncEngine,
        settings: LearningSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._lists = timedelta(days=settings.list_retention_days)
        self._words = timedelta(days=settings.reading_retention_days)
        self._corrected = timedelta(days=settings.correction_retention_days)
        self._audit = timedelta(days=settings.audit_retention_days)
        self._interval = settings.purge_interval
        self._clock = clock

    async def forget(self) -> int:
        """Delete what is past its retention; an audit row says how much.

        Returns:
            How many lists of ids were deleted, readings lost their words and urgent items were deleted, together.

        Raises:
            TransientFault: PostgreSQL is away; what is left is deleted next time.
        """
        now = self._clock()
        forgotten = await self._all(_LISTS, now, now - self._lists)
        forgotten += await self._all(_WORDS, now, now - self._words, corrected_before=now - self._corrected)
        forgotten += await self._all(_URGENT, now, now - self._words)
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_AUDIT, {"before": now - self._audit})
        return forgotten

    async def _all(self, statement: TextClause, now: datetime, before: datetime, **more: datetime) -> int:
        forgotten = 0
        while True:
            given = {"now": now, "before": before, "limit": FORGOTTEN_TOGETHER, **more}
            async with transient_faults_told(), self._database.begin() as connection:
                number = int((await connection.execute(statement, given)).scalar_one_or_none() or 0)
            forgotten += number
            if number < FORGOTTEN_TOGETHER:
                return forgotten

    def at_work(self) -> AbstractAsyncContextManager[None]:
        """Forget now, and then every `purge_interval` seconds, while inside."""
        return repeating(self._turn, self._interval, "learning-retention")

    async def _turn(self) -> None:
        if forgotten := await self.forget():
            log.info("forgot %d rows that were past their retention", forgotten)
