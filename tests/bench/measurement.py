"""What a part measured, and the arithmetic of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of the table.

    Attributes:
        name: of the row, in snake_case.
        rounds: items per second of each round, in order.
        offered: items per second during the latency measurement; None where there was none.
        p50_ms: median milliseconds from when an item was due to be sent until its reading was seen.
        p95_ms: the 95th percentile of the same.
        cpu_ms: CPU milliseconds an item, of the part's process with all its threads.
        servers_cpu_ms: of the broker, the database and the bucket together.
        peak_mb: largest resident memory of the part's process, in 10^6 bytes; servers are not in it.
        ceiling: items per second of the network alone, just before the part and just after; None where not measured.
        left_out: why it was not measured.
    """

    name: str
    rounds: tuple[float, ...] = ()
    offered: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cpu_ms: float | None = None
    servers_cpu_ms: float | None = None
    peak_mb: float | None = None
    ceiling: float | None = None
    left_out: str | None = None

    @property
    def items_per_second(self) -> float | None:
        """Median of the rounds."""
        return median(self.rounds) if self.rounds else None


@dataclass(frozen=True, slots=True)
class Share:
    """Where some of the CPU time went.

    Attributes:
        what: a kind of work, or a function of ours.
        ms: CPU milliseconds an item.
    """

    what: str
    ms: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the whole pipeline's CPU time goes, an item.

    Attributes:
        kinds: by kind of work, largest first; they sum to the CPU time of process and servers.
        threads: by thread of the process.
        functions: our own functions, with what they call outside the house; largest first.
        wall_ms: wall-clock milliseconds an item of the profiled round, to be set against the CPU time of all cores.
    """

    kinds: tuple[Share, ...]
    threads: tuple[Share, ...]
    functions: tuple[Share, ...]
    wall_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """What one child process hands back."""

    measurements: tuple[Measurement, ...]
    profile: Profile | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def save(self, path: Path) -> None:
        """Write it for `load`."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` wrote."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        measurements = tuple(Measurement(**{**row, "rounds": tuple(row["rounds"])}) for row in raw["measurements"])
        return cls(measurements, _profile(raw["profile"]), tuple(raw["notes"]))


def _profile(raw: dict[str, Any] | None) -> Profile | None:
    if raw is None:
        return None
    kinds, threads, functions = (
        tuple(Share(**share) for share in raw[name]) for name in ("kinds", "threads", "functions")
    )
    return Profile(kinds, threads, functions, raw["wall_ms"])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]
