"""Pages and digests from ten thousand to a million readings: each size in a process of its own, for its memory.

One round writes, checks and sends every page anew, and then every digest: 3 teams, 24 months, the same themes,
whatever the number of readings.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from sqlalchemy import text

from deploy.provision import provision
from deploy.servers import running_database
from services.learning import digest_store, pages
from services.learning.catalogue import parse
from services.learning.digest_store import DigestStore
from services.learning.digesting import Digesting
from services.learning.pages import PageStore
from services.learning.periods import MONTHLY
from services.learning.publishing import Publishing
from services.learning.store import ReadingStore
from shared.database import engine, migrate
from tests.bench.machine import CpuTimes, peak_mb
from tests.bench.measurement import Measurement, Report
from tests.bench.readings import CATALOGUE, MONTHS, TEAMS, fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.publisher import Record
    from tests.bench.plan import Plan

NAMES = {10_000: "10k", 100_000: "100k", 1_000_000: "1m"}
PAGES = TEAMS * MONTHS
SIZE_LIMIT = 900.0
"""Seconds for one size, filling included."""


class Counting:
    """A publisher that only counts: what Kafka costs is measured elsewhere."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, records: Sequence[Record]) -> None:
        """See `Publisher.send`."""
        self.sent += len(records)


def measure(plan: Plan) -> Report:
    """Each size in its own process."""
    reports = [_apart(size, plan.rounds) for size in plan.readings]
    rows = tuple(row for report in reports for row in report.measurements)
    return Report(rows, notes=tuple(note for report in reports for note in report.notes))


def _apart(size: int, rounds: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        output = Path(folder) / "report.json"
        command = [sys.executable, "-m", "tests.bench.summaries", str(size), str(rounds), str(output)]
        subprocess.run(command, check=True, timeout=SIZE_LIMIT)
        return Report.load(output)


async def _measured(size: int, rounds: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="heed-bench-") as folder:
        async with running_database(Path(folder), durable=False) as server:
            url = (await provision(server.url, ["learning"]))["learning"]
            database = engine(url, "learning")
            try:
                await migrate(database, "learning", "services.learning:migrations")
                await fill(url, size)
                scans = [name for name in QUERIES if await _scans_readings(database, name)]
                assert not scans, f"{', '.join(scans)} look at every reading"
                return Report(await _rounds(database, size, rounds))
            finally:
                await database.dispose()


async def _rounds(database: AsyncEngine, size: int, rounds: int) -> tuple[Measurement, Measurement]:
    catalogue, publisher = parse(CATALOGUE, "teams.yaml"), Counting()
    readings, store = ReadingStore(database), PageStore(database)
    publishing = Publishing(store, publisher, catalogue, quiet=0, max_delay=0)
    digesting = Digesting(
        DigestStore(database), publisher, catalogue, calendar=MONTHLY, clock=lambda: datetime.now(UTC)
    )

    async def pages_written() -> int:
        await publishing.settle()
        return PAGES

    async def digests_written() -> int:
        before = publisher.sent
        await digesting.everything()
        return publisher.sent - before

    pages_of, digests_of = Work(pages_written), Work(digests_written)
    for number in range(rounds + 1):
        async with database.begin() as connection:
            await connection.execute(text("TRUNCATE page, digest"))
        await readings.mark_all_due()
        await pages_of.once(counts=number > 0)
        await digests_of.once(counts=number > 0)
    assert not await store.summaries(held=True), "a page was held"
    return pages_of.measured(f"summaries_{NAMES[size]}"), digests_of.measured(f"digests_{NAMES[size]}")


@dataclass(slots=True)
class Work:
    """Something that is done again and again; `do` tells how many things it made."""

    do: Callable[[], Awaitable[int]]
    _rates: list[float] = field(default_factory=list)
    _done: int = 0
    _own: float = 0.0
    _servers: float = 0.0

    async def once(self, *, counts: bool) -> None:
        """Do it; the first time, which warms up, does not count."""
        before, started = CpuTimes.now(), time.perf_counter()
        made = await self.do()
        taken, spent = time.perf_counter() - started, CpuTimes.now().since(before)
        if counts:
            self._rates.append(made / taken)
            self._done += made
            self._own += spent.own
            self._servers += sum(spent.servers.values())

    def measured(self, name: str) -> Measurement:
        """Rates of each round, CPU time of one thing, and the process's memory so far."""
        return Measurement(
            name,
            tuple(self._rates),
            cpu_ms=self._own * 1000 / self._done,
            servers_cpu_ms=self._servers * 1000 / self._done,
            peak_mb=peak_mb(),
        )


ONE: dict[str, str | list[str]] = {
    "teams": ["team-1"],
    "periods": ["2025-12-01"],
    "firsts": ["2023-01-01"],
    "lasts": ["2025-12-01"],
}
QUERIES: dict[str, tuple[TextClause, Mapping[str, str | list[str]]]] = {
    "claim": (pages._CLAIM, {"quiet": "0", "max_delay": "0", "limit": "8"}),
    "counters": (pages._COUNTERS, ONE),
    "quotable": (pages._QUOTABLE, {**ONE, "candidates": "60"}),
    "newest page": (pages._NEWEST, ONE),
    "include": (pages._INCLUDE, {**ONE, "size": "1000", "now": "2026-01-01"}),
    "digest counters": (digest_store._COUNTERS, {"periods": ["2025-12-01"], "teams": ["team-1"]}),
}
"""Every query between "a page is due" and "it is sent" that could look at more than its own rows, with its values."""


async def plan_of(connection: AsyncConnection, name: str) -> str:
    """How PostgreSQL would answer one of `QUERIES`."""
    statement, given = QUERIES[name]
    query = statement.text
    for parameter, value in sorted(given.items(), key=lambda pair: -len(pair[0])):
        literal = f"'{{{','.join(value)}}}'" if isinstance(value, list) else f"'{value}'"
        query = query.replace(f":{parameter}", literal)
    return "\n".join(row[0] for row in await connection.execute(text(f"EXPLAIN {query}")))


async def _scans_readings(database: AsyncEngine, name: str) -> bool:
    async with database.connect() as connection:
        return "Seq Scan on reading" in await plan_of(connection, name)


def main() -> None:
    """Arguments: readings, rounds, where to write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readings", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_measured(given.readings, given.rounds)).save(given.output)


if __name__ == "__main__":
    main()
