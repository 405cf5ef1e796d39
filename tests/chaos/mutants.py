"""Services with a known bug, for the proof that the checker finds one: `python -m tests.chaos.mutants BUG SERVICE`.

Every one of them is slow, too: each batch is in hand for a while, so that a kill finds it there. Slowness is no bug,
and `none` has nothing else.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from typing import TYPE_CHECKING, Any

from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from services.learning import counting, store
from shared.consumer import BatchConsumer
from shared.member import GroupMember

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.learning.readings import CounterKey
    from shared.member import Batch

IN_HAND = 0.4
"""Seconds for which a batch is in hand before anything comes of it."""


def nothing() -> None:
    """No bug."""


def ack_first() -> None:
    """FastStream's default: offsets are committed behind the handler's back, as soon as records are polled."""
    subscriber = KafkaBroker.subscriber

    def acking_first(self: KafkaBroker, *topics: str, **options: Any) -> object:
        given = {**options, "ack_policy": AckPolicy.ACK_FIRST, "auto_commit_interval_ms": 50}
        return subscriber(self, *topics, **given)

    async def no_commit(_self: GroupMember, _kafka: AIOKafkaConsumer, _batch: Batch) -> None:
        """The policy sees to it."""

    _plant(KafkaBroker, "subscriber", acking_first)
    _plant(GroupMember, "_commit", no_commit)


def commit_before_effect() -> None:
    """Our own loop, with two lines the wrong way round."""
    handle = GroupMember._handle

    async def committing_first(
        self: GroupMember, kafka: AIOKafkaConsumer, consumer: BatchConsumer[Any], batch: Batch, begun: float
    ) -> None:
        await self._commit(kafka, batch)
        await handle(self, kafka, consumer, batch, begun)

    _plant(GroupMember, "_handle", committing_first)


def counted_twice() -> None:
    """A counter is added to once more."""
    once = counting.recount

    async def twice(connection: AsyncConnection, change: Mapping[CounterKey, int]) -> None:
        await once(connection, change)
        await once(connection, change)

    _plant(store, "recount", twice)


BUGS: Mapping[str, Callable[[], None]] = {
    "none": nothing,
    "ack-first": ack_first,
    "commit-before-effect": commit_before_effect,
    "counted-twice": counted_twice,
}


def launching(bug: str) -> Callable[[str], Sequence[str]]:
    """What runs a service with that bug, for `real_house`."""
    return lambda service: ["-m", "tests.chaos.mutants", bug, service]


def _plant(where: object, name: str, what: object) -> None:
    assert hasattr(where, name), f"nothing to plant a bug in: {name}"
    setattr(where, name, what)


def _slow() -> None:
    handle = BatchConsumer.handle

    async def slowly(self: BatchConsumer[Any], records: Sequence[Any]) -> None:
        await asyncio.sleep(IN_HAND)
        await handle(self, records)

    _plant(BatchConsumer, "handle", slowly)


if __name__ == "__main__":
    _, planted, named = sys.argv
    _slow()
    BUGS[planted]()
    sys.argv = [named]
    runpy.run_module(f"services.{named}", run_name="__main__")
