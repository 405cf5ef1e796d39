"""Friends and Family Test files: the PEQDC export, and the upload form of the NHS dashboard.

Both are delimited text with a header. Columns are matched without regard to case and white space; comma, semicolon,
tab and bar are told apart by the header. Text may be UTF-8 (with or without a mark), UTF-16 or Windows-1252.

The export has one answer a row, so accepted + refused = rows. The upload form has up to two: each of `question_1` and
`question_2` that is not empty becomes a submission of its own on the same line, and a row without any is refused once.

Refusals: `ragged_row`, `unbalanced_quotes`, `line_too_long`, `nul_character`, `missing_comment_id`,
`missing_organisation`, `empty`, `did_not_answer`, `text_too_long`, `unreadable_date`, `date_out_of_range`
(before 5 July 1948 or in the future), `duplicate` (this id came before with the same content) and
`conflicting_duplicate` (this id came before with other content: the first row stands, since an export holds each answer
once and only a person can tell which row is right).

Source of the columns: NHS England, Patient Experience Qualitative Data Categorisation project.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from deploy.formats.dates import EARLIEST, NONE, FileDates
from deploy.formats.rows import Body, Note, Refused, Row, Rows, Submission, silent
from deploy.formats.tables import Record, Table, normalised, opened_table
from shared.errors import UsageError
from shared.events import MAX_TEXT
from shared.questions import question_type

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator
    from pathlib import Path

CHANNEL = "fft-survey"

EXPORT = (
    "Comment ID",
    "Trust",
    "Date",
    "Service type 1",
    "FFT categorical answer",
    "FFT question",
    "FFT answer",
)
"""Required columns of the export; `Respondent ID` and `Service type 2` are read where they are."""

UPLOAD = ("date", "location_1", "question_1", "fft_score")
"""Required columns of the upload form; `location_2`, `location_3` and `question_2` are read where they are."""

_RATINGS = {str(number): number for number in range(1, 6)} | {
    "very good": 1,
    "good": 2,
    "neither good nor poor": 3,
    "poor": 4,
    "very poor": 5,
}


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a form keeps what both forms have."""

    organisation: str
    service: str
    unit: str
    date: str
    rating: str


_EXPORT_COLUMNS = _Columns("Trust", "Service type 1", "Service type 2", "Date", "FFT categorical answer")
_UPLOAD_COLUMNS = _Columns("location_1", "location_2", "location_3", "date", "fft_score")


def read(path: Path, *, quotes_consented: bool = False, note: Note = silent, today: date | None = None) -> Rows:
    """Read either form; the file is passed over twice, once for the dates.

    Memory: about 20 bytes a row for dates and 200 bytes an accepted row for ids, whatever the length of the texts.

    Args:
        path: the file.
        quotes_consented: whether the survey asked for, and every respondent gave, consent to be quoted. The file has
            no column for it, so nothing is assumed.
        note: told of guessed encodings and of answers without a rating.
        today: no feedback is later than this; the present day in UTC if none.

    Raises:
        UsageError: the file cannot be read, or lacks columns; before the first row.
    """
    table = opened_table(path, (EXPORT, UPLOAD))
    is_export = {normalised(name) for name in EXPORT} <= set(table.columns)
    form = (_Export if is_export else _Upload)(quotes_consented=quotes_consented)
    today = today or datetime.now(UTC).date()
    dates = _dates(table, form.columns, today)
    if table.guessed_lines:
        lines = "1 line is" if table.guessed_lines == 1 else f"{table.guessed_lines} lines are"
        note(f"{path}: {lines} not valid UTF-8 and read as Windows-1252")
    return _rows(table, form, dates, today, note)


def _dates(table: Table, columns: _Columns, today: date) -> array[int]:
    dates = FileDates(today)
    for record in table:
        if isinstance(record, Record):
            series = (_cell(record, columns.organisation).casefold(), _cell(record, columns.service).casefold())
            dates.add(series, _cell(record, columns.date))
    return dates.resolve()


def _rows(table: Table, form: _Export | _Upload, dates: array[int], today: date, note: Note) -> Rows:
    ids: dict[int, int] = {}
    unrated = 0
    index = 0
    for record in table:
        if isinstance(record, Refused):
            yield record
            continue
        if index == len(dates):
            raise UsageError(f"{table.path}: the file grew while it was read; try again when it is complete")
        ordinal = dates[index]
        index += 1
        for row in form.rows(record, _day(ordinal, today)):
            checked = _once(row, ids)
            unrated += isinstance(checked, Submission) and checked.body["rating"] is None
            yield checked
    if unrated:
        note(f'{table.path}: {unrated} answers have no rating from 1 to 5 (6 is "don\'t know") and were taken without')


