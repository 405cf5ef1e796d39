"""The one consumer loop: batch → validate → effect → dead letter → commit.

FastStream's defaults commit what was never handled; this module is the way around all of them. A batch arrives as raw
bytes (parser and decoder never raise); each record is validated alone; the good ones go to the effect together, and if
that raises, halves of them do, until the culprit stands alone; culprits go to `<service>-dlq` with their bytes, headers
and position, acknowledged by the brokers; only then are explicit offsets committed, within a time limit. While the
database, the store or the broker is away the batch is tried again, with growing pauses, and nothing is dead-lettered.

What it guarantees: at least once. Effects must be idempotent. `docs/architecture.md` names the test of each promise.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as Partition
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage, KafkaMessage

from shared import telemetry
from shared.breaker import DeadLetterBreaker
from shared.cloudevents import decode, header
from shared.dead_letters import dead_letter
from shared.errors import InvalidRecord, TransientFault
from shared.events import Event
from shared.gaps import GapGuard
from shared.kafka import broker_security, unreached
from shared.polling import Polls
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiokafka import AIOKafkaConsumer, ConsumerRecord
    from faststream.kafka.subscriber.usecase import BatchSubscriber

    from shared.publisher import Publisher
    from shared.settings import ServiceSettings
    from shared.topics import Topic

    Batch = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
T = TypeVar("T")

MAX_POLL_INTERVAL_MS = 300_000
"""Kafka's default: a member that does not poll for so long is taken for dead."""


class _GiveBack(Exception):  # noqa: N818 - a signal, not an error
    """Leave this batch uncommitted and poll it anew."""


class _Halted(Exception):  # noqa: N818 - a signal, not an error
    """The breaker is open."""


@dataclass(frozen=True, slots=True)
class Delivery(Generic[E]):
    """One validated event, and the trace context to send on with what comes of it."""

    event: E
    traceparent: str | None = None


@dataclass(slots=True)
class _Item(Generic[E]):
    """A delivery beside the record that it came from, which a dead letter needs."""

    record: ConsumerRecord[bytes, bytes]
    delivery: Delivery[E]


