"""Whether anything is still on its way: in the outbox, on a topic before its reader, or between readings and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.themes import SLUGS
from shared.topics import TOPICS

if TYPE_CHECKING:
    from tests.chaos.house import Access

OUTBOX = "SELECT count(*) FROM gateway.outbox WHERE published_at IS NULL AND set_aside IS NULL"

PAGES = (
    "SELECT (SELECT count(*) FROM learning.due_page) "
    "+ (SELECT count(*) FROM learning.page WHERE held = '{}' AND published_revision IS DISTINCT FROM revision) "
    "+ (SELECT count(*) FROM learning.included_part AS i JOIN learning.page AS p USING (team_id, period) "
    "WHERE NOT i.published AND p.published_revision >= i.revision) "
    "+ (SELECT count(*) FROM learning.page WHERE held_told IS DISTINCT FROM CASE WHEN held <> '{}' THEN revision END)"
)


class Flow:
    """Looks at an installation from outside, and remembers in `waiting` what it found last."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.waiting = "not looked at"

    async def is_over(self) -> bool:
        """Whether nothing is on its way. Lists of what pages include go back to the gateway, so it comes last."""
        try:
            return await self._none("outbox", OUTBOX) and await self._all_read() and await self._pages_are_out()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as error:
            self.waiting = type(error).__name__
            return False

    async def _pages_are_out(self) -> bool:
        return await self._none("pages", PAGES) and await self._all_read()

    async def _none(self, what: str, query: str) -> bool:
        connection = await asyncpg.connect(self._access.database, timeout=5)
        try:
            found = await connection.fetchval(query)
        finally:
            await connection.close()
        if found:
            self.waiting = f"{found} in {what}"
        return not found

    async def _all_read(self) -> bool:
        groups = {group for topic in TOPICS for group in topic.consumers}
        async with AIOKafkaConsumer(bootstrap_servers=self._access.bootstrap) as consumer:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._access.bootstrap)
            await admin.start()
            try:
                behind = {group: await self._behind(group, admin, consumer) for group in groups}
            finally:
                await admin.close()
        if any(behind.values()):
            self.waiting = ", ".join(f"{lag} before {group}" for group, lag in behind.items() if lag)
        return not any(behind.values())

    async def _behind(self, group: str, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> int:
        partitions = [
            TopicPartition(self._access.prefix + name, number)
            for topic in TOPICS
            if group in topic.consumers
            for name in topic.names((), SLUGS)
            for number in range(topic.partitions)
        ]
        ends = await consumer.end_offsets(partitions)
        done = await admin.list_consumer_group_offsets(self._access.prefix + group)
        return sum(end - (done[partition].offset if partition in done else 0) for partition, end in ends.items() if end)
