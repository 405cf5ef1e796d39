"""What people did here, on its way to Kafka: written with the deed in one transaction, published at least once.

The same idea as the gateway's outbox (decision 2), for a few rows an hour: one member at a time publishes, in the order
of the rows, and a crash between publishing and marking repeats an event under the id that it had.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydantic import ValidationError
from sqlalchemy import text

from shared.database import transient_faults_told
from shared.errors import InvalidRecord
from shared.publisher import record
from shared.topics import COMMITMENTS, READING_CORRECTED, URGENT_ACKNOWLEDGED

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.events import Event
    from shared.publisher import Publisher, Record
    from shared.topics import Topic

log = logging.getLogger(__name__)

SERVICE = "portal"

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (COMMITMENTS, READING_CORRECTED, URGENT_ACKNOWLEDGED)}

AT_ONCE = 200

_QUEUE = text("INSERT INTO outbox (topic, event, created_at) VALUES (:topic, CAST(:event AS jsonb), :now)")
_LEAD = text("SELECT pg_try_advisory_xact_lock(hashtextextended('heed-outbox-' || current_schema(), 0))")
_WAITING = text(
    "SELECT id, topic, event::text AS event FROM outbox WHERE published_at IS NULL AND set_aside IS NULL "
    "ORDER BY id LIMIT :limit"
)
_MARK = text("UPDATE outbox SET published_at = :now WHERE id = :id")
_SET_ASIDE = text("UPDATE outbox SET set_aside = :reason WHERE id = :id")
_AGAIN = text("UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL")
_PURGE = text("DELETE FROM outbox WHERE topic <> :kept AND published_at < :before")


async def queue(connection: AsyncConnection, topic: Topic, event: Event, now: datetime) -> None:
    """Have an event published, if the transaction of its deed is committed."""
    given = {"topic": topic.name, "event": event.model_dump_json(exclude_none=True), "now": now}
    await connection.execute(_QUEUE, given)


class Outbox:
    """The adapter to the table `outbox`, and what publishes it.

    Args:
        publisher: how events go.
    """

    def __init__(self, database: AsyncEngine, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    async def publish(self, now: datetime) -> int:
        """Publish what waits, unless another member is at it; returns how many rows went.

        Raises:
            TransientFault: the database or the broker is away; what did not go stays.
        """
        done = 0
        async with transient_faults_told(), self._database.begin() as connection:
            if not (await connection.execute(_LEAD)).scalar_one():
                return 0
            for row in (await connection.execute(_WAITING, {"limit": AT_ONCE})).all():
                try:
                    await self._publisher.send([_record(row.topic, row.event)])
                except InvalidRecord as refused:
                    log.error("outbox row %d is set aside: %s", row.id, refused.reason)
                    await connection.execute(_SET_ASIDE, {"id": row.id, "reason": refused.reason})
                else:
                    await connection.execute(_MARK, {"id": row.id, "now": now})
                    done += 1
        return done

    async def publish_again(self) -> None:
        """Have everything go out once more under the same ids, for a broker that forgot it (the embedded one)."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_AGAIN)

    async def purge(self, before: datetime) -> None:
        """Delete what was published before; commitments are few, and stay as long as their topic keeps them."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_PURGE, {"kept": COMMITMENTS.name, "before": before})


def _record(topic_name: str, event: str) -> Record:
    topic = TOPICS[topic_name]
    assert topic.event is not None
    try:
        return record(topic, topic.event.model_validate_json(event), SERVICE)
    except ValidationError:
        raise InvalidRecord("invalid_event") from None
