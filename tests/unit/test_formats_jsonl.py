from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from deploy.formats.jsonl import read
from deploy.formats.rows import Refused, Submission
from shared.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b'{"source_id": "1"}'


def outcome(path: Path, content: bytes) -> list[tuple[int, object]]:
    path.write_bytes(content)
    return [(row.line, row.reason if isinstance(row, Refused) else row.body) for row in read(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feedback.jsonl"


def test_each_object_is_a_submission_as_it_stands(path: Path) -> None:
    path.write_text('{"a": "é", "b": [1, null]}\n\n{"c": 2}')
    assert list(read(path)) == [Submission(1, {"a": "é", "b": [1, None]}), Submission(3, {"c": 2})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": ', "malformed_json"),
        (b'{"rating": NaN}', "malformed_json"),
        (b'{"a": 1} {"b": 2}', "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "malformed_json"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b"\0", "malformed_json"),
        (b'["a"]', "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"text": "' + b"x" * 2_000_000 + b'"}', "line_too_long"),
    ],
)
def test_a_bad_line_is_refused_and_the_next_is_read(path: Path, line: bytes, reason: str) -> None:
    assert outcome(path, GOOD + b"\n" + line + b"\n" + GOOD) == [
        (1, json.loads(GOOD)),
        (2, reason),
        (3, json.loads(GOOD)),
    ]


def test_a_byte_order_mark_is_passed_over(path: Path) -> None:
    assert outcome(path, b"\xef\xbb\xbf" + GOOD) == [(1, json.loads(GOOD))]


@pytest.mark.parametrize(("content", "told"), [(b"", "empty"), ('{"a": 1}'.encode("utf-16"), "UTF-16")])
def test_a_file_that_cannot_be_read_is_one_clear_line(path: Path, content: bytes, told: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError, match=told):
        read(path)


def test_consent_is_in_the_objects(path: Path) -> None:
    path.write_bytes(GOOD)
    with pytest.raises(UsageError, match="consent"):
        read(path, quotes_consented=True)
