"""What the loop does with a batch when Kafka's own client fails: nothing that was polled is passed over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from shared.cloudevents import encode
from shared.consumer import BatchConsumer, Delivery, _Loop
from shared.events import FeedbackWithdrawn
from shared.publisher import Record
from shared.settings import ServiceSettings
from shared.topics import FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN
from tests.doubles import NOON, RememberingPublisher, consumed, submitted

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBMITTED, WITHDRAWN = TopicPartition(FEEDBACK_SUBMITTED.name, 0), TopicPartition(FEEDBACK_WITHDRAWN.name, 0)


class Client:
    """The calls that the loop makes of an aiokafka consumer; the first commit or look-up fails as told."""

    def __init__(self, fault: Exception) -> None:
        self.fault: Exception | None = fault
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

    def _fail_once(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault


def looping(client: Client, settings: ServiceSettings, done: list[str]) -> _Loop:
    def consumer(topic: Any) -> BatchConsumer[Any]:
        async def effect(deliveries: Sequence[Delivery[Any]]) -> None:
            done.extend(topic.name for _ in deliveries)

        publisher = RememberingPublisher()
        return BatchConsumer(service="analysis", topic=topic, effect=effect, publisher=publisher, settings=settings)

    loop = _Loop([consumer(FEEDBACK_SUBMITTED), consumer(FEEDBACK_WITHDRAWN)], settings)
    loop.subscriber = SimpleNamespace(consumer=client)  # type: ignore[assignment]
    return loop


def both() -> tuple[Any, ...]:
    gone = FeedbackWithdrawn(feedback_id=submitted(1).feedback_id, withdrawn_at=NOON)
    return (
        consumed(Record(FEEDBACK_SUBMITTED.name, *encode(submitted(1), "/heed/test"))),
        consumed(Record(FEEDBACK_WITHDRAWN.name, *encode(gone, "/heed/test"))),
    )


async def test_a_commit_that_fails_in_a_way_nobody_thought_of_passes_over_no_other_topic() -> None:
    client, done = Client(RuntimeError("surprise")), list[str]()
    await looping(client, ServiceSettings(backoff_initial=0.001), done).on_batch(both())
    assert done == [FEEDBACK_SUBMITTED.name, FEEDBACK_WITHDRAWN.name]
    assert client.behind == {WITHDRAWN: 1}
    assert client.positions == {SUBMITTED: 0, WITHDRAWN: 1}, "what was not committed is polled anew"


async def test_a_batch_whose_place_cannot_be_looked_up_is_polled_anew() -> None:
    client, done = Client(KafkaConnectionError("away")), list[str]()
    loop = looping(client, ServiceSettings(backoff_initial=0.001, kafka_embedded=True), done)
    await loop.on_batch(both())
    assert (done, client.positions) == ([], {SUBMITTED: 0, WITHDRAWN: 0})
    await loop.on_batch(both())
    assert client.behind == {SUBMITTED: 1, WITHDRAWN: 1}
