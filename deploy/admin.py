"""The admin client that every tool of an operator uses."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.kafka import connection, failed, unreached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.settings import ServiceSettings


@asynccontextmanager
async def admin_client(settings: ServiceSettings, timeout_seconds: float = 10.0) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client.

    Raises:
        TransientFault: no broker answers within the time, or one does not allow what is asked of it.
        HeedError: the brokers refuse the login.
    """
    admin = AIOKafkaAdminClient(**connection(settings), request_timeout_ms=int(timeout_seconds * 1000))
    try:
        try:
            await asyncio.wait_for(admin.start(), timeout_seconds)
        except (KafkaError, TimeoutError) as error:
            raise await unreached(settings, error) from error
        try:
            yield admin
        except KafkaError as error:
            raise failed(settings, error) from error
    finally:
        await admin.close()
