"""`heed import`: a file of comments into a running stack."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from deploy.commands.progress import count_lines, progress_bar
from deploy.connection import data_dir_option, default_data_dir, find_installation
from deploy.feed import Checkpoint, FeedReport, feed
from deploy.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from deploy.connection import Installation
    from deploy.formats import Refused, Rows


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(sorted(FORMATS)), required=True, help="What the file is.")
@click.option("--quotes-consented", is_flag=True, help="Those who wrote have agreed to be quoted without their name.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write refused rows here as JSON lines {line, reason} instead of to stderr.",
)
@click.option("--from-start", is_flag=True, help="Forget how far an earlier, interrupted import came.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as one JSON object.")
@data_dir_option
def command(
    *,
    file: Path,
    format_: str,
    quotes_consented: bool,
    report: Path | None,
    from_start: bool,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Feed a file of comments into a running stack.

    Interrupted, the same call goes on where it was; repeated, it changes nothing: Heed knows the rows. Every refused
    row is told with its line and reason. Exit code 0 though some were refused; 1 if not one row could be delivered.
    """
    installation = find_installation(data_dir)
    checkpoint = _checkpoint(installation, file)
    if from_start:
        checkpoint.clear()
    rows = FORMATS[format_](file, quotes_consented=quotes_consented, note=_note)
    # A resumed import adds to its report what the interrupted one had not come to.
    opened = report.open("a" if checkpoint.line() else "w", encoding="utf-8") if report else nullcontext(None)
    outcome = _import(installation, file, rows, checkpoint, opened)
    click.echo(json.dumps(_as_json(outcome)) if as_json else _told(outcome))
    if outcome.rows and outcome.rows == len(outcome.refused):
        click.get_current_context().exit(1)


def _import(
    installation: Installation,
    file: Path,
    rows: Rows,
    checkpoint: Checkpoint,
    opened: AbstractContextManager[TextIO | None],
) -> FeedReport:
    url, key = installation.need("gateway_url"), installation.need("gateway_key")
    with opened as report, progress_bar(f"importing {file.name}", count_lines(file)) as advance:
        telling = _Telling(file, report)
        return asyncio.run(
            feed(_followed(rows, advance), url=url, key=key, progress=telling.tell, checkpoint=checkpoint)
        )


@dataclass(slots=True)
class _Telling:
    """Tells each refused row once, as soon as its batch is done, so that a later failure takes none back."""

    file: Path
    report: TextIO | None
    told: int = 0

    def tell(self, so_far: FeedReport) -> None:
        for row in so_far.refused[self.told :]:
            self._tell(row)
        self.told = len(so_far.refused)
        if self.report is not None:
            self.report.flush()

    def _tell(self, row: Refused) -> None:
        if self.report is None:
            click.echo(f"heed: {self.file}:{row.line}: {row.reason}", err=True)
        else:
            self.report.write(json.dumps({"line": row.line, "reason": row.reason}) + "\n")


def _followed(rows: Rows, advance: Callable[[int], None]) -> Rows:
    for row in rows:
        advance(row.line)
        yield row


def _note(note: str) -> None:
    click.echo(f"heed: {note}", err=True)


def _checkpoint(installation: Installation, file: Path) -> Checkpoint:
    """One for this file, gateway and key: the integration is part of what a row's id is made from."""
    url, key = installation.need("gateway_url"), installation.need("gateway_key")
    base = (installation.data_dir or default_data_dir()) / "imports"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(f"{file.resolve()}\n{url}".encode()).hexdigest()[:32]
    return Checkpoint.of(base / f"{name}.json", file, f"{url} {hashlib.sha256(key.encode()).hexdigest()}")


def _told(outcome: FeedReport) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in outcome.reasons.most_common())
    parts = [f"{outcome.accepted} accepted", f"{outcome.duplicates} known already", f"{len(outcome.refused)} refused"]
    if outcome.skipped:
        parts.append(f"{outcome.skipped} delivered by an earlier call")
    return f"{outcome.rows} rows: {', '.join(parts)}" + (f" ({reasons})" if reasons else "")


def _as_json(outcome: FeedReport) -> dict[str, object]:
    return {
        "rows": outcome.rows,
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "refused": len(outcome.refused),
        "skipped": outcome.skipped,
        "reasons": Counter(outcome.reasons),
    }
