"""Knows whether Kafka lets a consumer read: FastStream logs a poll that fails, goes on, and tells nobody."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from shared.kafka import failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import AIOKafkaConsumer

    from shared.settings import ServiceSettings

log = logging.getLogger(__name__)

REMEMBERED = 30.0
"""Seconds for which a failed poll counts: between two of them others succeed, with nothing."""


class Polls:
    """Stands in a started consumer's polls: a failed one becomes a line in the log, a pause, and no records.

    Args:
        kafka: whose polls; from now on they go through here.
        topics: what must be there to be read, in full.
        settings: the pause after a failed poll.
        before: what is done before each poll, as far as it is due.
    """

    def __init__(
        self,
        kafka: AIOKafkaConsumer,
        topics: Sequence[str],
        settings: ServiceSettings,
        before: Callable[[], Awaitable[None]],
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._settings = settings
        self._before = before
        self._failed_at: float | None = None
        self._poll = kafka.getmany
        kafka.getmany = self._getmany

    def succeed(self) -> bool:
        """Whether every topic can be read, as far as is known.

        A topic that was deleted, or is no longer for this account to see, fails no poll: Kafka shows nothing of it.
        """
        remembered = max(REMEMBERED, 3 * self._settings.backoff_max)
        failing = self._failed_at is not None and monotonic() - self._failed_at < remembered
        return not failing and all(self._kafka.partitions_for_topic(topic) for topic in self._topics)

    async def _getmany(self, *partitions: Any, **options: Any) -> dict[Any, Any]:
        try:
            await self._before()
            records: dict[Any, Any] = await self._poll(*partitions, **options)
        except KafkaError as error:
            self._failed_at = monotonic()
            log.error("cannot read: %s", failed(self._settings, error))
            await asyncio.sleep(self._settings.backoff_max)
            return {}
        return records
