"""The gateway's own JSON, one object a line; the gateway judges what is in the object.

Refusals: `invalid_utf8`, `malformed_json` (NaN and infinity are none of JSON), `not_an_object`, `line_too_long`.
Blank lines are passed over. Every other line comes out once.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, NoReturn

from deploy.formats.files import capped, encoding_of, opened
from deploy.formats.rows import Note, Refused, Row, Rows, Submission, silent
from shared.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, *, quotes_consented: bool = False, note: Note = silent) -> Rows:
    """Read the file once, line by line.

    Args:
        path: the file.
        quotes_consented: must be left out: every object of this format states its own consent.
        note: not called; no such file needs a note.

    Raises:
        UsageError: the file is missing, empty, a directory or not UTF-8 text; before the first row.
    """
    if quotes_consented:
        raise UsageError(f'{path}: JSON lines state consent themselves; put "consent": {{"quote": true}} into them')
    if encoding_of(path) != "utf-8-sig":
        raise UsageError(f"{path}: the file is in UTF-16; save it as UTF-8")
    return _rows(path)


def _rows(path: Path) -> Rows:
    with opened(path) as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        for number, (raw, cut) in enumerate(capped(file.readline, b"\n"), start=1):
            if raw.strip():
                yield Refused(number, "line_too_long") if cut else _row(number, raw)


def _row(number: int, raw: bytes) -> Row:
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return Refused(number, "invalid_utf8")
    except (ValueError, RecursionError):
        return Refused(number, "malformed_json")
    return Submission(number, body) if isinstance(body, dict) else Refused(number, "not_an_object")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
