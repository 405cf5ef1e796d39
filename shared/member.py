"""One member of a service's consumer group: polls through FastStream, hands records to their consumer, commits.

FastStream swallows whatever a handler raises and reads on, so nothing may be raised here; see decision 4.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as Partition
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage, KafkaMessage

from shared import telemetry
from shared.consumer import GiveBack, Halted
from shared.families import Families
from shared.gaps import GapGuard
from shared.kafka import broker_security, paced, unreached
from shared.polling import Polls
from shared.progress import Progress
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from aiokafka import AIOKafkaConsumer, ConsumerRecord
    from faststream.kafka.subscriber.usecase import BatchSubscriber

    from shared.consumer import BatchConsumer
    from shared.settings import ServiceSettings

    Batch = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]

log = logging.getLogger(__name__)

MAX_POLL_INTERVAL_MS = 300_000
"""Kafka's default: a member that does not poll for so long is taken for dead."""

HANDLED_AT_A_TIME = 60.0
"""Seconds after which what is left of a batch is polled anew, far below the poll interval."""

PART_BYTES = 1024 * 1024
"""Of values, after which a part of a batch is handled and committed: ten texts of the greatest length."""


def parts_of(batch: Batch) -> Iterator[Batch]:
    """The batch in parts of about `PART_BYTES`, in order; a larger record is a part of its own."""
    part: Batch = defaultdict(list)
    size = 0
    for partition, records in batch.items():
        for record in records:
            length = len(record.value or b"")
            if part and size + length > PART_BYTES:
                yield part
                part, size = defaultdict(list), 0
            part[partition].append(record)
            size += length
    if part:
        yield part


class GroupMember:
    """Hands each topic's records to its `BatchConsumer`, then commits."""

    def __init__(self, consumers: Sequence[BatchConsumer[Any]], settings: ServiceSettings) -> None:
        self._consumers = consumers
        self._settings = settings
        self._guards: dict[TopicPartition, GapGuard] = {}
        self._behind: dict[TopicPartition, int] = {}
        self.subscriber: BatchSubscriber | None = None
        self.polls: Polls | None = None
        self.progress: Progress | None = None

    async def on_batch(self, records: tuple[ConsumerRecord[bytes, bytes], ...]) -> None:
        """Never raise: FastStream would swallow it and read on, past records that were not handled."""
        assert self.subscriber is not None
        kafka = self.subscriber.consumer
        assert kafka is not None
        by_partition: Batch = defaultdict(list)
        for record in records:
            by_partition[TopicPartition(record.topic, record.partition)].append(record)
        if self._settings.kafka_embedded:
            try:
                by_partition = await self._without_gaps(kafka, by_partition)
            except KafkaError as error:
                await self._give_back(kafka, [by_partition], error)
                return
        begun = time.monotonic()
        # Those that wait for something come last, so that they keep no other topic waiting, however long they do.
        for consumer in sorted(self._consumers, key=lambda each: each.away_since is not None):
            mine = {
                partition: records for partition, records in by_partition.items() if consumer.reads(partition.topic)
            }
            if mine:
                await self._handle(kafka, consumer, mine, begun)

    async def _handle(self, kafka: AIOKafkaConsumer, consumer: BatchConsumer[Any], batch: Batch, begun: float) -> None:
        """Handle and commit part after part, so that progress is kept however long the records are.

        Nothing is begun later than `HANDLED_AT_A_TIME` after `begun`, when the poll's first topic was: with what one
        part may wait, the next poll comes in time, however many topics the service reads.
        """
        parts = list(parts_of(batch))
        for number, part in enumerate(parts):
            try:
                if consumer.halted:
                    raise Halted
                if consumer.stopping.is_set() or time.monotonic() - begun > HANDLED_AT_A_TIME:
                    raise GiveBack
                await consumer.handle([record for records in part.values() for record in records])
                await self._commit(kafka, part)
            except asyncio.CancelledError:
                raise
            except Halted:
                self._rewind(kafka, parts[number:])
                mine = {partition.topic for partition in batch}
                kafka.pause(*(partition for partition in kafka.assignment() if partition.topic in mine))
                return
            except GiveBack:
                self._rewind(kafka, parts[number:])
                return
            except Exception as error:  # noqa: BLE001 - raised on, FastStream would swallow it, and the batch be lost
                await self._give_back(kafka, parts[number:], error)
                return

    async def _give_back(self, kafka: AIOKafkaConsumer, parts: Sequence[Batch], error: Exception) -> None:
        topics = ", ".join(sorted({partition.topic for part in parts for partition in part}))
        log.error("batch of %s given back: unexpected %s", topics, type(error).__name__)
        self._rewind(kafka, parts)
        await asyncio.sleep(self._settings.backoff_initial)

    def _rewind(self, kafka: AIOKafkaConsumer, parts: Sequence[Batch]) -> None:
        first: dict[TopicPartition, int] = {}
        for part in parts:
            for partition, records in part.items():
                first.setdefault(partition, records[0].offset)
        for partition, offset in first.items():
            try:
                kafka.seek(partition, offset)
            except IllegalStateError:
                log.info("%s went to another member, which will read it again", partition)

    async def _commit(self, kafka: AIOKafkaConsumer, batch: Batch) -> None:
        offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
        for partition, records in batch.items():
            if guard := self._guards.get(partition):
                guard.done(records[-1].offset)
        assert self.progress is not None
        await self.progress.commit(offsets)
        self._tell_lag(kafka, batch)

    def _tell_lag(self, kafka: AIOKafkaConsumer, batch: Batch) -> None:
        """Say how far behind this member is. The embedded broker's high water mark is wrong, so not there."""
        if self._settings.kafka_embedded:
            return
        for partition, records in batch.items():
            self._behind[partition] = max(0, (kafka.highwater(partition) or 0) - records[-1].offset - 1)
        self._behind = {partition: self._behind[partition] for partition in kafka.assignment() & self._behind.keys()}
        for topic in {partition.topic for partition in batch}:
            behind = sum(count for partition, count in self._behind.items() if partition.topic == topic)
            telemetry.measure(Metric.LAG, behind, {"topic": topic})

    async def _without_gaps(self, kafka: AIOKafkaConsumer, batch: Batch) -> Batch:
        whole: Batch = {}
        for partition, records in batch.items():
            if partition not in self._guards:
                self._guards[partition] = GapGuard(await kafka.committed(partition) or 0)
            guard = self._guards[partition]
            following = guard.contiguous([record.offset for record in records])
            if following < len(records):
                telemetry.count(Metric.GAPS, 1, {"topic": partition.topic})
                kafka.seek(partition, records[following - 1].offset + 1 if following else guard.expected)
            if following:
                whole[partition] = records[:following]
        return whole

    def alive(self) -> bool:
        """Whether the task that polls is still there, and Kafka lets it read."""
        if self.subscriber is None or not self.subscriber.running or self.polls is None or not self.polls.succeed():
            return False
        return any(not task.done() for task in self.subscriber.tasks)

    async def checks(self) -> dict[str, bool]:
        """Whether it reads (`consumer`), and whether it gets on: see `Progress.checks`."""
        assert self.progress is not None
        return {"consumer": self.alive(), **await self.progress.checks()}


