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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from aiokafka import TopicPartition

from shared import telemetry
from shared.breaker import DeadLetterBreaker
from shared.cloudevents import decode, header
from shared.dead_letters import dead_letter, without_value
from shared.errors import InvalidRecord, TransientFault
from shared.events import Event
from shared.telemetry import Metric

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import ConsumerRecord

    from shared.publisher import Publisher, Record
    from shared.settings import ServiceSettings
    from shared.topics import Topic

    Batch = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
T = TypeVar("T")


class GiveBack(Exception):  # noqa: N818 - a signal, not an error
    """Leave this batch uncommitted and poll it anew."""


class Halted(Exception):  # noqa: N818 - a signal, not an error
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
    """Handles the records of one topic, or of all topics of a family, for one service.

    Args:
        service: names the consumer group and the dead-letter topic.
        topic: what to read.
        effect: gets a batch of events in order of their partitions; the same id may occur more than once. It must be
            idempotent. It raises `TransientFault` to be tried again; anything else it raises is bisected down to the
            culprit, which is dead-lettered.
        publisher: where dead letters go.
        settings: batch size, limits and pauses.
        removal: gets the keys whose newest record of the batch has no value, after the effect; it must be idempotent,
            too, and must withstand a key that it has never seen. In a family what fills the topic's name stands before
            the key, as in `waiting:2026-05-01`. None: a record without a value is a dead letter.
    """

    def __init__(
        self,
        *,
        service: str,
        topic: Topic,
        effect: Callable[[Sequence[Delivery[E]]], Awaitable[None]],
        publisher: Publisher,
        settings: ServiceSettings,
        removal: Callable[[Sequence[str]], Awaitable[None]] | None = None,
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
        self._removal = removal
        self._publisher = publisher
        self._settings = settings
        self._model = topic.event
        self._breaker = DeadLetterBreaker(settings.dead_letter_share, settings.dead_letter_window)
        self._labels = {"service": service, "topic": topic.name}

    def reads(self, name: str) -> bool:
        """Whether the topic of this name, its prefix included, is this one or of this family."""
        prefix = self._settings.kafka_prefix
        return name.startswith(prefix) and self.topic.part_of(name.removeprefix(prefix)) is not None

    async def handle(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Bring every record to its effect or to the dead letters.

        Raises:
            GiveBack: a transient fault outlasted `give_back_after`, or the service is stopping.
            Halted: too many records are bad; none of this batch's was dead-lettered.
        """
        started = time.monotonic()
        valued, removed = self._without_removals(records)
        items, bad = self._validate(valued)
        with telemetry.process_spans(self.topic.name, [item.delivery.traceparent for item in items]) as traceparents:
            for item, traceparent in zip(items, traceparents, strict=True):
                item.delivery = Delivery(item.delivery.event, traceparent)
            bad += await self._apply(items)
        bad += await self._remove(removed)
        good = len(records) - len(bad)
        if self._breaker.would_open(good, len(bad)):
            self._halt(len(bad), len(records))
        if bad:
            await self._bury(bad)
        self._breaker.note(good, len(bad))
        self._count(good, [reason for _, reason in bad], time.monotonic() - started)

    async def _bury(self, bad: list[tuple[ConsumerRecord[bytes, bytes], str]]) -> None:
        """Dead-letter; one that its topic finds too large goes without its value, which its source topic still has."""
        letters = [dead_letter(self.service, self._source(record), record, reason) for record, reason in bad]
        try:
            await self._persist(lambda: self._publisher.send(letters))
        except InvalidRecord:
            for letter in letters:
                await self._bury_alone(letter)

    async def _bury_alone(self, letter: Record) -> None:
        try:
            await self._persist(lambda: self._publisher.send([letter]))
        except InvalidRecord:
            await self._persist(lambda: self._publisher.send([without_value(letter)]))

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
                if self.topic.is_family and self._named(record) != self.topic.name.format_map(vars(event)):
                    raise InvalidRecord("topic_mismatch")
            except InvalidRecord as refused:
                bad.append((record, refused.reason))
            else:
                traceparent = telemetry.valid_traceparent(header(record.headers, "traceparent"))
                items.append(_Item(record, Delivery(event, traceparent)))  # type: ignore[arg-type]
        return items, bad

    def _without_removals(
        self, records: Sequence[ConsumerRecord[bytes, bytes]]
    ) -> tuple[Sequence[ConsumerRecord[bytes, bytes]], list[ConsumerRecord[bytes, bytes]]]:
        """The records with a value, and those without one that no later record of their key makes good."""
        if self._removal is None:
            return records, []
        newest = {(record.topic, record.key): record for record in records}
        return [record for record in records if record.value is not None], [
            record for record in newest.values() if record.value is None
        ]

    async def _remove(
        self, records: list[ConsumerRecord[bytes, bytes]]
    ) -> list[tuple[ConsumerRecord[bytes, bytes], str]]:
        """Tell the removal; return the records whose key it cannot take."""
        removal = self._removal
        if removal is None or not records:
            return []
        keys = [self._key(record) for record in records]
        try:
            await self._persist(lambda: removal(keys))
        except (GiveBack, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - as in `_refusal`
            if len(records) > 1:
                middle = len(records) // 2
                return await self._remove(records[:middle]) + await self._remove(records[middle:])
            return [(records[0], f"removal_failed:{type(error).__name__}")]
        return []

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
        except (GiveBack, asyncio.CancelledError):
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
                raise GiveBack
            try:
                # Jitter, so that members which lost the same database do not come back in step.
                await asyncio.wait_for(self.stopping.wait(), pause * random.uniform(0.5, 1.0))  # noqa: S311
            except TimeoutError:
                pause = min(pause * 2, self._settings.backoff_max)
            else:
                raise GiveBack

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
        raise Halted

    def _named(self, record: ConsumerRecord[bytes, bytes]) -> str:
        """The record's topic without the installation's prefix."""
        name: str = record.topic.removeprefix(self._settings.kafka_prefix)
        return name

    def _source(self, record: ConsumerRecord[bytes, bytes]) -> Topic:
        """The topic that a record came from: of a family one."""
        return replace(self.topic, name=self._named(record)) if self.topic.is_family else self.topic

    def _key(self, record: ConsumerRecord[bytes, bytes]) -> str:
        """What a removal is told of a record."""
        key = (record.key or b"").decode(errors="replace")
        return f"{self.topic.part_of(self._named(record))}:{key}" if self.topic.is_family else key

    def _count(self, good: int, reasons: list[str], seconds: float) -> None:
        telemetry.count(Metric.RECORDS, good, {**self._labels, "outcome": "done"})
        telemetry.record(Metric.BATCH, good + len(reasons), self._labels)
        telemetry.record(Metric.BATCH_SECONDS, seconds, self._labels)
        for reason in reasons:
            telemetry.count(Metric.RECORDS, 1, {**self._labels, "outcome": "dead_lettered"})
            telemetry.count(Metric.DEAD_LETTERS, 1, {**self._labels, "reason": reason})


def _place(record: ConsumerRecord[bytes, bytes]) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
