"""What a group member does with a batch when it is long, or Kafka's own client fails: nothing is passed over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from shared import telemetry
from shared.cloudevents import encode
from shared.consumer import BatchConsumer, Delivery
from shared.errors import TransientFault
from shared.events import FeedbackWithdrawn
from shared.member import PART_BYTES, GroupMember, parts_of
from shared.progress import Progress
from shared.publisher import Record
from shared.settings import ServiceSettings
from shared.telemetry import Metric
from shared.topics import FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN
from tests.doubles import NOON, RememberingPublisher, consumed, submitted

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBMITTED, WITHDRAWN = TopicPartition(FEEDBACK_SUBMITTED.name, 0), TopicPartition(FEEDBACK_WITHDRAWN.name, 0)


class Client:
    """The calls that a member makes of an aiokafka consumer; the first commit or look-up fails as told."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.positions = {SUBMITTED: 1, WITHDRAWN: 1}
        self.behind: dict[TopicPartition, int] = {}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self._fail_once()
        self.behind.update(offsets)

    async def committed(self, partition: TopicPartition) -> int | None:
        self._fail_once()
        return self.behind.get(partition)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.positions)

    def highwater(self, partition: TopicPartition) -> int:
        return 10

    def _fail_once(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault


def membership(client: Client, settings: ServiceSettings, done: list[str]) -> GroupMember:
    def consumer(topic: Any) -> BatchConsumer[Any]:
        async def effect(deliveries: Sequence[Delivery[Any]]) -> None:
            done.extend(topic.name for _ in deliveries)

        publisher = RememberingPublisher()
        return BatchConsumer(service="analysis", topic=topic, effect=effect, publisher=publisher, settings=settings)

    member = GroupMember([consumer(FEEDBACK_SUBMITTED), consumer(FEEDBACK_WITHDRAWN)], settings)
    member.subscriber = SimpleNamespace(consumer=client)  # type: ignore[assignment]
    member.progress = Progress(client, settings)
    return member


def both() -> tuple[Any, ...]:
    gone = FeedbackWithdrawn(feedback_id=submitted(1).feedback_id, withdrawn_at=NOON)
    return (
        consumed(Record(FEEDBACK_SUBMITTED.name, *encode(submitted(1), "/heed/test"))),
        consumed(Record(FEEDBACK_WITHDRAWN.name, *encode(gone, "/heed/test"))),
    )


async def test_a_commit_that_fails_in_a_way_nobody_thought_of_passes_over_no_other_topic() -> None:
    client, done = Client(RuntimeError("surprise")), list[str]()
    await membership(client, ServiceSettings(backoff_initial=0.001), done).on_batch(both())
    assert done == [FEEDBACK_SUBMITTED.name, FEEDBACK_WITHDRAWN.name]
    assert client.behind == {WITHDRAWN: 1}
    assert client.positions == {SUBMITTED: 0, WITHDRAWN: 1}, "what was not committed is polled anew"


async def test_a_batch_whose_place_cannot_be_looked_up_is_polled_anew() -> None:
    client, done = Client(KafkaConnectionError("away")), list[str]()
    member = membership(client, ServiceSettings(backoff_initial=0.001, kafka_embedded=True), done)
    await member.on_batch(both())
    assert (done, client.positions) == ([], {SUBMITTED: 0, WITHDRAWN: 0})
    await member.on_batch(both())
    assert client.behind == {SUBMITTED: 1, WITHDRAWN: 1}


async def test_a_topic_that_waits_keeps_no_other_waiting_and_the_next_poll_comes_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(_: Sequence[Delivery[Any]]) -> None:
        raise TransientFault("the database is away")

    monkeypatch.setattr("shared.member.HANDLED_AT_A_TIME", 0.01)
    client, done = Client(), list[str]()
    member = membership(client, ServiceSettings(backoff_initial=0.01, give_back_after=0.02), done)
    member._consumers[0]._effect = away
    await member.on_batch(both())
    assert (done, client.positions) == ([], {SUBMITTED: 0, WITHDRAWN: 0}), "it is late: all is polled anew"
    await member.on_batch(both())
    assert (done, client.behind) == ([FEEDBACK_WITHDRAWN.name], {WITHDRAWN: 1})


def long_ones(count: int) -> list[Any]:
    """Records of an eleventh of a part each."""
    words = "kind " * (PART_BYTES // 55)
    return [
        consumed(Record(FEEDBACK_SUBMITTED.name, *encode(submitted(number, words), "/heed/test")), offset=number)
        for number in range(count)
    ]


async def test_a_long_batch_is_committed_part_by_part() -> None:
    client, done = Client(), list[str]()
    commits: list[int] = []
    client.commit = lambda offsets: _noted(commits, offsets[SUBMITTED])  # type: ignore[method-assign]
    await membership(client, ServiceSettings(), done).on_batch(tuple(long_ones(14)))
    assert len(done) == 14
    assert commits == sorted(commits)
    assert len(commits) > 1
    assert commits[-1] == 14


async def _noted(commits: list[int], offset: int) -> None:
    commits.append(offset)


async def test_a_part_that_must_wait_gives_back_what_follows_and_keeps_what_is_done() -> None:
    client, done = Client(), list[str]()
    member = membership(client, ServiceSettings(), done)
    consumer = member._consumers[0]

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        client.behind.update(offsets)
        consumer.stopping.set()

    client.commit = commit  # type: ignore[method-assign]
    await member.on_batch(tuple(long_ones(14)))
    assert client.behind[SUBMITTED] == len(done) < 14
    assert client.positions[SUBMITTED] == len(done), "polled anew from the first that was not handled"


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, PART_BYTES * 2)), max_size=30))
def test_parts_hold_every_record_once_and_in_order(given_: list[tuple[int, int]]) -> None:
    batch: dict[TopicPartition, list[Any]] = {}
    for offset, (partition, size) in enumerate(given_):
        record = consumed(Record("feedback-submitted", b"k", bytes(size)), offset=offset, partition=partition)
        batch.setdefault(TopicPartition("feedback-submitted", partition), []).append(record)
    again: dict[TopicPartition, list[Any]] = {}
    for part in parts_of(batch):
        sizes = [len(record.value) for records in part.values() for record in records]
        assert sum(sizes) <= PART_BYTES or len(sizes) == 1
        for partition, records in part.items():
            again.setdefault(partition, []).extend(records)
    assert again == batch


async def test_it_says_how_far_behind_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Metric, float]] = []
    monkeypatch.setattr(telemetry, "measure", lambda metric, value, _labels: told.append((metric, value)))
    await membership(Client(), ServiceSettings(), []).on_batch(both()[:1])
    assert told == [(Metric.LAG, 9)]
