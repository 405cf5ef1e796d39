"""`heed analyse`: the reader on a file, without a broker."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from deploy.commands.outputs import STANDARD, atomic_output
from deploy.commands.progress import count_lines, progress_bar
from deploy.formats.files import LONGEST_LINE, capped
from services.analysis.app import build_reader
from services.analysis.files import RefusedLine, analyse_lines
from services.analysis.settings import AnalysisSettings
from shared.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.analysis.reader import Reader

JSONL = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.option("--input", "source", type=JSONL, required=True, help="JSON lines to read; - is stdin.")
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    required=True,
    help="JSON lines to write; - is stdout.",
)
def command(source: Path, target: Path) -> None:
    """Read comments from a file and write what the model makes of them.

    \b
    In:  {id, text, question?, question_type?}
    Out: {id, redacted_text, redactions, sentiment, themes, severity, urgent, quote_ok}

    The output file appears when all is done. A line that cannot be read is told on stderr and left out; exit code 1
    if there was one.
    """
    reader = build_reader(load(AnalysisSettings))
    total = None if source == STANDARD else count_lines(source)
    with _opened(source) as file, atomic_output(target) as output, progress_bar("reading", total) as advance:
        written, refused = _analyse(file, reader, output, source, advance)
    click.echo(f"{written} read, {refused} refused", err=True)
    if refused:
        click.get_current_context().exit(1)


def _analyse(
    file: BinaryIO, reader: Reader, output: BinaryIO, source: Path, advance: Callable[[int], None]
) -> tuple[int, int]:
    written = refused = 0
    cut: set[int] = set()
    name = "stdin" if source == STANDARD else source
    for result in analyse_lines(_lines(file, cut, advance), reader):
        if isinstance(result, RefusedLine):
            refused += 1
            reason = f"longer than {LONGEST_LINE} bytes" if result.line in cut else result.reason
            click.echo(f"heed: {name}:{result.line}: {reason}", err=True)
        else:
            written += 1
            output.write(json.dumps(result, ensure_ascii=False).encode() + b"\n")
    return written, refused


def _lines(file: BinaryIO, cut: set[int], advance: Callable[[int], None]) -> Iterator[bytes]:
    """Lines of bounded length; the numbers of those that were cut go into `cut`."""
    for number, (line, was_cut) in enumerate(capped(file.readline, b"\n"), start=1):
        if was_cut:
            cut.add(number)
        advance(number)
        yield line


@contextmanager
def _opened(source: Path) -> Iterator[BinaryIO]:
    if source == STANDARD:
        yield sys.stdin.buffer
        return
    with source.open("rb") as file:
        yield file
