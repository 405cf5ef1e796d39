"""Physical lines of a file of unknown encoding, read with bounded memory."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, AnyStr, BinaryIO, NamedTuple

from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONGEST_LINE = 1_048_576
"""Bytes (characters in UTF-16) that one physical line may hold; the rest of a longer one is skipped."""

_BINARY = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
}
_SNIFFED = 4096


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, with operating system errors told as one line.

    Raises:
        UsageError: it is missing, a directory, or may not be read.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file; check the name") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: this is a directory; name a file in it") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def encoding_of(path: Path) -> str:
    """Name the file's encoding: `utf-8-sig` (with or without its mark), `utf-16-le` or `utf-16-be`.

    UTF-16 without a mark is known by the zero bytes that western text has in every other place.

    Raises:
        UsageError: the file is empty, missing, a directory, or known not to be text.
    """
    with opened(path) as file:
        head = file.read(_SNIFFED)
    if not head.strip():
        raise UsageError(f"{path}: the file is empty; export it again")
    for magic, kind in _BINARY.items():
        if head.startswith(magic):
            raise UsageError(f"{path}: this is {kind}, not text; save it as CSV (UTF-8) or JSON lines")
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UsageError(f"{path}: the file is in UTF-32; save it as UTF-8")
    if head.startswith(codecs.BOM_UTF16_LE) or _zeros(head[1::2]):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE) or _zeros(head[0::2]):
        return "utf-16-be"
    return "utf-8-sig"


def _zeros(half: bytes) -> bool:
    return len(half) > 1 and half.count(0) > 0.6 * len(half)


def capped(readline: Callable[[int], AnyStr], end: AnyStr) -> Iterator[tuple[AnyStr, bool]]:
    """Yield each physical line with its end; True beside it says that it was too long and that its rest was skipped."""
    while line := readline(LONGEST_LINE):
        whole = len(line) < LONGEST_LINE or line.endswith(end)
        yield line, not whole
        while not whole and (rest := readline(LONGEST_LINE)):
            whole = rest.endswith(end)


class Line(NamedTuple):
    """A physical line as text.

    Attributes:
        text: with its end.
        cut: it was longer than `LONGEST_LINE`, and this is only its beginning.
        guessed: it was not valid in the file's encoding and was read as Windows-1252 (or with replacement characters).
    """

    text: str
    cut: bool = False
    guessed: bool = False


def text_lines(path: Path) -> Iterator[Line]:
    """Yield every physical line, each decoded by itself, so that one foreign byte does not spoil the others.

    Raises:
        UsageError: as `opened` and `encoding_of`.
    """
    encoding = encoding_of(path)
    if encoding != "utf-8-sig":
        with opened(path) as file:
            wide = TextIOWrapper(file, encoding=encoding, errors="replace", newline="\n")
            for text, cut in capped(wide.readline, "\n"):
                yield Line(text.removeprefix("\ufeff"), cut, "\ufffd" in text)
        return
    with opened(path) as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        for raw, cut in capped(file.readline, b"\n"):
            yield _decoded(raw, cut)


def _decoded(raw: bytes, cut: bool) -> Line:
    try:
        return Line(raw.decode("utf-8"), cut)
    except UnicodeDecodeError:
        return Line(raw.decode("cp1252", errors="replace"), cut, True)
