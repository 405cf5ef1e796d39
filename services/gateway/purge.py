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
    """Delete raw payloads past their retention now, and then every `purge_interval` seconds, until cancelled."""
    retention = timedelta(days=settings.raw_retention_days)
    audit_retention = timedelta(days=settings.audit_retention_days)
    while True:
        try:
            purged = await outbox.purge(retention, clock())
            await outbox.forget_audit(audit_retention, clock())
            if lost := purged["purged set aside"]:
                log.error("forgot %d raw payloads that Kafka never took, %s after they came", lost, retention)
            if published := purged["purged published"]:
                log.info("purged %d raw payloads older than %s", published, retention)
        except TransientFault as fault:
            log.warning("purge waits for its next turn: %s", fault)
        except Exception:
            log.exception("purge failed and waits for its next turn")
        await asyncio.sleep(settings.purge_interval)