async def _parse(message: tuple[ConsumerRecord[bytes, bytes], ...], _original: object) -> KafkaMessage:
    """Wrap the raw records; never raises, so that no byte can make FastStream lose a batch."""
    return KafkaAckableMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER)


async def _decode(message: KafkaMessage, _original: object) -> object:
    """Hand the records on as they are: each is validated alone, in the consumer."""
    return message.raw_message


@asynccontextmanager
async def consuming(consumers: Sequence[BatchConsumer[Any]], settings: ServiceSettings) -> AsyncIterator[GroupMember]:
    """Join the service's consumer group and run its member; on the way out, finish or give back the batch and leave.

    Raises:
        TransientFault: no broker answers, or it shows this account no such topic or group.
        HeedError: the brokers refuse the login.
    """
    service = consumers[0].service
    member = GroupMember(consumers, settings)
    broker = KafkaBroker(
        settings.kafka_bootstrap,
        security=broker_security(settings),
        client_id=f"heed-{service}",
        consumer_only=True,
        apply_types=False,
        allow_auto_create_topics=False,
        graceful_timeout=settings.shutdown_grace,
        logger=log,
        log_level=logging.DEBUG,
    )
    families = Families([consumer.topic for consumer in consumers], settings)
    try:
        await families.find()
    except KafkaError as error:
        raise await unreached(settings, error) from error
    subscriber = broker.subscriber(
        # The embedded broker has one member only, and takes five seconds to find that out: skip the group's dance.
        *([] if settings.kafka_embedded else families.names),
        partitions=[Partition(*each) for each in families.partitions] if settings.kafka_embedded else (),
        group_id=settings.kafka_prefix + service,
        batch=True,
        max_records=settings.batch_records,
        batch_timeout_ms=settings.batch_timeout_ms,
        fetch_max_wait_ms=max(settings.batch_timeout_ms, 50),
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        parser=_parse,
        decoder=_decode,
        no_reply=True,
    )
    member.subscriber = subscriber
    subscriber(member.on_batch)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)
        try:
            await broker.start()
        except KafkaError as error:
            raise await unreached(settings, error) from error
        assert subscriber.consumer is not None
        kafka, progress = subscriber.consumer, Progress(subscriber.consumer, settings)
        paced(kafka._client, settings.backoff_initial)

        async def before_each_poll() -> None:
            await progress.commit_again()
            await families.keep_up(kafka)

        member.progress = progress
        member.polls = Polls(kafka, families.fixed, settings, before_each_poll)
        try:
            yield member
        finally:
            for consumer in consumers:
                consumer.stopping.set()
