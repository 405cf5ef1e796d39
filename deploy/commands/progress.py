"""A progress bar on stderr, where there is a terminal to draw it on; elsewhere nothing, so that logs stay clean."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Advance = Callable[[int], None]
    """Takes how much is done in all."""


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Advance]:
    """Draw a bar while the block runs.

    Args:
        what: is going on.
        total: of what is counted; None where it is not known.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def count_lines(path: Path) -> int:
    """Physical lines of a file, an unfinished last one included."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")
