"""Processes below a process, as Linux tells them in /proc."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def children(process: int) -> dict[str, int]:
    """Process ids of its children, by program; of several of one program, any."""
    return {name: child for child in _children(process) if (name := program(child))}


def running(name: str) -> set[int]:
    """Process ids of this process's children that run a program."""
    return {child for child in _children(os.getpid()) if program(child) == name}


def program(process: int) -> str:
    """The file name of what a process runs; empty where it has ended."""
    try:
        return Path(f"/proc/{process}/exe").resolve().name
    except OSError:
        return ""


def signal_tree(process: int, number: signal.Signals) -> None:
    """Send a signal to a process and to everything below it; what has ended meanwhile is passed over."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGSTOP)  # so that it starts no more, and still has its children when they are counted
    for each in (process, *list(_descendants(process))):
        with suppress(ProcessLookupError):
            os.kill(each, number)


def _descendants(process: int) -> Iterator[int]:
    for child in _children(process):
        yield child
        yield from _descendants(child)


def _children(process: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in tasks.read_text().split()]
    return found
