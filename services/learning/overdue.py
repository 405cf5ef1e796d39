"""Watches urgent feedback that nobody has taken on in time, and tells operators how much there is."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared import telemetry
from shared.repeating import repeating
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta

    from services.learning.urgent import UrgentStore

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between looks."""


class UrgentWatch:
    """Looks at what is open and since when.

    Args:
        store: where urgent items are kept.
        within: how long one may wait for somebody to take it on.
        clock: tells the time.
    """

    def __init__(
        self, store: UrgentStore, within: timedelta, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._within = within
        self._clock = clock
        self._told = 0

    async def overdue(self) -> int:
        """How many wait too long.

        Raises:
            TransientFault: PostgreSQL is away.
        """
        return await self._store.overdue(self._clock() - self._within)

    async def look(self) -> None:
        """Measure, and log when more are overdue than at the last look.

        Raises:
            TransientFault: PostgreSQL is away.
        """
        overdue = await self.overdue()
        telemetry.measure(Metric.URGENT_OPEN, await self._store.overdue(self._clock()))
        telemetry.measure(Metric.URGENT_OVERDUE, overdue)
        if overdue > self._told:
            log.error("%d urgent items wait for longer than %s; see `heed urgent list`", overdue, self._within)
        self._told = overdue

    def watched(self, every: float = EVERY) -> AbstractAsyncContextManager[None]:
        """Look in the background while inside."""
        return repeating(self.look, every, "learning-urgent")
