"""The relay on PostgreSQL: in order, at least once, one member at a time, through every fault."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.app import SCHEMA
from services.gateway.outbox import Outbox
from services.gateway.relay import Relay
from services.gateway.store import Accepted, FeedbackStore
from shared.database import engine
from shared.errors import InvalidRecord, TransientFault
from shared.events import FeedbackSubmitted
from shared.topics import FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN
from tests.doubles import RememberingPublisher
from tests.integration.gateway_stage import (
    NOW,
    database,
    gateway_url,
    rows,
    settings,
    submission,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.outbox import Leader
    from shared.publisher import Publisher, Record

__all__ = ["database", "gateway_url"]

pytestmark = pytest.mark.integration

WAITING = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND set_aside IS NULL"


class FailingPublisher(RememberingPublisher):
    """Raises what it is told to, one for each call, before it starts to take records."""

    def __init__(self, *faults: Exception) -> None:
        super().__init__()
        self.faults = list(faults)

    async def send(self, records: Sequence[Record]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        await super().send(records)


class ChoosyPublisher(RememberingPublisher):
    """Refuses records that hold a word, as Kafka refuses one that is too large."""

    async def send(self, records: Sequence[Record]) -> None:
        if any(b"refuse me" in (record.value or b"") for record in records):
            raise InvalidRecord("record_too_large")
        await super().send(records)


@asynccontextmanager
async def relaying(database: AsyncEngine, publisher: Publisher, **given: Any) -> AsyncIterator[Relay]:
    relay = Relay(Outbox(database), publisher, settings("unused", **given), lambda: NOW)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
        assert not task.done(), "the relay has ended"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def write(database: AsyncEngine, *numbers: int, words: str = "Kind.", traceparent: str | None = None) -> None:
    given = [submission(str(number), words) for number in numbers]
    taken = await FeedbackStore(database).accept("survey", given, NOW, traceparent)
    assert all(isinstance(answer, Accepted) for answer in taken)


async def drained(database: AsyncEngine) -> None:
    async def nothing_waits() -> bool:
        return await rows(database, WAITING) == [(0,)]

    await until(nothing_waits)


def ids(publisher: RememberingPublisher) -> list[bytes | None]:
    return [record.key for record in publisher.sent]


async def expected(database: AsyncEngine) -> list[bytes]:
    return [str(row[0]).encode() for row in await rows(database, "SELECT feedback_id FROM outbox ORDER BY id")]


async def test_rows_go_out_in_the_order_of_their_ids(database: AsyncEngine) -> None:
    publisher = RememberingPublisher()
    for number in range(7):
        await write(database, number)
    async with relaying(database, publisher, relay_batch=3):
        await drained(database)
    assert ids(publisher) == await expected(database)


async def test_the_meters_are_told_how_many_rows_wait_and_since_when(database: AsyncEngine) -> None:
    outbox = Outbox(database)
    assert await outbox.depth() == (0, None)
    for number in range(3):
        await write(database, number)
    assert await outbox.depth() == (3, NOW)
    async with relaying(database, RememberingPublisher()):
        await drained(database)
    assert await outbox.depth() == (0, None)


async def test_the_record_is_the_event_with_its_version_and_trace(database: AsyncEngine) -> None:
    publisher = RememberingPublisher()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await write(database, 1)
    await write(database, 1, words="Kind and quick. 🙏", traceparent=trace)
    async with relaying(database, publisher):
        await drained(database)
    first, second = publisher.on(FEEDBACK_SUBMITTED.name)
    event = FeedbackSubmitted.model_validate_json(second.value or b"")
    assert (event.version, event.text) == (2, "Kind and quick. 🙏")
    assert ("traceparent", trace.encode()) in second.headers
    assert "traceparent" not in dict(first.headers)
    assert dict(first.headers)["ce_id"] != dict(second.headers)["ce_id"]


async def test_a_withdrawal_goes_out(database: AsyncEngine) -> None:
    publisher, store = RememberingPublisher(), FeedbackStore(database)
    (accepted,) = await store.accept("survey", [submission()], NOW)
    assert isinstance(accepted, Accepted)
    await store.withdraw("survey", accepted.receipt, NOW)
    async with relaying(database, publisher):
        await drained(database)
    assert [record.topic for record in publisher.sent] == [FEEDBACK_WITHDRAWN.name]


async def test_a_wake_is_enough_without_waiting_for_the_poll(database: AsyncEngine) -> None:
    publisher = RememberingPublisher()
    async with relaying(database, publisher, relay_poll=60) as relay:
        for number in range(5):
            await write(database, number)
            relay.wake()
            await drained(database)
    assert len(publisher.sent) == 5


async def test_what_another_member_wrote_is_found_by_polling(database: AsyncEngine) -> None:
    publisher = RememberingPublisher()
    async with relaying(database, publisher):
        await drained(database)
        await write(database, 1)
        await drained(database)
    assert len(publisher.sent) == 1


async def test_a_broker_away_delays_and_loses_nothing(database: AsyncEngine) -> None:
    publisher = FailingPublisher(*(TransientFault("away") for _ in range(5)))
    await write(database, *range(4))
    async with relaying(database, publisher):
        await drained(database)
    assert ids(publisher) == await expected(database)


async def test_a_fault_nobody_thought_of_does_not_end_the_relay(database: AsyncEngine) -> None:
    publisher = FailingPublisher(RuntimeError("surprise"), TransientFault("away"), ValueError("surprise"))
    await write(database, 1)
    async with relaying(database, publisher):
        await drained(database)
    assert len(publisher.sent) == 1


async def test_a_lost_connection_is_replaced(database: AsyncEngine) -> None:
    publisher = RememberingPublisher()
    async with relaying(database, publisher):
        await write(database, 1)
        await drained(database)
        killed = await rows(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        assert killed == [(True,)]
        await write(database, 2)
        await drained(database)
    assert len(publisher.sent) == 2


async def test_a_row_that_kafka_refuses_blocks_no_other(database: AsyncEngine) -> None:
    publisher = ChoosyPublisher()
    await write(database, 1, 2, 3)
    await write(database, 4, words="refuse me")
    await write(database, 5, 6)
    async with relaying(database, publisher):
        await drained(database)
    assert len(publisher.sent) == 5
    assert await rows(database, "SELECT set_aside, published_at FROM outbox WHERE set_aside IS NOT NULL") == [
        ("record_too_large", None)
    ]


async def test_of_two_members_one_publishes_and_the_other_takes_over(database: AsyncEngine) -> None:
    first, second = RememberingPublisher(), RememberingPublisher()
    await write(database, 1)
    async with relaying(database, first):
        await drained(database)
        async with relaying(database, second):
            for number in range(2, 12):
                await write(database, number)
            await drained(database)
            assert (len(first.sent), second.sent) == (11, [])
    async with relaying(database, second):
        await write(database, 12)
        await drained(database)
    assert (len(first.sent), len(second.sent)) == (11, 1)


async def test_a_standby_takes_over_when_the_leader_stops(database: AsyncEngine, gateway_url: str) -> None:
    first, second = RememberingPublisher(), RememberingPublisher()
    other = engine(gateway_url, SCHEMA)  # a member of its own: in the same session the lock would be free to take
    async with AsyncExitStack() as standby:
        async with relaying(database, first):
            await write(database, 1)
            await drained(database)
            await standby.enter_async_context(relaying(other, second))
        await write(database, 2)
        await drained(database)
    await other.dispose()
    assert (len(first.sent), len(second.sent)) == (1, 1)


class CountingOutbox(Outbox):
    """Counts how often the relay asks to lead."""

    asked = 0

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Leader | None]:
        self.asked += 1
        async with super().leading() as leader:
            yield leader


async def test_a_standby_that_is_woken_asks_once_and_then_at_its_poll(database: AsyncEngine, gateway_url: str) -> None:
    other = engine(gateway_url, SCHEMA)
    outbox = CountingOutbox(other)
    async with relaying(database, RememberingPublisher()):
        await write(database, 1)
        await drained(database)
        standby = Relay(outbox, RememberingPublisher(), settings("unused", relay_poll=60), lambda: NOW)
        standby.wake()
        task = asyncio.create_task(standby.run())
        await write(database, *range(2, 40))
        await drained(database)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await other.dispose()
    assert outbox.asked == 1
