"""Members come and go in the middle of a batch: partitions move in time, and what is done twice was in hand.

On Apache Kafka only: the embedded broker has one member.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from shared.consumer import BatchConsumer, Delivery
from shared.member import consuming
from shared.publisher import record
from shared.topics import FEEDBACK_SUBMITTED
from tests.doubles import submitted
from tests.integration.conftest import REAL
from tests.integration.offsets import committed
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from shared.events import FeedbackSubmitted
    from shared.member import GroupMember
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not REAL, reason="the embedded broker has one member only")]

RECORDS, TOGETHER = 300, 20
BOUND = 20.0
"""Seconds in which a member must get work: Kafka asks for heartbeats every three, and gives up on one after ten."""


class Member:
    """One member of the group, whose work stands still while `going` is not set."""

    def __init__(self, settings: ServiceSettings, publisher: KafkaPublisher) -> None:
        self.done: list[str] = []
        self.in_hand = 0
        self.going = asyncio.Event()
        self.settings = settings
        self.consumer: BatchConsumer[FeedbackSubmitted] = BatchConsumer(
            service="analysis", topic=FEEDBACK_SUBMITTED, effect=self._effect, publisher=publisher, settings=settings
        )

    async def _effect(self, deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        self.in_hand = len(deliveries)
        await self.going.wait()
        self.done += [str(delivery.event.feedback_id) for delivery in deliveries]
        self.in_hand = 0

    def at_work(self) -> AbstractAsyncContextManager[GroupMember]:
        return consuming([self.consumer], self.settings)


@pytest.fixture
def settings(kafka: ServiceSettings) -> ServiceSettings:
    return kafka.model_copy(update={"batch_records": TOGETHER, "shutdown_grace": 2.0})


@pytest.fixture
def members(settings: ServiceSettings, publisher: KafkaPublisher) -> tuple[Member, Member]:
    return Member(settings, publisher), Member(settings, publisher)


async def filled(publisher: KafkaPublisher) -> None:
    await publisher.send([record(FEEDBACK_SUBMITTED, submitted(number), "test") for number in range(RECORDS)])


async def all_done(settings: ServiceSettings, *members: Member) -> Counter[str]:
    """How often each record was done, once the group has all of them behind it."""

    async def behind() -> bool:
        return await committed(settings) == RECORDS

    await until(behind, BOUND)
    times = Counter(done for member in members for done in member.done)
    assert len(times) == RECORDS, "none is lost"
    return times


async def test_a_member_that_joins_gets_its_share_though_the_other_is_in_the_middle_of_a_batch(
    settings: ServiceSettings, publisher: KafkaPublisher, members: tuple[Member, Member]
) -> None:
    first, second = members
    second.going.set()
    await filled(publisher)
    async with first.at_work():
        await until(lambda: first.in_hand > 0)
        in_hand, begun = first.in_hand, time.monotonic()
        async with second.at_work():
            await until(lambda: bool(second.done), BOUND)
            assert time.monotonic() - begun < BOUND
            assert first.done == [], "it was in the middle of its batch all the while"
            first.going.set()
            times = await all_done(settings, first, second)
    assert sum(times.values()) - RECORDS <= in_hand


async def test_a_member_that_leaves_finishes_its_batch_and_the_other_goes_on(
    settings: ServiceSettings, publisher: KafkaPublisher, members: tuple[Member, Member]
) -> None:
    first, second = members
    await filled(publisher)
    async with AsyncExitStack() as leaving:
        await leaving.enter_async_context(first.at_work())
        await until(lambda: first.in_hand > 0)
        ending = asyncio.create_task(leaving.aclose())
        await until(first.consumer.stopping.is_set)
        first.going.set()
        await ending
        second.going.set()
        begun = time.monotonic()
        async with second.at_work():
            await until(lambda: bool(second.done), BOUND)
            assert time.monotonic() - begun < BOUND
            times = await all_done(settings, first, second)
    assert set(times.values()) == {1}, "what was finished was committed, and what was not was not begun"


async def test_a_member_that_cannot_finish_in_time_hands_its_batch_back(
    settings: ServiceSettings, publisher: KafkaPublisher, members: tuple[Member, Member]
) -> None:
    first, second = members
    second.going.set()
    await filled(publisher)
    async with AsyncExitStack() as leaving:
        await leaving.enter_async_context(first.at_work())
        await until(lambda: first.in_hand > 0, BOUND)
        begun = time.monotonic()
        await leaving.aclose()
        assert time.monotonic() - begun < settings.shutdown_grace + 5
    async with second.at_work():
        times = await all_done(settings, first, second)
    assert first.done == []
    assert set(times.values()) == {1}
