"""Records of a delimited file with the physical line on which each starts, whatever state the file is in."""

from __future__ import annotations

import csv
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy.formats.files import text_lines
from deploy.formats.rows import Refused
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from deploy.formats.files import Line

DELIMITERS = (",", ";", "\t", "|")

Header = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A row that has as many cells as the header.

    Attributes:
        line: physical line of the file, from 1, on which it starts.
        cells: by normalised column name; white space as in the file.
    """

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Table:
    """A delimited file whose header is known. Iterating reads it anew, streaming.

    A row that cannot be read is refused by itself, and reading goes on at the next physical line. An opening quote
    that is never closed would otherwise swallow the rest of the file.
    """

    path: Path
    delimiter: str
    columns: Header
    guessed_lines: int = field(default=0, init=False)
    """Physical lines of the newest pass that were not in the file's encoding."""

    def __iter__(self) -> Iterator[Record | Refused]:
        source = _Source(text_lines(self.path))
        reader = csv.reader(source, delimiter=self.delimiter, strict=True)
        header_passed = False
        while True:
            line = source.mark()
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error:
                reason = source.fault()
                source.rewind()
                yield Refused(line, reason)
                continue
            if not cells:
                continue
            if header_passed:
                yield self._checked(line, cells, cut=source.cut)
            header_passed = True
        self.guessed_lines = source.guessed

    def _checked(self, line: int, cells: list[str], *, cut: bool) -> Record | Refused:
        if cut:
            return Refused(line, "line_too_long")
        if len(cells) != len(self.columns):
            return Refused(line, "ragged_row")
        if any("\0" in cell for cell in cells):
            return Refused(line, "nul_character")
        return Record(line, dict(zip(self.columns, cells, strict=True)))


class _Source:
    """Hands physical lines to the csv reader, and can take back all but the first since the newest mark."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self._handed: list[Line] = []
        self._number = 1
        self.guessed = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = next(self._lines)
            self.guessed += line.guessed
        self._handed.append(line)
        return line.text

    def mark(self) -> int:
        """Forget what was handed out; return the number of the line that comes next."""
        self._number += len(self._handed)
        self._handed.clear()
        return self._number

    def rewind(self) -> None:
        """Take back every line since the mark but the first."""
        self._again.extendleft(reversed(self._handed[1:]))
        del self._handed[1:]

    @property
    def cut(self) -> bool:
        """Whether one of the lines since the mark was longer than a line may be."""
        return any(line.cut for line in self._handed)

    def fault(self) -> str:
        """Why the csv reader gave up, as a reason code."""
        if self.cut or len(self._handed[0].text) > csv.field_size_limit():
            return "line_too_long"
        return "unbalanced_quotes"


def normalised(name: str) -> str:
    """A column's name as it is compared: no white space, no case."""
    return "".join(name.split()).casefold()


def opened_table(path: Path, forms: Sequence[Sequence[str]]) -> Table:
    """Find the delimiter under which the header holds all columns of one of `forms`.

    Args:
        path: the file.
        forms: sets of required columns, in a reader's own spelling.

    Raises:
        UsageError: the file cannot be read as text, or no form fits; names the missing columns and those found.
    """
    headers = {delimiter: _header(path, delimiter) for delimiter in DELIMITERS}
    for form in forms:
        for delimiter, header in headers.items():
            columns = tuple(normalised(name) for name in header)
            if {normalised(name) for name in form} <= set(columns):
                _refuse_repeated(path, header)
                return Table(path, delimiter, columns)
    raise UsageError(f"{path}: {_mismatch(forms, max(headers.values(), key=len))}")


def _header(path: Path, delimiter: str) -> Header:
    try:
        reader = csv.reader((line.text for line in text_lines(path)), delimiter=delimiter, strict=True)
        cells = next((cells for cells in reader if cells), [])
    except csv.Error:
        return ()
    return tuple(" ".join(cell.split()) for cell in cells)


def _refuse_repeated(path: Path, header: Header) -> None:
    seen: set[str] = set()
    for name in header:
        if name and normalised(name) in seen:
            raise UsageError(f'{path}: the column "{name}" appears twice; keep one')
        seen.add(normalised(name))


def _mismatch(forms: Sequence[Sequence[str]], header: Header) -> str:
    found = {normalised(name) for name in header}
    nearest = max(forms, key=lambda form: sum(normalised(name) in found for name in form) / len(form))
    missing = [name for name in nearest if normalised(name) not in found]
    if len(missing) == len(nearest):
        wanted = " or ".join(f'"{", ".join(form)}"' for form in forms)
        return f"none of the expected columns was found; the first row must name the columns {wanted}"
    shown = ", ".join(name[:40] for name in header[:12])
    return f"missing columns: {', '.join(missing)} (found: {shown}); add them to the first row"
