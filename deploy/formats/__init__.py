"""Readers of the files that integrations export, each an iterator of rows; see `FORMATS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deploy.formats.fft import read as read_fft
from deploy.formats.jsonl import read as read_jsonl
from deploy.formats.rows import Body, Note, Refused, Row, Rows, Submission, silent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FORMATS", "Body", "Note", "Reader", "Refused", "Row", "Rows", "Submission", "silent"]


class Reader(Protocol):
    """Reads one file, streaming.

    Every row of the file comes out at least once, in file order, as a submission or as a refusal with its line.

    Raises:
        UsageError: the file as a whole cannot be read; one line saying what is wrong and what to do. It is raised by
            the call itself, before the first row.
    """

    def __call__(self, path: Path, *, quotes_consented: bool = False, note: Note = silent) -> Rows:
        """Open the file and return its rows; `note` is told what a person should know of the whole file."""


FORMATS: Mapping[str, Reader] = {"fft": read_fft, "jsonl": read_jsonl}
"""The name that `--format` takes, and its reader."""
