"""Removes what was uploaded and is nobody's any more: uploads never completed, or withdrawn before they were."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from services.gateway.uploads import quarantine
from shared import telemetry
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from services.gateway.settings import GatewaySettings
    from services.gateway.upload_handlers import Recordings

log = logging.getLogger(__name__)

TOGETHER = 100
"""Recordings between two looks at the database."""


async def sweep(recordings: Recordings, settings: GatewaySettings, clock: Callable[[], datetime]) -> None:
    """Let declarations expire that were not completed in time, and empty the quarantine of all that is over.

    A form holds for a while and an upload that it began may take longer still, so what is over is looked at twice: at
    once, and `HEED_MEDIA_UPLOAD_DEADLINE` after its last form ended.

    Raises:
        TransientFault: PostgreSQL or the bucket is away; the next turn makes up for it.
    """
    settled = clock() - timedelta(seconds=settings.media_upload_deadline)
    if expired := await recordings.store.expire(settled, clock()):
        telemetry.count(Metric.UPLOADS, expired, {"outcome": "expired"})
        log.info("forgot %d recordings that were never completed", expired)
    while found := await recordings.store.sweepable(settled, TOGETHER):
        await _empty(recordings, found, settled, clock)
        if len(found) < TOGETHER:
            return


async def _empty(recordings: Recordings, found: list[UUID], settled: datetime, clock: Callable[[], datetime]) -> None:
    done: list[UUID] = []
    removed = 0
    try:
        for media in found:
            removed += await recordings.bucket.erase(quarantine(media)) > 0
            done.append(media)
    finally:  # what was emptied before a fault is told of, too
        if done:
            await recordings.store.mark_swept(done, removed, settled, clock())
