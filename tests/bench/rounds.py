"""Rounds of a part: how long each took, and what CPU they spent together."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.machine import CpuTimes, peak_mb
from tests.bench.measurement import Measurement

if TYPE_CHECKING:
    from tests.bench.load import Latency


@dataclass(slots=True)
class Rounds:
    """Adds up rounds of the same number of items.

    Attributes:
        items: in each round.
        rates: items per second of each round, in order.
        own: CPU seconds of this process.
        servers: CPU seconds of the broker, the database and the bucket.
    """

    items: int
    rates: list[float] = field(default_factory=list)
    own: float = 0.0
    servers: float = 0.0

    def add(self, seconds: float, before: CpuTimes) -> None:
        """Count a round that just ended.

        Args:
            seconds: wall-clock time that it took.
            before: the CPU clocks at its start.
        """
        self.rates.append(self.items / seconds)
        spent = CpuTimes.now().since(before)
        self.own += spent.own
        self.servers += sum(spent.servers.values())

    @property
    def half_load(self) -> float:
        """Half the median rate, items per second."""
        return median(self.rates) / 2

    def measurement(self, name: str, latency: Latency) -> Measurement:
        """The row of the table."""
        done = self.items * len(self.rates)
        return Measurement(
            name,
            tuple(self.rates),
            offered=latency.offered,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
            cpu_ms=self.own * 1000 / done,
            servers_cpu_ms=self.servers * 1000 / done,
            peak_mb=peak_mb(),
        )
