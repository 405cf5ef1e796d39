"""`heed demo`: the whole pipeline on the bundled sample, or on a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.feed import numbered
from deploy.formats import FORMATS
from deploy.sample import CATALOGUE, newest_day, sample
from shared.errors import UsageError

if TYPE_CHECKING:
    from deploy.formats import Rows

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
    film_of = newest_day(datetime.now(UTC).date()) if file is None else None
    # Seconds: help, and a file that is not there, need not wait for every service's libraries.
    from deploy.commands.demonstrating import demonstrate  # noqa: PLC0415

    demonstrate(rows, catalogue or CATALOGUE, data_dir, film_of=film_of, once=once, as_json=as_json)


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
