"""Where a command writes its result: stdout, or a file that appears whole or not at all."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD = Path("-")
"""Stands for stdin or stdout."""


@contextmanager
def atomic_output(path: Path) -> Iterator[BinaryIO]:
    """Write beside the file and take its place at the end; a failure or Ctrl-C leaves what was there before.

    `-` is stdout. What is no regular file (a pipe, a device) is written to directly.

    Raises:
        UsageError: the directory does not exist.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = path.resolve()
    if not target.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no directory {target.parent}; make it first")
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
