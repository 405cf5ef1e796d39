"""Forgets raw payloads by the clock."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.gateway.outbox import Outbox
    from services.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)


async def purge_for_ever(outbox: Outbox, settings: GatewaySettings, clock: Callable[[], datetime]) -> None:
    """Delete published payloads past their retention now, and then every `purge_interval` seconds, until cancelled."""
    retention = timedelta(days=settings.raw_retention_days)
    while True:
        try:
            purged = await outbox.purge(retention, clock())
            if purged:
                log.info("purged %d raw payloads older than %s", purged, retention)
        except TransientFault as fault:
            log.warning("purge waits for its next turn: %s", fault)
        except Exception:
            log.exception("purge failed and waits for its next turn")
        await asyncio.sleep(settings.purge_interval)
