"""Identifiers in real comments: the bars of `shared/privacy.md`, on data that stays outside the repository."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.analysis.normalised import normalise
from services.analysis.patterns import identifiers
from services.analysis.words import words_of

OPEN_DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "redaction_open.jsonl"

pytestmark = pytest.mark.skipif(not OPEN_DATA.exists(), reason="needs ../shared/data/redaction_open.jsonl")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in OPEN_DATA.read_text(encoding="utf-8").splitlines()]


def _spans(text: str) -> list[tuple[int, int]]:
    plain = normalise(text)
    return [plain.span(span.start, span.end) for span in identifiers(plain.text, words_of(plain.text))]


def test_identifiers_are_found_whole(rows: list[dict[str, Any]]) -> None:
    given: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for row in rows:
        covered = {at for start, end in _spans(row["text"]) for at in range(start, end)}
        for start, end, kind, _ in row["spans"]:
            if kind != "NAME":
                given[kind] += 1
                letters = {at for at in range(start, end) if row["text"][at].isalnum()}
                found[kind] += letters <= covered
    assert found.total() >= 0.99 * given.total()
    assert {kind: found[kind] / number for kind, number in given.items() if found[kind] < 0.95 * number} == {}


@pytest.mark.parametrize(("part", "most"), [("untouched", 0.01), ("trap", 0.05)])
def test_comments_without_identifiers_are_left_alone(rows: list[dict[str, Any]], part: str, most: float) -> None:
    texts = [row["text"] for row in rows if row["set"] == part]
    assert sum(bool(_spans(text)) for text in texts) <= most * len(texts)