def _day(ordinal: int, today: date) -> date | str:
    """The day, or the reason why there is none."""
    if ordinal == NONE:
        return "unreadable_date"
    day = date.fromordinal(ordinal)
    return day if EARLIEST <= day <= today else "date_out_of_range"


def _once(row: Row, ids: dict[int, int]) -> Row:
    """Refuse a submission whose id came before; remember it otherwise."""
    if isinstance(row, Refused):
        return row
    identity = _digest(row.body["source_id"])
    content = _digest(json.dumps(row.body, sort_keys=True))
    known = ids.get(identity)
    if known is None:
        ids[identity] = content
        return row
    return Refused(row.line, "duplicate" if known == content else "conflicting_duplicate")


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")


def _cell(record: Record, column: str) -> str:
    """A cell with no-break and repeated white space made one space; empty where the file has no such column."""
    return " ".join(record.cells.get(normalised(column), "").split())


def _unanswered(text: str) -> str | None:
    """Why an answer is none, or None."""
    if not text:
        return "empty"
    if text.casefold().rstrip(".") == "did not answer":
        return "did_not_answer"
    return "text_too_long" if len(text) > MAX_TEXT else None


@dataclass(slots=True)
class _Form:
    """What both forms share."""

    quotes_consented: bool

    def _body(self, record: Record, columns: _Columns, day: date, source_id: str, text: str) -> Body:
        about = {"organisation": _cell(record, columns.organisation)}
        about |= {
            part: value
            for part, value in (("service", _cell(record, columns.service)), ("unit", _cell(record, columns.unit)))
            if value
        }
        question = _cell(record, "FFT question") or None
        return {
            "kind": "comment",
            "source_id": source_id,
            "channel": CHANNEL,
            "text": text,
            "question": question,
            "question_type": question_type(question).value,
            "rating": _RATINGS.get(_cell(record, columns.rating).casefold()),
            "occurred_at": day.isoformat(),
            "about": about,
            "consent": {"quote": self.quotes_consented},
        }


@dataclass(slots=True)
class _Export(_Form):
    """One answer a row, named by its Comment ID."""

    columns: _Columns = _EXPORT_COLUMNS

    def rows(self, record: Record, day: date | str) -> Iterator[Row]:
        """The one row of the record."""
        source_id = _cell(record, "Comment ID")
        text = _cell(record, "FFT answer")
        reason = (
            _unanswered(text)
            or (not source_id and "missing_comment_id")
            or (not _cell(record, self.columns.organisation) and "missing_organisation")
        )
        if reason or isinstance(day, str):
            yield Refused(record.line, reason or str(day))
            return
        body = self._body(record, self.columns, day, source_id, text)
        if respondent := _cell(record, "Respondent ID"):
            body["submitter"] = {"id": respondent}
        yield Submission(record.line, body)


@dataclass(slots=True)
class _Upload(_Form):
    """Up to two answers a row, without ids.

    An answer's source id is a hash of its row's cells and the column's name, and a running number among equal rows of
    the file. So the same file gives the same ids again, as does the file with rows added or moved, and two people who
    wrote the same on the same day both count.
    """

    columns: _Columns = _UPLOAD_COLUMNS
    _seen: Counter[int] = field(default_factory=Counter)

    def rows(self, record: Record, day: date | str) -> Iterator[Row]:
        """A row for each answer; a refusal where there is none."""
        answers = {name: _cell(record, name) for name in ("question_1", "question_2")}
        answers = {name: text for name, text in answers.items() if text}
        content = _digest(json.dumps({name: " ".join(value.split()) for name, value in sorted(record.cells.items())}))
        self._seen[content] += 1
        if not answers:
            yield Refused(record.line, "empty")
        for name, text in answers.items():
            reason = _unanswered(text) or (not _cell(record, self.columns.organisation) and "missing_organisation")
            if reason or isinstance(day, str):
                yield Refused(record.line, reason or str(day))
            else:
                source_id = f"{name}-{content:032x}-{self._seen[content]}"
                yield Submission(record.line, self._body(record, self.columns, day, source_id, text))
