"""Offers a steady load and sees when each reading comes out.

The load is open: what is due is sent whether or not what went before has come out, and latency counts from when an item
was due, so that a stalled sender cannot hide a stall.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.bench.measurement import percentile
from tests.bench.texts import SEED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiokafka import ConsumerRecord

SETTLING = 1.0
"""Seconds at the start whose items are not counted."""

PATIENCE = 120.0
"""Seconds after which a run that does not end is given up."""


@dataclass(slots=True)
class Observer:
    """Reads a topic and notes when each reading was first seen.

    Attributes:
        identity: tells which reading a record is.
        seen: `time.perf_counter()` by identity.
        changed: tells those who wait that more was seen.
    """

    identity: Callable[[ConsumerRecord[bytes, bytes]], bytes]
    seen: dict[bytes, float] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled."""
        while True:
            batches = await consumer.getmany(timeout_ms=1_000)
            now = time.perf_counter()
            for records in batches.values():
                for record in records:
                    self.seen.setdefault(self.identity(record), now)
            if batches:
                async with self.changed:
                    self.changed.notify_all()


async def until_changed(changed: asyncio.Condition, holds: Callable[[], bool], seconds: float) -> None:
    """Return once it holds, looking when something changed: every so often takes a hundredth of a busy event loop.

    Raises:
        TimeoutError: it did not come true in time.
    """
    async with asyncio.timeout(seconds), changed:
        await changed.wait_for(holds)


def key_of(record: ConsumerRecord[bytes, bytes]) -> bytes:
    """Heed's readings are known by their key."""
    return record.key or b""


@asynccontextmanager
async def observing(
    bootstrap: str,
    topic: str,
    partitions: int,
    identity: Callable[[ConsumerRecord[bytes, bytes]], bytes] = key_of,
) -> AsyncIterator[Observer]:
    """Watch a topic from its beginning while inside, outside any group."""
    observer = Observer(identity)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=10
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        task = asyncio.create_task(observer.watch(consumer))
        try:
            yield observer
        finally:
            task.cancel()
    finally:
        await consumer.stop()


@dataclass(frozen=True, slots=True)
class Latency:
    """Of a steady load: items per second offered, and milliseconds from due to seen."""

    offered: float
    p50_ms: float
    p95_ms: float


def arrivals(rate: float, seconds: float, step: float) -> list[float]:
    """When each item is due, in seconds from the start: a Poisson process, each rounded up to a multiple of `step`."""
    random = Random(SEED)  # noqa: S311 - a load, not a secret
    due, at = [], random.expovariate(rate)
    while at < seconds:
        due.append(math.ceil(at / step) * step if step else at)
        at += random.expovariate(rate)
    return due


async def latency_at(
    rate: float,
    seconds: float,
    *,
    send: Callable[[Sequence[int]], Awaitable[object]],
    key: Callable[[int], bytes],
    observer: Observer,
    step: float = 0.0,
) -> Latency:
    """Offer `rate` items per second and wait until each is seen.

    Args:
        rate: items per second.
        seconds: how long it is offered.
        send: sends the items of these numbers; several calls may be under way at once.
        key: what the observer knows an item's reading by.
        observer: sees those records.
        step: seconds between sends, where items are sent together; 0 sends each when it is due.
    """
    due = arrivals(rate, seconds, step)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as sending:
        at = 0
        while at < len(due):
            await asyncio.sleep(max(0.0, started + due[at] - time.perf_counter()))
            after = at + 1
            while after < len(due) and started + due[after] <= time.perf_counter():
                after += 1
            sending.create_task(_sent(send, range(at, after)))
            at = after
    keys = [key(number) for number in range(len(due))]
    await until_changed(observer.changed, lambda: all(each in observer.seen for each in keys), PATIENCE)
    counted = [
        (observer.seen[each] - started - moment) * 1000
        for each, moment in zip(keys, due, strict=True)
        if moment >= min(SETTLING, seconds / 2)
    ]
    return Latency(rate, percentile(counted, 0.5), percentile(counted, 0.95))


async def _sent(send: Callable[[Sequence[int]], Awaitable[object]], numbers: Sequence[int]) -> None:
    await send(numbers)
