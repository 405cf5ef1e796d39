"""What `heed demo` does once it knows what to feed: a trial stack, the rows' whole way, and an account of it."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.commands.serving import Unwinding, serve_until_stopped, starting
from deploy.pipeline import Followed, Outcome, run
from deploy.servers import ServerEnded
from shared.errors import HeedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from deploy.formats import Rows
    from services.learning.pages import Page


def demonstrate(
    rows: Rows, catalogue: Path, data_dir: Path | None, *, film_of: date | None, once: bool, as_json: bool
) -> None:
    """Feed the rows to a trial stack and tell what became of them.

    Args:
        rows: what is fed.
        catalogue: file of the teams.
        data_dir: where everything is kept; None: it is thrown away.
        film_of: day of the sample's film; None: no film is handed in.
        once: stop when every due summary is out, instead of serving until told to stop.
        as_json: tell it as one JSON object on stdout, not as a page.

    Raises:
        HeedError: an accepted piece of feedback was neither read nor is a dead letter; a server ended.
        click.exceptions.Exit: a signal came.
    """
    with Unwinding() as unwinding, _directory(data_dir) as directory:
        outcome = unwinding.run(_demo(directory, catalogue, rows, film_of=film_of, once=once, as_json=as_json))
    if not outcome.adds_up:
        raise HeedError(
            f"{outcome.accepted} accepted, but {outcome.analysed} read and {outcome.dead_lettered} dead-lettered; "
            "run `heed doctor`"
        )


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
