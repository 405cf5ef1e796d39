"""`heed demo`: the whole pipeline on the bundled sample, or on a file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.commands.serving import Unwinding, serve_until_stopped, starting
from deploy.feed import numbered
from deploy.formats import FORMATS
from deploy.pipeline import Followed, Outcome, run
from deploy.sample import CATALOGUE, newest_day, sample
from deploy.servers import ServerEnded
from shared.errors import HeedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from deploy.formats import Rows
    from services.learning.pages import Page

FORMAT_OF = {".csv": "fft", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@click.command()
@click.option(
    "--input", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Instead of the sample."
)
@click.option("--format", "format_", type=click.Choice(sorted(FORMATS)), help="What the file is; told by its ending.")
@click.option("--quotes-consented", is_flag=True, help="Those who wrote have agreed to be quoted without their name.")
@click.option(
    "--catalogue", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Teams; the sample's by default."
)
@click.option("--once", is_flag=True, help="Stop when all is read and every due summary is out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout instead of a page.")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Keep everything here; else it is thrown away."
)
def command(
    *,
    file: Path | None,
    format_: str | None,
    quotes_consented: bool,
    catalogue: Path | None,
    once: bool,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Run the whole pipeline on the bundled sample, or on a file of yours, and show a team's page.

    Exit code 0 only if every accepted piece of feedback was read or is a dead letter.
    """
    rows = _rows(file, format_, quotes_consented=quotes_consented)
    with Unwinding() as unwinding, _directory(data_dir) as directory:
        film_of = newest_day(datetime.now(UTC).date()) if file is None else None
        outcome = unwinding.run(
            _demo(directory, catalogue or CATALOGUE, rows, film_of=film_of, once=once, as_json=as_json)
        )
    if not outcome.adds_up:
        raise HeedError(
            f"{outcome.accepted} accepted, but {outcome.analysed} read and {outcome.dead_lettered} dead-lettered; "
            "run `heed doctor`"
        )


def _rows(file: Path | None, format_: str | None, *, quotes_consented: bool) -> Rows:
    if file is None:
        if format_ is not None:
            raise UsageError("--format tells what --input is; name a file with --input")
        return numbered(sample(datetime.now(UTC).date()))
    told = format_ or FORMAT_OF.get(file.suffix.lower())
    if told is None:
        raise UsageError(f"{file}: its ending does not tell what it is; say --format {' or '.join(sorted(FORMATS))}")
    return FORMATS[told](file, quotes_consented=quotes_consented, note=_note)


def _note(note: str) -> None:
    click.echo(f"heed: {note}", err=True)


@contextmanager
def _directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="heed-demo-") as thrown_away:
        try:
            yield Path(thrown_away)
        except ServerEnded as ended:
            message = f"{ended.what}; run it again, with --data-dir to keep its log and what was taken in"
            raise HeedError(message) from ended


async def _demo(
    directory: Path, catalogue: Path, rows: Rows, *, film_of: date | None, once: bool, as_json: bool
) -> Outcome:
    console = Console(stderr=True)
    async with starting(directory, catalogue, console) as stack:
        with _following(console) as followed:
            outcome = await run(stack, rows, followed, film_of)
        if as_json:
            click.echo(json.dumps(outcome.as_json(), ensure_ascii=False))
        else:
            _show(outcome)
        if not once:
            await serve_until_stopped(stack, console)
    return outcome


class _Bars(Followed):
    """Two bars and a line on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._sent = progress.add_task("Taken in", total=None)
        self._read = progress.add_task("Read", total=None)

    def sent(self, count: int) -> None:
        """See `Followed`."""
        self._progress.update(self._sent, completed=count)

    def read(self, count: int, of: int) -> None:
        """See `Followed`."""
        self._progress.update(self._sent, total=of, completed=of)
        self._progress.update(self._read, completed=count, total=of)

    def pages(self) -> None:
        """See `Followed`."""
        self._progress.add_task("Writing the pages", total=None)


@contextmanager
def _following(console: Console) -> Iterator[Followed]:
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield _Bars(progress)


def _show(outcome: Outcome) -> None:
    """One page and the account of the run, for a person."""
    console = Console(width=min(Console().width, 88))
    page = _worth_reading(outcome.pages)
    if page is not None:
        console.print(Panel(page.summary.text.strip(), title="One team's page", padding=(1, 2)))
    refused = sum(outcome.report.reasons.values())
    told = [
        f"{outcome.accepted:,} pieces of feedback taken in, {outcome.analysed:,} read, "
        f"{outcome.dead_lettered} dead-lettered, in {outcome.seconds:.1f} s.",
        f"{outcome.urgent} urgent ones went to a person, not into a summary's words.",
        f"{sum(not each.held for each in outcome.pages)} pages for {len(outcome.teams)} teams are out; "
        f"{sum(bool(each.held) for each in outcome.pages)} are held back.",
    ]
    if refused:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in outcome.report.reasons.most_common())
        told.append(f"{refused:,} rows were left out: {reasons}.")
    for group in outcome.unrouted:
        where = " / ".join(part for part in (group.organisation, group.service) if part)
        told.append(f"{group.readings} about {where} reach no team: add a rule to the catalogue.")
    console.print("\n".join(told), highlight=False, soft_wrap=True)


def _worth_reading(pages: list[Page]) -> Page | None:
    """Of the pages whose charts say most, then of those that say most themselves, the newest."""

    def said(page: Page) -> tuple[int, int, int, date]:
        summary = page.summary
        themes = (*summary.valued, *summary.better)
        told = sum(theme.amount.size == "share" for theme in themes)
        charts = sum(1 + (chart.rule is not None) for chart in summary.pattern.charts)
        return charts, told, len(summary.quotes), summary.period

    return max((page for page in pages if not page.held), key=said, default=None)
