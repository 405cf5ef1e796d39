"""Forgets by the clock what the service no longer needs, and keeps a proof without content of having done so."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told
from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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
        self._audit = timedelta(days=settings.audit_retention_days)
        self._interval = settings.purge_interval
        self._clock = clock

    async def forget(self) -> int:
        """Delete what is past its retention; an audit row says how much.

        Returns:
            How many lists of ids were deleted.

        Raises:
            TransientFault: PostgreSQL is away; what is left is deleted next time.
        """
        now, forgotten = self._clock(), 0
        given = {"now": now, "before": now - self._lists, "limit": FORGOTTEN_TOGETHER}
        while True:
            async with transient_faults_told(), self._database.begin() as connection:
                number = (await connection.execute(_LISTS, given)).scalar_one_or_none() or 0
            forgotten += number
            if number < FORGOTTEN_TOGETHER:
                break
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_AUDIT, {"before": now - self._audit})
        return forgotten

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Forget now, and then every `purge_interval` seconds, while inside."""
        task = asyncio.create_task(self._forever(), name="learning-retention")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _forever(self) -> None:
        while True:
            try:
                if forgotten := await self.forget():
                    log.info("forgot %d lists of ids older than %s", forgotten, self._lists)
            except TransientFault as fault:
                log.warning("retention waits for its next turn: %s", fault)
            except Exception:
                log.exception("retention failed and waits for its next turn")
            await asyncio.sleep(self._interval)
