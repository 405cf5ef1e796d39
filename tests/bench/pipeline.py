"""The whole pipeline as `heed demo` runs it: HTTP, PostgreSQL, broker, model, readings, every page that is due.

The clock runs from the first row until the last page is out, as `heed demo --json` tells it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from deploy.embedded import INTEGRATION, running_stack
from deploy.feed import numbered
from deploy.gateway_client import GatewayClient
from deploy.pipeline import Followed, Outcome, run
from shared.events import feedback_id
from shared.topics import FEEDBACK_ANALYSED
from tests.bench.load import latency_at, observing, until_changed
from tests.bench.machine import CpuTimes
from tests.bench.measurement import Profile, Report
from tests.bench.plan import WARM_UP
from tests.bench.rounds import Rounds
from tests.bench.sampling import Sampler
from tests.bench.texts import corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.embedded import Stack
    from tests.bench.load import Latency
    from tests.bench.plan import Plan
    from tests.bench.texts import Comment

STEP = 0.05
"""Seconds between requests under the steady load: each brings what came up since the last."""

LIMIT = 300.0
"""Seconds."""


def measure(plan: Plan) -> Report:
    """On the event loop that `heed demo` runs on."""
    return uvloop.run(_measure(plan))


async def _measure(plan: Plan) -> Report:
    found = corpus(plan.texts)
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        async with running_stack(Path(folder), found.catalogue) as stack:
            return await _rounds(plan, found.comments, stack)


async def _rounds(plan: Plan, comments: Sequence[Comment], stack: Stack) -> Report:
    await _round(stack, comments[:WARM_UP], "warm-up")
    rounds = Rounds(len(comments))
    for number in range(plan.rounds):
        before = CpuTimes.now()
        outcome = await _round(stack, comments, str(number))
        rounds.add(outcome.seconds, before)
    profile = await _profiled(stack, comments) if plan.profile else None
    latency = await _latency(plan, comments, stack, rounds.half_load)
    whole = rounds.measurement("whole_pipeline", latency)
    return Report((whole,), profile)


async def _round(stack: Stack, comments: Sequence[Comment], name: str) -> Outcome:
    rows = numbered(comment.body(f"{name}-{number}") for number, comment in enumerate(comments))
    outcome = await run(stack, rows, Followed())
    assert outcome.analysed == outcome.accepted == len(comments), "not everything was taken in and read"
    return outcome


async def _profiled(stack: Stack, comments: Sequence[Comment]) -> Profile:
    before = CpuTimes.now()
    with Sampler() as sampler:
        outcome = await _round(stack, comments, "profiled")
    return sampler.profile(CpuTimes.now().since(before), len(comments), outcome.seconds)


async def _latency(plan: Plan, comments: Sequence[Comment], stack: Stack, rate: float) -> Latency:
    read = len(await stack.learning.readings.finished())

    async with (
        observing(stack.stage.broker.bootstrap, FEEDBACK_ANALYSED.name, FEEDBACK_ANALYSED.partitions) as observer,
        GatewayClient.connected(stack.gateway_url, stack.key) as client,
    ):
        await until_changed(observer.changed, lambda: len(observer.seen) >= read, LIMIT)

        async def post(numbers: Sequence[int]) -> None:
            answers = await client.post([comments[n % len(comments)].line(f"steady-{n}") for n in numbers])
            assert len(answers) == len(numbers), "a line was not answered"
            assert all(answer.feedback_id for answer in answers.values()), "a line was refused"

        return await latency_at(
            rate,
            plan.latency_seconds,
            send=post,
            key=lambda number: str(feedback_id(INTEGRATION, f"steady-{number}")).encode(),
            observer=observer,
            step=STEP,
        )
