"""Knows whether a member gets on: what it handled is committed, and what waits for it does not pile up."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from shared.settings import ServiceSettings

log = logging.getLogger(__name__)

LOOK_LIMIT = 2.0
"""Seconds that a look at the broker may take: a readiness probe is waiting for it."""


class Lag:
    """Watches how far behind a member is.

    A long backlog that shrinks is work being done. One over the limit that has not shrunk for a while is not.

    Args:
        limit: records that may wait however long.
        patience: seconds that more than these may wait without becoming fewer.
    """

    def __init__(self, limit: int, patience: float) -> None:
        self._limit = limit
        self._patience = patience
        self._lowest: tuple[int, float] | None = None

    def grows(self, behind: int, now: float) -> bool:
        """Whether it is over its limit and has not been lower for longer than the patience.

        Args:
            behind: records that wait now.
            now: seconds, never going back.
        """
        if behind <= self._limit:
            self._lowest = None
        elif self._lowest is None or behind < self._lowest[0]:
            self._lowest = (behind, now)
        return self._lowest is not None and now - self._lowest[1] >= self._patience


class Progress:
    """Commits offsets, again if need be, and measures what waits.

    Args:
        kafka: the member's consumer.
        settings: limits and pauses.
        clock: seconds, never going back.
    """

    def __init__(
        self, kafka: AIOKafkaConsumer, settings: ServiceSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kafka = kafka
        self._settings = settings
        self._clock = clock
        self._waiting: dict[TopicPartition, tuple[int, float]] = {}
        self._again_at = 0.0
        self._lag = Lag(settings.lag_limit, settings.lag_patience)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit; what cannot be committed now waits for the next commit of its partition, or for `commit_again`.

        The effects stand in any case; at worst another member repeats them, and they are idempotent.
        """
        try:
            await asyncio.wait_for(self._kafka.commit(dict(offsets)), self._settings.commit_timeout)
        except CommitFailedError:
            # The partitions were given to others, or are read again from what is committed: nothing is left to do.
            log.warning("offsets not committed, the group has changed: the batch may come again")
            self._forget(offsets)
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets not committed (%s): the batch may come again", type(error).__name__)
            now = self._clock()
            for partition, offset in offsets.items():
                self._waiting[partition] = (offset, self._waiting.get(partition, (0, now))[1])
            self._again_at = now + self._settings.backoff_max
        else:
            self._forget(offsets)

    async def commit_again(self) -> None:
        """Commit what could not be committed, seldom: on a quiet topic no later record would do it."""
        if not self._waiting or self._clock() < self._again_at:
            return
        ours = self._kafka.assignment()
        self._waiting = {partition: waits for partition, waits in self._waiting.items() if partition in ours}
        if self._waiting:
            await self.commit({partition: offset for partition, (offset, _) in self._waiting.items()})

    def commits(self) -> bool:
        """Whether nothing that was handled has waited for its commit longer than `commit_age`."""
        ours = self._kafka.assignment()
        since = [since for partition, (_, since) in self._waiting.items() if partition in ours]
        return not since or self._clock() - min(since) <= self._settings.commit_age

    async def checks(self) -> dict[str, bool]:
        """`commits`; `broker`: it answers; `lag`: what waits does not grow, as far as a look now can tell."""
        behind = await self._behind()
        checks = {"commits": self.commits(), "broker": behind is not None}
        # The embedded broker's latest offset is wrong, and so would its lag be.
        if behind is not None and not self._settings.kafka_embedded:
            checks["lag"] = not self._lag.grows(behind, self._clock())
        return checks

    async def _behind(self) -> int | None:
        """Records that no poll has brought yet; None where the broker does not answer in time."""
        try:
            async with asyncio.timeout(LOOK_LIMIT):
                ours = list(self._kafka.assignment())
                ends: dict[TopicPartition, int] = await self._kafka.end_offsets(ours) if ours else {}
                positions: dict[TopicPartition, int] = {each: await self._kafka.position(each) for each in ends}
                return sum(max(0, end - positions[each]) for each, end in ends.items())
        except IllegalStateError:
            return 0  # a partition went to another member meanwhile: the next look sees who has it
        except (KafkaError, TimeoutError):
            return None

    def _forget(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition in offsets:
            self._waiting.pop(partition, None)
