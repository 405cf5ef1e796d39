"""Forgets raw payloads by the clock."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.gateway.outbox import Outbox
    from services.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)


async def purge(outbox: Outbox, settings: GatewaySettings, clock: Callable[[], datetime]) -> None:
    """Delete raw payloads and audit rows past their retention.

    Raises:
        TransientFault: PostgreSQL is away; the next turn makes up for it.
    """
    retention = timedelta(days=settings.raw_retention_days)
    purged = await outbox.purge(retention, clock())
    await outbox.forget_audit(timedelta(days=settings.audit_retention_days), clock())
    if lost := purged["purged set aside"]:
        log.error("forgot %d raw payloads that Kafka never took, %s after they came", lost, retention)
    if published := purged["purged published"]:
        log.info("purged %d raw payloads older than %s", published, retention)
