"""Knows whether Kafka lets a consumer read: FastStream logs a poll that fails, goes on, and tells nobody."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from shared.errors import TransientFault
from shared.kafka import GRANT, failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaConsumer

    from shared.settings import ServiceSettings

log = logging.getLogger(__name__)

REMEMBERED = 30.0
"""Seconds for which a failed poll counts: between two of them others succeed, with nothing."""


class Polls:
    """Stands in a started consumer's polls: a failed one becomes a line in the log, a pause, and no records.

    Args:
        kafka: whose polls; from now on they go through here.
        topics: what it subscribes to, in full.
        settings: the pause after a failed poll.
    """

    def __init__(self, kafka: AIOKafkaConsumer, topics: Sequence[str], settings: ServiceSettings) -> None:
        self._kafka = kafka
        self._topics = topics
        self._settings = settings
        self._failed_at: float | None = None
        self._poll = kafka.getmany
        kafka.getmany = self._getmany

    def must_see_every_topic(self) -> None:
        """Kafka lets a member join a group for topics that it shows nothing of, and wait there for ever.

        Raises:
            TransientFault: a topic is not made, or not for this account to see.
        """
        if unseen := self._unseen():
            account = self._settings.kafka_username or "an account without a name"
            raise TransientFault(f"Kafka shows {account} no topic {unseen[0]}: was it made? {GRANT}")

    def succeed(self) -> bool:
        """Whether every topic can be read, as far as is known."""
        remembered = max(REMEMBERED, 3 * self._settings.backoff_max)
        failing = self._failed_at is not None and time.monotonic() - self._failed_at < remembered
        return not failing and not self._unseen()

    def _unseen(self) -> list[str]:
        return [topic for topic in self._topics if not self._kafka.partitions_for_topic(topic)]

    async def _getmany(self, *partitions: Any, **options: Any) -> dict[Any, Any]:
        try:
            records: dict[Any, Any] = await self._poll(*partitions, **options)
        except KafkaError as error:
            self._failed_at = time.monotonic()
            log.error("cannot read: %s", failed(self._settings, error))
            await asyncio.sleep(self._settings.backoff_max)
            return {}
        return records
