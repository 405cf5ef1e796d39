"""How much is measured, and the clock that does it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Plan:
    """What every part is told.

    Attributes:
        rounds: measured rounds; one smaller round to warm up goes before them.
        texts: in one round, at most.
        peer_texts: in one round of the peer, which takes about ten times as long for each.
        latency_seconds: how long half the load is offered.
        profile: whether the whole pipeline runs one more round under the sampler.
        readings: how many are there when pages are written; each is one row.
        pages: that are asked for in one round.
        upload_megabytes: of the recording that is uploaded.
    """

    rounds: int
    texts: int
    peer_texts: int
    latency_seconds: float
    profile: bool
    readings: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    pages: int = 300
    upload_megabytes: int = 500

    def as_json(self) -> str:
        """For `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """What `as_json` wrote."""
        told = json.loads(text)
        return cls(**{**told, "readings": tuple(told["readings"])})


FULL = Plan(rounds=5, texts=4_000, peer_texts=400, latency_seconds=15.0, profile=True)
QUICK = Plan(
    rounds=2,
    texts=200,
    peer_texts=20,
    latency_seconds=2.0,
    profile=True,
    readings=(10_000, 100_000),
    pages=20,
    upload_megabytes=20,
)
"""Shows that everything runs; its figures say nothing."""

WARM_UP = 512
"""Items of the round before the first measured one, at most."""


def timed(work: Callable[[], object], items: int, rounds: int) -> tuple[tuple[float, ...], float]:
    """Items per second of each round, and CPU milliseconds an item over all of them; the first call warms up."""
    work()
    rates = []
    cpu = time.process_time()
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        rates.append(items / (time.perf_counter() - started))
    return tuple(rates), (time.process_time() - cpu) * 1000 / (items * rounds)
