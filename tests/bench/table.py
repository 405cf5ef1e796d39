"""The figures for people, on stdout, and for scripts, as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tests.bench.machine import Machine
    from tests.bench.measurement import Measurement, Profile

TITLES = {
    "model": "model alone, all texts at once (the ceiling)",
    "model_in_batches": "  the same in the service's batches",
    "tokeniser": "  its tokeniser alone",
    "reader": "Reader.read",
    "topic_to_topic": "topic to topic",
    "whole_pipeline": "whole pipeline, HTTP to summary",
    "summaries_10k": "pages, 10 thousand readings",
    "summaries_100k": "pages, 100 thousand",
    "summaries_1m": "pages, a million",
    "digests_10k": "digests, 10 thousand readings",
    "digests_100k": "digests, 100 thousand",
    "digests_1m": "digests, a million",
    "portal_page": "a team's page in the portal, three charts",
    "upload_gateway": "upload of a large recording, MB: gateway",
    "upload_media": "  its check: media service",
    "peer": "peer: FastStream + transformers, one by one",
}

BARS = (
    ("reader", "model", 0.9),
    ("topic_to_topic", "model", 0.85),
    ("whole_pipeline", "model", 0.5),
    ("topic_to_topic", "peer", 10.0),
)
"""Ratios that must be reached; `../shared/design.md`."""

FLAT = 0.2
"""By how much time and memory for a page may differ between the fewest readings and the most; the same source."""

LATENCY_BAR = ("whole_pipeline", 250.0)
"""p95 from accepted to analysed at half load, in milliseconds; the same source."""

PAGE_BAR = ("portal_page", 100.0)
"""p95 of a page from request to last byte, in milliseconds; issue 7."""


MEMORY_BARS = {"upload_gateway": 300.0, "upload_media": 300.0}
"""Peak memory while half a gigabyte goes past or through, in 10^6 bytes; issue 6."""

HEADINGS = (
    "items/s",
    "lowest to highest",
    "/ model",
    "/ peer",
    "half\nload/s",
    "p50\nms",
    "p95\nms",
    "CPU ms\nan item",
    "servers'\nCPU ms",
    "peak\nMB",
)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run found."""

    machine: Machine
    source: str
    texts: int
    rounds: int
    rows: tuple[Measurement, ...]
    profile: Profile | None
    notes: tuple[str, ...]

    def rate(self, name: str) -> float | None:
        """Items per second of a row; None where it was not measured."""
        return next((row.items_per_second for row in self.rows if row.name == name), None)

    def ratio(self, name: str, to: str) -> float | None:
        """Of two rows' rates; to the model's as it was just before and just after, since machines change meanwhile."""
        ours, theirs = self.rate(name), self.rate(to)
        if to == "model":
            theirs = next((row.ceiling for row in self.rows if row.name == name and row.ceiling), theirs)
        return ours / theirs if ours and theirs else None

    def as_json(self) -> dict[str, Any]:
        """What `build/bench.json` holds."""
        return {
            "machine": asdict(self.machine),
            "texts": {"source": self.source, "count": self.texts},
            "rounds": self.rounds,
            "rows": [self._row(row) for row in self.rows],
            "bars": [asdict(bar) for bar in self.bars()],
            "profile": None if self.profile is None else asdict(self.profile),
            "notes": list(self.notes),
        }

    def _row(self, row: Measurement) -> dict[str, Any]:
        told = asdict(row)
        return {
            "name": told.pop("name"),
            "items_per_second": row.items_per_second,
            "ratio_to_model": self.ratio(row.name, "model"),
            "ratio_to_peer": self.ratio(row.name, "peer"),
            **told,
        }

    def bars(self) -> list[Bar]:
        """Each that could be judged."""
        found = [
            Bar(f"{TITLES[name].strip()} / {to}", reached, wanted, reached >= wanted)
            for name, to, wanted in BARS
            if (reached := self.ratio(name, to)) is not None
        ]
        for told, (name, limit) in (
            ("accepted to analysed at half load, p95 ms", LATENCY_BAR),
            ("a page in the portal, p95 ms", PAGE_BAR),
        ):
            p95 = next((row.p95_ms for row in self.rows if row.name == name), None)
            if p95 is not None:
                found.append(Bar(told, p95, limit, p95 < limit))
        found += [
            Bar(
                f"{TITLES[row.name].strip()}, peak MB",
                row.peak_mb,
                MEMORY_BARS[row.name],
                row.peak_mb < MEMORY_BARS[row.name],
            )
            for row in self.rows
            if row.peak_mb is not None and row.name in MEMORY_BARS
        ]
        return found + self._flat()

    def _flat(self) -> list[Bar]:
        """Pages from the most readings against pages from the fewest."""
        sizes = [row for row in self.rows if row.name.startswith("summaries_") and row.rounds]
        if len(sizes) < 2:
            return []
        fewest, most = sizes[0], sizes[-1]
        assert fewest.items_per_second
        assert most.items_per_second
        assert fewest.peak_mb
        assert most.peak_mb
        ratios = {"time": fewest.items_per_second / most.items_per_second, "memory": most.peak_mb / fewest.peak_mb}
        return [
            Bar(f"{what} of a page, most readings / fewest (at most)", ratio, 1 + FLAT, ratio <= 1 + FLAT)
            for what, ratio in ratios.items()
        ]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar and what was reached."""

    what: str
    reached: float
    wanted: float
    met: bool


def show(result: Result) -> None:
    """Print it all."""
    console = Console(width=150, highlight=False)
    machine = result.machine
    console.print(
        f"{machine.cpu}, {machine.cores} cores, {' '.join(machine.flags) or 'no noted flags'}; {machine.system}; "
        f"Python {machine.python}; load average {machine.load_average}\n"
        + "; ".join(
            (f"{result.texts} texts of {result.source} in a round, medians of {result.rounds} rounds", *result.notes)
        )
    )
    if not machine.is_quiet:
        console.print("WARNING: the machine was busy at the start; do not believe these figures.")
    console.print(_rows(result))
    for row in result.rows:
        if row.left_out:
            console.print(f"left out: {TITLES.get(row.name, row.name)}: {row.left_out}")
    for name, to, wanted in BARS:
        if result.ratio(name, to) is None:
            console.print(f"unknown {TITLES[name].strip()} / {to}: not measured (bar {wanted:g})")
    for bar in result.bars():
        console.print(f"{'met   ' if bar.met else 'MISSED'}  {bar.what}: {bar.reached:.3g} (bar {bar.wanted:g})")
    if result.profile is not None:
        _show_profile(console, result.profile)


def _rows(result: Result) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("part", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.rows:
        title = TITLES.get(row.name, row.name)
        if row.left_out:
            table.add_row(title, "left out")
            continue
        table.add_row(
            title,
            _told(row.items_per_second, ",.0f"),
            f"{min(row.rounds):,.0f} to {max(row.rounds):,.0f}",
            _told(result.ratio(row.name, "model"), ".2f"),
            _told(result.ratio(row.name, "peer"), ".1f"),
            _told(row.offered, ",.0f"),
            _told(row.p50_ms, ".0f"),
            _told(row.p95_ms, ".0f"),
            _told(row.cpu_ms, ".3f"),
            _told(row.servers_cpu_ms, ".3f"),
            _told(row.peak_mb, ",.0f"),
        )
    return table


def _told(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _show_profile(console: Console, profile: Profile) -> None:
    total = sum(share.ms for share in profile.kinds)
    console.print(
        f"\nWhere the whole pipeline's CPU time goes: {total:.3f} ms an item on all cores, in {profile.wall_ms:.3f} ms "
        "of wall-clock time"
    )
    for share in profile.kinds:
        console.print(f"  {share.ms:7.3f} ms  {share.ms / total:5.1%}  {share.what}")
    console.print("By thread of the process:")
    for share in profile.threads:
        console.print(f"  {share.ms:7.3f} ms  {share.what}")
    console.print("By function of ours, with what it calls outside the house:")
    for share in profile.functions:
        console.print(f"  {share.ms:7.3f} ms  {share.what}")
