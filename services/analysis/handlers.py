"""From `feedback-submitted` to `feedback-analysed` and, where due, `feedback-urgent`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime

from services.analysis.events import analysed, submission, urgent
from services.analysis.reader import Reader, Reading, Result, UnreadableText
from services.analysis.roles import RoleOf, nobody
from shared import telemetry
from shared.consumer import Delivery
from shared.errors import InvalidRecord
from shared.events import FeedbackSubmitted
from shared.publisher import Publisher, Record, record
from shared.telemetry import Metric
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_URGENT

SERVICE = "analysis"

_Read = tuple[Delivery[FeedbackSubmitted], Reading | UnreadableText]


def utc_now() -> datetime:
    """The clock, unless a test brings its own."""
    return datetime.now(UTC)


class SubmittedHandler:
    """Reads a batch in the worker thread and publishes what is read, while the rest is being read.

    Idempotent: the same events give the same readings and the same event ids. One batch is in hand at a time, so what
    waits is bounded by the batch size; everything else waits in Kafka.

    Args:
        reader: what reads.
        worker: the one thread that it reads in, off the event loop.
        publisher: where readings go.
        now: the clock.
        role_of: who is to be told of what is urgent.
    """

    def __init__(
        self,
        reader: Reader,
        worker: Executor,
        publisher: Publisher,
        now: Callable[[], datetime] = utc_now,
        role_of: RoleOf = nobody,
    ) -> None:
        self._reader = reader
        self._worker = worker
        self._publisher = publisher
        self._now = now
        self._role_of = role_of

    async def on_feedback_submitted(self, deliveries: Sequence[Delivery[FeedbackSubmitted]]) -> None:
        """Read and publish.

        Raises:
            InvalidRecord: a text of the batch cannot be read; others were published and will be again.
                The consumer finds the culprit.
            TransientFault: Kafka did not take it.
        """
        groups = self._groups([delivery.event for delivery in deliveries])
        loop = asyncio.get_running_loop()
        coming = loop.run_in_executor(self._worker, next, groups, None)
        while (results := await coming) is not None:
            coming = loop.run_in_executor(self._worker, next, groups, None)
            await self._publish([(deliveries[place], result) for place, result in results])

    async def _publish(self, results: Sequence[_Read]) -> None:
        readings = [(delivery, result) for delivery, result in results if isinstance(result, Reading)]
        if len(readings) < len(results):
            raise InvalidRecord("unreadable_text")
        records: list[Record] = []
        for delivery, reading in readings:
            records.extend(self._records(delivery, reading))
        await self._publisher.send(records)
        _count([reading for _, reading in readings])
        now = self._now()
        for delivery, _ in readings:
            telemetry.record(Metric.ANALYSED_DELAY, max(0.0, (now - delivery.event.received_at).total_seconds()))

    def _groups(self, events: Sequence[FeedbackSubmitted]) -> Iterator[list[Result]]:
        """Results as they come; in the order of the events where two are of one feedback, as the later must stay."""
        batch = [submission(event) for event in events]
        if len({one.id for one in batch}) < len(batch):
            yield list(enumerate(self._reader.read(batch)))
        else:
            yield from self._reader.groups(batch)

    def _records(self, delivery: Delivery[FeedbackSubmitted], reading: Reading) -> list[Record]:
        """The urgent one first: should the second be refused, a person has been told."""
        event, now = delivery.event, self._now()
        records = [record(FEEDBACK_ANALYSED, analysed(event, reading, now), SERVICE, delivery.traceparent)]
        role = self._role_of(event.about, event.source.channel) if reading.urgent else None
        flagged = urgent(event, reading, now, role)
        if flagged is not None:
            records.insert(0, record(FEEDBACK_URGENT, flagged, SERVICE, delivery.traceparent))
        return records


def _count(readings: Sequence[Reading]) -> None:
    """Tell the meters: how much, in which language, how often urgent and redacted; never what."""
    languages = Counter(_language_label(reading.language) for reading in readings)
    reasons = Counter(reason for reading in readings for reason in reading.urgent)
    kinds = Counter(span.kind.value for reading in readings for span in reading.redactions)
    for metric, label, numbers in (
        (Metric.TEXTS_READ, "language", languages),
        (Metric.URGENT, "reason", reasons),
        (Metric.REDACTIONS, "kind", kinds),
    ):
        for value, number in numbers.items():
            telemetry.count(metric, number, {label: value})


def _language_label(language: str | None) -> str:
    """Few values, whatever an integration sends."""
    if language is None:
        return "unknown"
    return "en" if language.split("-")[0] == "en" else "not-en"
