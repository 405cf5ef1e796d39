"""Reads JSON lines without a broker: what `heed analyse` runs, with the same reader as the service."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from services.analysis.reader import CHUNK, Reader, Reading, Submission, UnreadableText
from shared.events import MAX_TEXT, QuestionType
from shared.questions import question_type


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that gives no output."""

    line: int
    """From 1."""
    reason: str
    """What is wrong, without the words."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    id: Any
    """As given, so that the caller finds it again."""
    submission: Submission


class _Refused(Exception):  # noqa: N818 - a signal, not an error
    """Its text is the reason."""


def analyse_lines(lines: Iterable[str | bytes], reader: Reader) -> Iterator[dict[str, Any] | RefusedLine]:
    """One result for each line that is not blank, in order; memory is bounded by `CHUNK` lines.

    Args:
        lines: JSON objects `{id, text, question?, question_type?, consent?, language?}`, bytes in UTF-8.
        reader: see `app.build_reader`.

    Yields:
        The output object of the design's contract, ready for `json.dumps`; `sentiment` is null for a text without any
        words. A refused line instead where it is not such an object or its text cannot be read.
    """
    numbered = enumerate(lines, start=1)
    while batch := list(islice(numbered, CHUNK)):
        yield from _analyse(batch, reader)


def _analyse(batch: list[tuple[int, str | bytes]], reader: Reader) -> Iterator[dict[str, Any] | RefusedLine]:
    parsed = [_parsed(number, line) for number, line in batch if line.strip()]
    results = iter(reader.read([item.submission for item in parsed if isinstance(item, _Line)]))
    for item in parsed:
        yield item if isinstance(item, RefusedLine) else _output(item, next(results))


def _parsed(number: int, line: str | bytes) -> _Line | RefusedLine:
    try:
        row = _object(line)
        return _Line(number, row.get("id"), _submission(row))
    except _Refused as refused:
        return RefusedLine(number, str(refused))


def _submission(row: Mapping[str, Any]) -> Submission:
    identity = row.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        raise _Refused("`id` must be a string or a whole number")
    if isinstance(identity, str) and not _is_unicode(identity):
        raise _Refused("`id` holds half of a character")
    text = row.get("text")
    if not isinstance(text, str):
        raise _Refused("`text` must be a string")
    if len(text) > MAX_TEXT:
        raise _Refused(f"`text` is longer than {MAX_TEXT} characters")
    consent = row.get("consent")
    return Submission(
        id=str(identity),
        text=text,
        question_type=_question_type(row),
        # Without a word on consent the gate tells what it would allow: nothing is published from here.
        consent_to_quote=consent is not False and not (isinstance(consent, dict) and consent.get("quote") is False),
        language=_optional_string(row, "language"),
    )


def _is_unicode(text: str) -> bool:
    """JSON may spell half of a surrogate pair, which no file in UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(line: str | bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig") if isinstance(line, bytes) else line.removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise _Refused("not UTF-8") from None
    except (ValueError, RecursionError):
        raise _Refused("not JSON") from None
    if not isinstance(row, dict):
        raise _Refused("not a JSON object")
    return row


def _question_type(row: Mapping[str, Any]) -> str:
    given = _optional_string(row, "question_type")
    if given is None:
        return question_type(_optional_string(row, "question")).value
    if given not in set(QuestionType):
        raise _Refused(f"`question_type` must be one of {', '.join(QuestionType)}")
    return given


def _optional_string(row: Mapping[str, Any], field: str) -> str | None:
    value = row.get(field)
    if value is not None and not isinstance(value, str):
        raise _Refused(f"`{field}` must be a string")
    return value or None


def _output(line: _Line, result: Reading | UnreadableText) -> dict[str, Any] | RefusedLine:
    if isinstance(result, UnreadableText):
        return RefusedLine(line.number, "the text cannot be read")
    whole = result.impression
    return {
        "id": line.id,
        "redacted_text": result.redacted_text,
        "redactions": [{"kind": span.kind.value, "start": span.start, "end": span.end} for span in result.redactions],
        "sentiment": None if whole is None else {"label": whole.label, "probabilities": list(whole.probabilities)},
        "themes": []
        if whole is None
        else [{"name": name, "probability": probability} for name, probability in whole.themes],
        "severity": result.severity,
        "urgent": bool(result.urgent),
        "quote_ok": result.quote_ok,
    }
