"""One run on one house: rounds of submissions and faults, then the proof."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import httpx
from aiokafka import AIOKafkaProducer

from shared.topics import FEEDBACK_SUBMITTED
from tests.chaos.burst import GatewayLane, Lane, TopicLane
from tests.chaos.calm import calm
from tests.chaos.checker import check, final_state
from tests.chaos.ledger import Ledger
from tests.chaos.observed import observe
from tests.chaos.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.house import House
    from tests.chaos.plan import Fault, Plan, Round
    from tests.chaos.verdict import Verdict

GATEWAY_LANES = 3

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
"""Of a request: shorter than the longest pause, so that clients lose answers."""

PRODUCER_STOP_LIMIT = 10.0
"""Seconds."""

SHOWN = 40
"""Findings told one by one."""


@dataclass(frozen=True, slots=True)
class Result:
    """A run and its verdict."""

    stage: str
    faults: dict[str, int]
    rounds: int
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or leaked."""
        return not self.verdict.findings

    def as_json(self) -> dict[str, object]:
        """The line on stdout."""
        return {"stage": self.stage, "rounds": self.rounds, "faults": self.faults, **self.verdict.sums()}


async def run(house: House, plan: Plan, logs: Path | None = None) -> Result:
    """Do what the plan says, let the house recover, and judge; leave every process's log in `logs`, if it is given."""
    ledger = Ledger()
    faults: dict[str, int] = {}
    number = 0
    async with AsyncExitStack() as stack:
        lanes = await _lanes(house, ledger, plan.seed, stack)
        await house.recovered(ledger, plan.patience)
        for number, each in enumerate(plan.rounds, start=1):
            say(f"{house.name}: round {number} of {len(plan.rounds)}: {', '.join(fault.name for fault in each.faults)}")
            await _round(house, lanes, each, plan.patience)
            for fault in each.faults:
                faults[fault.name] = faults.get(fault.name, 0) + 1
            if not await house.recovered(ledger, plan.patience):
                break
    if logs is not None:
        await asyncio.to_thread(_kept, house.access().logs, logs)
    return Result(house.name, faults, number, await _judged(house, ledger))


def _kept(logs: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in logs:
        shutil.copy(log, folder)


async def _lanes(house: House, ledger: Ledger, seed: int, stack: AsyncExitStack) -> list[Lane]:
    url, key, integration = house.gateway
    http = await stack.enter_async_context(
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT, trust_env=False)
    )
    lanes: list[Lane] = [
        GatewayLane(f"lane-{lane}", integration, ledger, Random(f"{seed}-{lane}"), http)  # noqa: S311 - no secret
        for lane in range(GATEWAY_LANES)
    ]
    access = house.access()
    if not access.embedded:
        producer = AIOKafkaProducer(bootstrap_servers=access.bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        stack.push_async_callback(_stopped, producer)
        topic = access.prefix + FEEDBACK_SUBMITTED.name
        lanes.append(TopicLane("topic", ledger, Random(f"{seed}-topic"), producer, topic))  # noqa: S311
    return lanes


async def _stopped(producer: AIOKafkaProducer) -> None:
    """It would wait for minutes for a broker that does not come back."""
    with suppress(TimeoutError):
        await asyncio.wait_for(producer.stop(), PRODUCER_STOP_LIMIT)


async def _round(house: House, lanes: list[Lane], each: Round, patience: float) -> None:
    shares = [each.submissions // len(lanes) + (lane < each.submissions % len(lanes)) for lane in range(len(lanes))]
    async with asyncio.TaskGroup() as group:
        for lane, share in zip(lanes, shares, strict=True):
            group.create_task(lane.burst(share, patience))
        for fault in each.faults:
            group.create_task(_struck(house, fault))


async def _struck(house: House, fault: Fault) -> None:
    await asyncio.sleep(fault.after)
    await house.strike(fault)


async def _judged(house: House, ledger: Ledger) -> Verdict:
    access = house.access()
    observed = await observe(access)
    submitted, withdrawn = final_state(ledger, observed)
    expected = await calm(access, submitted, withdrawn)
    verdict = await asyncio.to_thread(check, ledger, observed, expected, access.logs, forgetful=access.embedded)
    for wrong, what in verdict.findings[:SHOWN]:
        say(f"{wrong}: {what}")
    if len(verdict.findings) > SHOWN:
        say(f"and {len(verdict.findings) - SHOWN} more")
    return verdict
