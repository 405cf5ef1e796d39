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
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage, KafkaMessage

from shared import telemetry
from shared.breaker import DeadLetterBreaker
from shared.cloudevents import decode, header
from shared.dead_letters import dead_letter
from shared.errors import InvalidRecord, TransientFault
from shared.events import Event
from shared.gaps import GapGuard
from shared.telemetry import Metric
from shared.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiokafka import AIOKafkaConsumer, ConsumerRecord
    from faststream.kafka.subscriber.usecase import BatchSubscriber

    from shared.publisher import Publisher
    from shared.settings import ServiceSettings
    from shared.topics import Topic

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
            letters = [dead_letter(DEAD_LETTERS[self.service], self.service, record, reason) for record, reason in bad]
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
                traceparent = header(record.headers, "traceparent")
                items.append(_Item(record, Delivery(event, traceparent)))  # type: ignore[arg-type]
        return items, bad

    async def _apply(self, items: list[_Item[E]]) -> list[tuple[ConsumerRecord[bytes, bytes], str]]:
        """Run the effect; return the records that it can never be run on."""
        if not items:
            return []
        try:
            await self._persist(lambda: self._effect([item.delivery for item in items]))
        except (_GiveBack, asyncio.CancelledError):
            raise
        except Exception as error:
            if len(items) > 1:
                middle = len(items) // 2
                return await self._apply(items[:middle]) + await self._apply(items[middle:])
            reason = error.reason if isinstance(error, InvalidRecord) else f"effect_failed:{type(error).__name__}"
            log.warning("record refused: %s", reason, exc_info=error)
            return [(items[0].record, reason)]
        return []

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
        self._by_topic = {consumer.topic.name: consumer for consumer in consumers}
        self._settings = settings
        self._guards: dict[TopicPartition, GapGuard] = {}
        self.subscriber: BatchSubscriber | None = None

    async def on_batch(self, message: KafkaMessage) -> None:
        """Never raise: FastStream would swallow it and read on, past records that were not handled."""
        kafka: AIOKafkaConsumer = message.consumer
        assert isinstance(message.raw_message, tuple)
        by_partition: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
        for record in message.raw_message:
            by_partition[TopicPartition(record.topic, record.partition)].append(record)
        if self._settings.kafka_gap_guard:
            by_partition = await self._without_gaps(kafka, by_partition)
        for topic, consumer in self._by_topic.items():
            mine = {partition: records for partition, records in by_partition.items() if partition.topic == topic}
            if mine:
                await self._handle(kafka, consumer, mine)

    async def _handle(
        self,
        kafka: AIOKafkaConsumer,
        consumer: BatchConsumer[Any],
        batch: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]],
    ) -> None:
        try:
            if consumer.halted:
                raise _Halted
            await consumer.handle([record for records in batch.values() for record in records])
        except asyncio.CancelledError:
            raise
        except _Halted:
            self._rewind(kafka, batch)
            kafka.pause(*(partition for partition in kafka.assignment() if partition.topic == consumer.topic.name))
        except _GiveBack:
            self._rewind(kafka, batch)
        except Exception as error:
            log.exception("batch of %s given back: %s", consumer.topic.name, type(error).__name__)
            self._rewind(kafka, batch)
            await asyncio.sleep(self._settings.backoff_initial)
        else:
            await self._commit(kafka, batch)

    def _rewind(self, kafka: AIOKafkaConsumer, batch: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]) -> None:
        for partition, records in batch.items():
            try:
                kafka.seek(partition, records[0].offset)
            except IllegalStateError:
                log.info("%s went to another member, which will read it again", partition)

    async def _commit(
        self, kafka: AIOKafkaConsumer, batch: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
    ) -> None:
        offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
        for partition, records in batch.items():
            if guard := self._guards.get(partition):
                guard.done(records[-1].offset)
        try:
            await asyncio.wait_for(kafka.commit(offsets), self._settings.commit_timeout)
        except (KafkaError, TimeoutError) as error:
            # The effects stand; at worst another member repeats them, and they are idempotent.
            log.warning("offsets not committed (%s): the batch may come again", type(error).__name__)

    async def _without_gaps(
        self, kafka: AIOKafkaConsumer, batch: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        whole: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
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
        """Whether the task that polls is still there."""
        if self.subscriber is None or not self.subscriber.running:
            return False
        return any(not task.done() for task in self.subscriber.tasks)


async def _parse(message: tuple[ConsumerRecord[bytes, bytes], ...], _original: object) -> KafkaMessage:
    """Wrap the raw records; never raises, so that no byte can make FastStream lose a batch."""
    return KafkaAckableMessage(raw_message=message, body=b"", consumer=None)


async def _decode(_message: KafkaMessage, _original: object) -> None:
    """Nothing to decode: each record is validated alone, in the consumer."""


@asynccontextmanager
async def consuming(consumers: Sequence[BatchConsumer[Any]], settings: ServiceSettings) -> AsyncIterator[_Loop]:
    """Join the service's consumer group and run its loop; on the way out, finish or give back the batch and leave.

    Raises:
        TransientFault: no broker answers.
    """
    service = consumers[0].service
    loop = _Loop(consumers, settings)
    broker = KafkaBroker(
        settings.kafka_bootstrap,
        client_id=f"heed-{service}",
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=15.0,
        log_level=logging.DEBUG,
    )
    subscriber = broker.subscriber(
        *(consumer.topic.name for consumer in consumers),
        group_id=service,
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

    @subscriber
    async def on_batch(message: KafkaMessage) -> None:
        assert subscriber.consumer is not None
        message.consumer = subscriber.consumer
        await loop.on_batch(message)

    try:
        await broker.start()
    except KafkaError as error:
        await broker.stop()
        raise TransientFault(
            f"no Kafka broker answers at {settings.kafka_bootstrap} ({type(error).__name__}); "
            "check HEED_KAFKA_BOOTSTRAP and that the broker is up"
        ) from error
    try:
        yield loop
    finally:
        for consumer in consumers:
            consumer.stopping.set()
        await broker.stop()
