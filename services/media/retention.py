"""Erases by the clock: clean files past their retention, and held ones that nobody decided about."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from services.media.handlers import utc_now
from services.media.reasons import Reason
from shared import telemetry
from shared.repeating import repeating
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from services.media.handlers import MediaHandler
    from services.media.settings import MediaSettings
    from services.media.store import MediaStore

log = logging.getLogger(__name__)

TOGETHER = 100
"""Media looked up at once."""


class Retention:
    """The job that erases.

    Args:
        store: what became of media.
        handler: erases, rejects and says so.
        settings: how long what is kept.
        now: the clock.
        tidy: removes what killed checks left on the disk.
    """

    def __init__(
        self,
        store: MediaStore,
        handler: MediaHandler,
        settings: MediaSettings,
        *,
        now: Callable[[], datetime] = utc_now,
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._handler = handler
        self._held_for = timedelta(days=settings.media_held_days)
        self._audit = timedelta(days=settings.audit_retention_days)
        self._interval = settings.purge_interval
        self._now = now
        self._tidy = tidy

    def at_work(self) -> AbstractAsyncContextManager[None]:
        """Look now, and then every `purge_interval` seconds, while inside."""
        return repeating(self.turn, self._interval, "media-retention")

    async def turn(self) -> None:
        """Erase whatever is due.

        Raises:
            TransientFault: Kafka, PostgreSQL or the bucket is away; what is left is due next time.
        """
        erased = 0
        while due := await self._store.expired(self._now(), TOGETHER):
            for media in due:
                await self._handler.erase(media, Reason.RETENTION_OVER)
            erased += len(due)
        while overdue := await self._store.overdue(self._now() - self._held_for, TOGETHER):
            for event in overdue:
                await self._handler.reject(event, Reason.NOT_RESOLVED_IN_TIME)
            erased += len(overdue)
        await self._store.forget_audit(self._audit, self._now())
        await asyncio.to_thread(self._tidy)
        telemetry.measure(Metric.MEDIA_HELD, len(await self._store.held()))
        if erased:
            log.info("erased %d media that were past their retention", erased)
