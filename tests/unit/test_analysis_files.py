"""`heed analyse` line by line: what comes out, and what is said of a bad line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from services.analysis.files import RefusedLine, analyse_lines
from services.analysis.reader import CHUNK, Reader
from tests.analysis_doubles import THEMES, FakeEncoder


def analyse(*lines: str | bytes, encoder: FakeEncoder | None = None) -> list[object]:
    return list(analyse_lines(lines, Reader(encoder or FakeEncoder())))


def line(**fields: object) -> str:
    return json.dumps({"id": "a", "text": "Bronwen was kind", **fields})


def test_the_output_has_the_contract_s_fields() -> None:
    assert analyse(line()) == [
        {
            "id": "a",
            "redacted_text": "[name] was kind",
            "redactions": [{"kind": "name", "start": 0, "end": 7}],
            "sentiment": {"label": 1, "probabilities": [0.6, 0.2, 0.1, 0.05, 0.05]},
            "themes": [{"name": THEMES[0], "probability": 0.9}],
            "severity": 0.05,
            "urgent": False,
            "quote_ok": True,
        }
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"text": "x"}', "`id` must be a string or a whole number"),
        ('{"id": true, "text": "x"}', "`id` must be a string or a whole number"),
        ('{"id": "\\ud800", "text": "x"}', "`id` holds half of a character"),
        ('{"id": 1}', "`text` must be a string"),
        ('{"id": 1, "text": null}', "`text` must be a string"),
        (line(text="x" * 100_001), "`text` is longer than 100000 characters"),
        (line(question=5), "`question` must be a string"),
        (line(question_type="bad"), "`question_type` must be one of what_good, could_improve, nonspecific"),
        (line(text="boom"), "the text cannot be read"),
    ],
)
def test_a_bad_line_is_told_by_number_and_its_neighbours_are_read(bad: str | bytes, reason: str) -> None:
    first, refused, last = analyse(line(), "", bad, line(), encoder=FakeEncoder(crash="boom"))
    assert isinstance(first, dict)
    assert refused == RefusedLine(3, reason)
    assert isinstance(last, dict)


def test_the_question_decides_what_nothing_means() -> None:
    good, better, typed = analyse(
        line(text="Nothing", question="What was good?"),
        line(text="Nothing", question="How could we improve?"),
        line(text="Nothing", question="What was good?", question_type="could_improve"),
    )
    labels = [result["sentiment"]["label"] for result in (good, better, typed) if isinstance(result, dict)]
    assert labels == [5, 1, 1]


def test_a_text_without_words_has_no_sentiment() -> None:
    (result,) = analyse(line(text=""))
    assert isinstance(result, dict)
    assert (result["sentiment"], result["themes"], result["quote_ok"]) == (None, [], False)


def test_refused_consent_closes_the_quote_gate() -> None:
    (result,) = analyse(line(consent={"quote": False}))
    assert isinstance(result, dict)
    assert result["quote_ok"] is False


def test_ids_come_back_as_given_and_a_byte_order_mark_does_no_harm() -> None:
    (result,) = analyse(b"\xef\xbb\xbf" + line(id=7).encode())
    assert isinstance(result, dict)
    assert result["id"] == 7


def test_memory_is_bounded_by_a_batch() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield line()

    next(analyse_lines(endless(), Reader(FakeEncoder())))
    assert taken == CHUNK