class BatchConsumer(Generic[E]):
    """Handles the records of one topic for one service.

    Args:
        service: names the consumer group and the dead-letter topic.
        topic: what to read.
        effect: gets a batch of events in order of their partitions; the same id may occur more than once. It must be
            idempotent. It raises `TransientFault` to be tried again; anything else it raises is bisected down to the
            culprit, which is dead-lettered.
        publisher: where dead letters go.
        settings: batch size, limits and pauses.
    """

    def __init__(
        self,
        *,
        service: str,
        topic: Topic,
        effect: Callable[[Sequence[Delivery[E]]], Awaitable[None]],
        publisher: Publisher,
        settings: ServiceSettings,
    ) -> None:
        if topic.event is None:
            raise ValueError(f"{topic.name} holds dead letters; no service consumes it")
        self.service = service
        self.topic = topic
        self.halted = False
        self.away_since: float | None = None
        """Monotonic time since which a transient fault has kept the batch waiting."""
        self.stopping = asyncio.Event()
        self._effect = effect
        self._publisher = publisher
        self._settings = settings
        self._model = topic.event
        self._breaker = DeadLetterBreaker(settings.dead_letter_share, settings.dead_letter_window)
        self._labels = {"service": service, "topic": topic.name}

    async def handle(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Bring every record to its effect or to the dead letters.

        Raises:
            _GiveBack: a transient fault outlasted `give_back_after`, or the service is stopping.
            _Halted: too many records are bad; none of this batch's was dead-lettered.
        """
        started = time.monotonic()
        items, bad = self._validate(records)
        with telemetry.process_spans(self.topic.name, [item.delivery.traceparent for item in items]) as traceparents:
            for item, traceparent in zip(items, traceparents, strict=True):
                item.delivery = Delivery(item.delivery.event, traceparent)
            bad += await self._apply(items)
        good = len(records) - len(bad)
        if self._breaker.would_open(good, len(bad)):
            self._halt(len(bad), len(records))
        if bad:
            letters = [dead_letter(self.service, self.topic, record, reason) for record, reason in bad]
            await self._persist(lambda: self._publisher.send(letters))
        self._breaker.note(good, len(bad))
        self._count(good, [reason for _, reason in bad], time.monotonic() - started)

    def _validate(
        self, records: Sequence[ConsumerRecord[bytes, bytes]]
    ) -> tuple[list[_Item[E]], list[tuple[ConsumerRecord[bytes, bytes], str]]]:
        items: list[_Item[E]] = []
        bad: list[tuple[ConsumerRecord[bytes, bytes], str]] = []
        for record in records:
            try:
                event = decode(self._model, record.value, record.headers)
                if record.key != event.key().encode():
                    raise InvalidRecord("key_mismatch")
            except InvalidRecord as refused:
                bad.append((record, refused.reason))
            else:
                traceparent = telemetry.valid_traceparent(header(record.headers, "traceparent"))
                items.append(_Item(record, Delivery(event, traceparent)))  # type: ignore[arg-type]
        return items, bad

    async def _apply(self, items: list[_Item[E]]) -> list[tuple[ConsumerRecord[bytes, bytes], str]]:
        """Run the effect; return the records that it can never be run on."""
        if not items:
            return []
        reason = await self._refusal(items)
        if reason is None:
            return []
        if len(items) > 1:
            middle = len(items) // 2
            return await self._apply(items[:middle]) + await self._apply(items[middle:])
        log.warning("record %s refused: %s", _place(items[0].record), reason)
        return [(items[0].record, reason)]

    async def _refusal(self, items: list[_Item[E]]) -> str | None:
        """Why the effect cannot be run on these, or None once it was."""
        try:
            await self._persist(lambda: self._effect([item.delivery for item in items]))
        except (_GiveBack, asyncio.CancelledError):
            raise
        except InvalidRecord as refused:
            return refused.reason
        except Exception as error:  # noqa: BLE001 - see below
            # Whatever it is, one record is to blame until the culprit stands alone. The error's text may quote it.
            return f"effect_failed:{type(error).__name__}"
        return None

    async def _persist(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until no transient fault stands in the way, with growing pauses."""
        pause = self._settings.backoff_initial
        begun = time.monotonic()
        while True:
            try:
                await attempt()
            except TransientFault as fault:
                self.away_since = self.away_since or begun
                log.warning("waiting: %s", fault)
                telemetry.count(Metric.RETRIES, 1, self._labels)
            else:
                self.away_since = None
                return
            if time.monotonic() - begun > self._settings.give_back_after:
                raise _GiveBack
            try:
                # Jitter, so that members which lost the same database do not come back in step.
                await asyncio.wait_for(self.stopping.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311
            except TimeoutError:
                pause = min(pause * 2, self._settings.backoff_max)
            else:
                raise _GiveBack

    def _halt(self, bad: int, of: int) -> None:
        self.halted = True
        telemetry.measure(Metric.HALTED, 1, self._labels)
        log.error(
            "%s stopped reading %s: %d of the newest %d records are bad; "
            "mend the cause and restart, nothing was dead-lettered",
            self.service,
            self.topic.name,
            bad,
            of,
        )
        raise _Halted

    def _count(self, good: int, reasons: list[str], seconds: float) -> None:
        telemetry.count(Metric.RECORDS, good, {**self._labels, "outcome": "done"})
        telemetry.record(Metric.BATCH, good + len(reasons), self._labels)
        telemetry.record(Metric.BATCH_SECONDS, seconds, self._labels)
        for reason in reasons:
            telemetry.count(Metric.RECORDS, 1, {**self._labels, "outcome": "dead_lettered"})
            telemetry.count(Metric.DEAD_LETTERS, 1, {**self._labels, "reason": reason})


class _Loop:
    """One consumer group member: hands each topic's records to its `BatchConsumer`, then commits."""

    def __init__(self, consumers: Sequence[BatchConsumer[Any]], settings: ServiceSettings) -> None:
        self._by_topic = {settings.kafka_prefix + consumer.topic.name: consumer for consumer in consumers}
        self._settings = settings
        self._guards: dict[TopicPartition, GapGuard] = {}
        self.subscriber: BatchSubscriber | None = None
        self.polls: Polls | None = None

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
                await self._give_back(kafka, by_partition, error)
                return
        for topic, consumer in self._by_topic.items():
            mine = {partition: records for partition, records in by_partition.items() if partition.topic == topic}
            if mine:
                await self._handle(kafka, consumer, mine)

    async def _handle(self, kafka: AIOKafkaConsumer, consumer: BatchConsumer[Any], batch: Batch) -> None:
        try:
            if consumer.halted:
                raise _Halted
            await consumer.handle([record for records in batch.values() for record in records])
            await self._commit(kafka, batch)
        except asyncio.CancelledError:
            raise
        except _Halted:
            self._rewind(kafka, batch)
            mine = {partition.topic for partition in batch}
            kafka.pause(*(partition for partition in kafka.assignment() if partition.topic in mine))
        except _GiveBack:
            self._rewind(kafka, batch)
        except Exception as error:  # noqa: BLE001 - raised on, FastStream would swallow it, and the batch be lost
            await self._give_back(kafka, batch, error)

    async def _give_back(self, kafka: AIOKafkaConsumer, batch: Batch, error: Exception) -> None:
        topics = ", ".join(sorted({partition.topic for partition in batch}))
        log.error("batch of %s given back: unexpected %s", topics, type(error).__name__)
        self._rewind(kafka, batch)
        await asyncio.sleep(self._settings.backoff_initial)

    def _rewind(self, kafka: AIOKafkaConsumer, batch: Batch) -> None:
        for partition, records in batch.items():
            try:
                kafka.seek(partition, records[0].offset)
            except IllegalStateError:
                log.info("%s went to another member, which will read it again", partition)

    async def _commit(self, kafka: AIOKafkaConsumer, batch: Batch) -> None:
        offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
        for partition, records in batch.items():
            if guard := self._guards.get(partition):
                guard.done(records[-1].offset)
        try:
            await asyncio.wait_for(kafka.commit(offsets), self._settings.commit_timeout)
        except (KafkaError, TimeoutError) as error:
            # The effects stand; at worst another member repeats them, and they are idempotent.
            log.warning("offsets not committed (%s): the batch may come again", type(error).__name__)

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


def _place(record: ConsumerRecord[bytes, bytes]) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


async def _parse(message: tuple[ConsumerRecord[bytes, bytes], ...], _original: object) -> KafkaMessage:
    """Wrap the raw records; never raises, so that no byte can make FastStream lose a batch."""
    return KafkaAckableMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER)


async def _decode(message: KafkaMessage, _original: object) -> object:
    """Hand the records on as they are: each is validated alone, in the consumer."""
    return message.raw_message


@asynccontextmanager
async def consuming(consumers: Sequence[BatchConsumer[Any]], settings: ServiceSettings) -> AsyncIterator[_Loop]:
    """Join the service's consumer group and run its loop; on the way out, finish or give back the batch and leave.

    Raises:
        TransientFault: no broker answers, or it shows this account no such topic or group.
        HeedError: the brokers refuse the login.
    """
    service = consumers[0].service
    loop = _Loop(consumers, settings)
    broker = KafkaBroker(
        settings.kafka_bootstrap,
        security=broker_security(settings),
        client_id=f"heed-{service}",
        consumer_only=True,
        apply_types=False,
        allow_auto_create_topics=False,
        graceful_timeout=15.0,
        logger=log,
        log_level=logging.DEBUG,
    )
    names = [settings.kafka_prefix + consumer.topic.name for consumer in consumers]
    every_partition = [
        Partition(name, number)
        for name, consumer in zip(names, consumers, strict=True)
        for number in range(consumer.topic.partitions)
    ]
    subscriber = broker.subscriber(
        # The embedded broker has one member only, and takes five seconds to find that out: skip the group's dance.
        *([] if settings.kafka_embedded else names),
        partitions=every_partition if settings.kafka_embedded else (),
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
    loop.subscriber = subscriber
    subscriber(loop.on_batch)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)
        try:
            await broker.start()
        except KafkaError as error:
            raise await unreached(settings, error) from error
        loop.polls = Polls(subscriber.consumer, names, settings)
        try:
            yield loop
        finally:
            for consumer in consumers:
                consumer.stopping.set()
