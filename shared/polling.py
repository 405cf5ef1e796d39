"""How a consumer asks Kafka for records: whether it is let, and how often while there are none.

FastStream logs a poll that fails, goes on, and tells nobody.
"""

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

IDLE_AFTER = 5.0
"""Seconds without a record after which a consumer no longer hurries."""

IDLE_WAIT_MS = 500
"""Milliseconds that an idle consumer's poll, and Kafka's answer to it, wait for a record; both end with the first one.

It is Kafka's own default, and too long while records come: the client has one request for each broker under way, so
that a partition whose records were all taken is asked after only when the others, which may be empty, were answered.
"""


class Polls:
    """Stands in a started consumer's polls: a failed one becomes a line in the log, a pause, and no records.

    Where no record has come for `IDLE_AFTER`, polls wait longer: asking for nothing costs Kafka and us computing.

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
        self._record_at = monotonic()
        self._poll = kafka.getmany
        kafka.getmany = self._getmany
        self._fetch_wait = kafka._fetcher._fetch_max_wait_ms

    def succeed(self) -> bool:
        """Whether every topic can be read, as far as is known.

        A topic that was deleted, or is no longer for this account to see, fails no poll: Kafka shows nothing of it.
        """
        remembered = max(REMEMBERED, 3 * self._settings.backoff_max)
        failing = self._failed_at is not None and monotonic() - self._failed_at < remembered
        return not failing and all(self._kafka.partitions_for_topic(topic) for topic in self._topics)

    async def _getmany(self, *partitions: Any, timeout_ms: int = 0, **options: Any) -> dict[Any, Any]:
        try:
            await self._before()
            wait = IDLE_WAIT_MS if monotonic() - self._record_at >= IDLE_AFTER else 0
            self._fetches_wait(wait)
            records: dict[Any, Any] = await self._poll(*partitions, timeout_ms=max(timeout_ms, wait), **options)
        except KafkaError as error:
            self._failed_at = monotonic()
            log.error("cannot read: %s", failed(self._settings, error))
            await asyncio.sleep(self._settings.backoff_max)
            return {}
        if records:
            self._record_at = monotonic()
            self._fetches_wait(0)
        return records

    def _fetches_wait(self, at_least: int) -> None:
        """From the next request on; the client takes the time for it as a setting that nothing can change later."""
        self._kafka._fetcher._fetch_max_wait_ms = max(self._fetch_wait, at_least)
