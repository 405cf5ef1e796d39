"""Topic to topic: from `feedback-submitted` to `feedback-analysed`, the analysis service as it runs, embedded broker.

The clock runs from when the first record is sent until the broker has acknowledged the last reading.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from deploy.create_topics import create_topics
from deploy.servers import running_broker
from services.analysis.app import running
from services.analysis.settings import AnalysisSettings
from shared.publisher import Publisher, Record, record, running_publisher
from shared.service import at_work
from shared.settings import ServiceSettings, load
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.bench.load import latency_at, observing, until_changed
from tests.bench.machine import CpuTimes
from tests.bench.measurement import Measurement, Report
from tests.bench.plan import WARM_UP
from tests.bench.rounds import Rounds
from tests.bench.texts import corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.load import Latency
    from tests.bench.plan import Plan
    from tests.bench.texts import Corpus

INTEGRATION = "bench"
ROUND_LIMIT = 300.0
"""Seconds."""


class Counting:
    """A publisher that counts the readings which the broker has acknowledged."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.readings = 0
        self.changed = asyncio.Condition()

    async def send(self, records: Sequence[Record]) -> None:
        """See `Publisher.send`."""
        await self._publisher.send(records)
        async with self.changed:
            self.readings += sum(item.topic == FEEDBACK_ANALYSED.name for item in records)
            self.changed.notify_all()


def measure(plan: Plan) -> Report:
    """On the event loop that the service runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(plan))


async def _measure(plan: Plan) -> Report:
    found = corpus(plan.texts)
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        async with running_broker(Path(folder)) as broker:
            await create_topics(ServiceSettings(kafka_bootstrap=broker.bootstrap), [])
            settings = load(
                AnalysisSettings,
                kafka_bootstrap=broker.bootstrap,
                kafka_prefix="",
                kafka_embedded=True,
                allow_list_file=found.catalogue,
            )
            async with running_publisher(settings, "heed-bench") as publisher:
                counting = Counting(publisher)
                async with at_work(running, settings, counting):
                    return Report((await _rounds(plan, found, counting, broker.bootstrap),))


async def _rounds(plan: Plan, found: Corpus, publisher: Counting, bootstrap: str) -> Measurement:
    await _round(publisher, _records(found, "warm-up")[:WARM_UP])
    rounds = Rounds(len(found.comments))
    for number in range(plan.rounds):
        records = _records(found, str(number))
        before, started = CpuTimes.now(), time.perf_counter()
        await _round(publisher, records)
        rounds.add(time.perf_counter() - started, before)
    latency = await _latency(plan, found, publisher, bootstrap, rounds.half_load)
    return rounds.measurement("topic_to_topic", latency)


def _records(found: Corpus, name: str) -> list[Record]:
    return [
        record(FEEDBACK_SUBMITTED, comment.event(INTEGRATION, f"{name}-{number}"), "bench")
        for number, comment in enumerate(found.comments)
    ]


async def _round(publisher: Counting, records: Sequence[Record]) -> None:
    wanted = publisher.readings + len(records)
    await publisher.send(records)
    await until_changed(publisher.changed, lambda: publisher.readings >= wanted, ROUND_LIMIT)


async def _latency(plan: Plan, found: Corpus, publisher: Counting, bootstrap: str, rate: float) -> Latency:
    count = int(rate * plan.latency_seconds * 1.5) + 100
    comments = found.comments
    records = [
        record(FEEDBACK_SUBMITTED, comments[number % len(comments)].event(INTEGRATION, f"steady-{number}"), "bench")
        for number in range(count)
    ]
    async with observing(bootstrap, FEEDBACK_ANALYSED.name, FEEDBACK_ANALYSED.partitions) as observer:
        await until_changed(observer.changed, lambda: len(observer.seen) >= publisher.readings, ROUND_LIMIT)
        return await latency_at(
            rate,
            plan.latency_seconds,
            send=lambda numbers: publisher.send([records[number] for number in numbers]),
            key=lambda number: records[number].key or b"",
            observer=observer,
        )
