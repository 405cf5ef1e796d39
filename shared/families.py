"""The topics that a member reads: also those of a family (`theme-{slug}-digests`), of which some come later.

Kafka's client starts on no topic that is missing, so those of a family are asked for by name, and again now and then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.settings import ServiceSettings
    from shared.topics import Topic

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between looks for topics that a family has got since."""

LOOK_LIMIT = 5.0
"""Seconds that a look may take: no record is read meanwhile."""


class Families:
    """What is read: every topic that is no family, there or not, and of each family what is there.

    Args:
        topics: of the registry.
        settings: how to reach Kafka, and what stands before every name.
        clock: seconds, never going back.
    """

    def __init__(
        self, topics: Sequence[Topic], settings: ServiceSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._families = [topic for topic in topics if topic.is_family]
        self.fixed = [settings.kafka_prefix + topic.name for topic in topics if not topic.is_family]
        """Names that must be there."""
        self._partitions = {settings.kafka_prefix + topic.name: topic.partitions for topic in topics}
        for family in self._families:
            del self._partitions[settings.kafka_prefix + family.name]
        self._look_at = 0.0

    @property
    def names(self) -> list[str]:
        """Every topic's, in full."""
        return list(self._partitions)

    @property
    def partitions(self) -> list[TopicPartition]:
        """Every topic's, as many as the registry says."""
        return [TopicPartition(name, number) for name, count in self._partitions.items() for number in range(count)]

    async def find(self) -> None:
        """Look for what the families have, before anything is read.

        Raises:
            KafkaError: no broker answers.
        """
        if not self._families:
            return
        kafka = AIOKafkaConsumer(**connection(self._settings))
        try:
            await kafka.start()
            self._adopt(await kafka.topics())
        finally:
            await kafka.stop()
        for family in self._families:
            if not any(self._is_of(family, name) for name in self._partitions):
                log.warning("no topic %s is there yet; looked for every %.0f s", family.name, EVERY)

    async def keep_up(self, kafka: AIOKafkaConsumer) -> None:
        """Have a consumer read what is new, where it is time to look; it must have no batch in hand."""
        if not self._families or self._clock() < self._look_at:
            return
        try:
            async with asyncio.timeout(LOOK_LIMIT):
                new = self._adopt(await kafka.topics())
        except (KafkaError, TimeoutError):
            self._look_at = self._clock() + EVERY
            return
        if not new:
            return
        log.info("reads %s, too", ", ".join(new))
        if self._settings.kafka_embedded:
            kafka.assign(self.partitions)
        else:
            kafka.subscribe(self.names)

    def _adopt(self, there: Iterable[str]) -> list[str]:
        """Take up what is there; the names that are new."""
        self._look_at = self._clock() + EVERY
        found = {
            name: family.partitions for name in sorted(there) for family in self._families if self._is_of(family, name)
        }
        new = [name for name in found if name not in self._partitions]
        self._partitions |= found
        return new

    def _is_of(self, family: Topic, name: str) -> bool:
        prefix = self._settings.kafka_prefix
        return name.startswith(prefix) and family.part_of(name.removeprefix(prefix)) is not None
