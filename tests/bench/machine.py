"""What the figures stand on: the machine, and the clocks and memory of processes."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
QUIET = 0.5
"""A load average above this means that others use the machine: figures are then not to be believed."""

NOTED_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts to print beside every figure."""

    cpu: str
    cores: int
    flags: tuple[str, ...]
    load_average: float
    """Of the last minute, at the start."""
    system: str
    python: str

    @property
    def is_quiet(self) -> bool:
        """Whether figures taken now can be believed."""
        return self.load_average <= QUIET


def machine() -> Machine:
    """This one, now."""
    told = _cpu_facts()
    return Machine(
        cpu=told.get("model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        flags=tuple(flag for flag in NOTED_FLAGS if flag in (told.get("flags") or told.get("Features") or "").split()),
        load_average=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start: of the whole machine (None where the system does not tell), and of this run.

    What the host gave to other machines ("steal") counts as used.
    """

    machine: float | None
    own: float
    at: float

    @classmethod
    def now(cls) -> Usage:
        """Read the clocks; a child's time is in them once it has ended."""
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return cls(_busy(), own, time.monotonic())

    def others_since(self, earlier: Usage) -> float | None:
        """The share of all cores that others had meanwhile, 0 to 1."""
        if self.machine is None or earlier.machine is None:
            return None
        others = (self.machine - earlier.machine) - (self.own - earlier.own)
        return max(0.0, others / ((self.at - earlier.at) * (os.cpu_count() or 1)))


def _busy() -> float | None:
    """User, nice, system, interrupts and steal (`man 5 proc_stat`); neither idle nor waiting for a disk."""
    try:
        fields = (PROC / "stat").read_text(encoding="ascii").split(maxsplit=9)[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts_and_steal = map(int, fields)
    return (user + nice + system + sum(interrupts_and_steal)) / os.sysconf("SC_CLK_TCK")


def _cpu_facts() -> dict[str, str]:
    try:
        lines = (PROC / "cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def peak_mb() -> float:
    """Largest resident memory of this process so far, in 10^6 bytes.

    Linux keeps the parent's in `ru_maxrss` across fork and exec: there the kernel's own mark of this program is read.
    """
    try:
        for line in (PROC / "self" / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds since each process began.

    Attributes:
        own: of this process.
        servers: of those that it started, by program; empty where the system has no `/proc`.
    """

    own: float
    servers: dict[str, float]

    @classmethod
    def now(cls) -> CpuTimes:
        """Read the clocks."""
        return cls(time.process_time(), _descendants(os.getpid()))

    def since(self, earlier: CpuTimes) -> CpuTimes:
        """What was spent in between."""
        spent = {name: seconds - earlier.servers.get(name, 0.0) for name, seconds in self.servers.items()}
        return CpuTimes(self.own - earlier.own, spent)


def _descendants(ancestor: int) -> dict[str, float]:
    """CPU seconds of all below a process, with those of their children that have ended (`man 5 proc_pid_stat`)."""
    if not (PROC / "self" / "stat").exists():
        return {}
    parents: dict[int, int] = {}
    seconds: dict[int, tuple[str, float]] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                head, _, tail = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
            except OSError:
                continue
            fields = tail.split()
            parents[int(entry.name)] = int(fields[1])
            seconds[int(entry.name)] = (head.partition("(")[2], sum(map(int, fields[11:15])) / tick)
    totals: dict[str, float] = defaultdict(float)
    for process, (name, spent) in seconds.items():
        above = parents.get(process)
        while above and above != ancestor:
            above = parents.get(above)
        if above == ancestor:
            totals[name] += spent
    return dict(totals)
