"""The service with its real model: wiring, names in real comments, and the same reading in whatever company."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.analysis.app import build_reader, running
from services.analysis.reader import Reader, Reading, Submission
from services.analysis.settings import AnalysisSettings
from shared.cloudevents import decode
from shared.events import FeedbackAnalysed
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUBMITTED
from tests.doubles import RememberingPublisher, raw, submitted
from tests.integration.conftest import ONCE_ONLY

REPOSITORY = Path(__file__).parents[2]
MODEL = REPOSITORY / "services" / "analysis" / "model" / "network.xml"
OPEN_DATA = REPOSITORY / ".." / "shared" / "data" / "redaction_open.jsonl"

pytestmark = [
    pytest.mark.integration,
    ONCE_ONLY,
    pytest.mark.skipif(not MODEL.exists(), reason="needs the trained model"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return build_reader(AnalysisSettings())


def read(reader: Reader, submissions: Sequence[Submission]) -> list[Reading]:
    readings = [result for result in reader.read(submissions) if isinstance(result, Reading)]
    assert len(readings) == len(submissions)
    return readings


async def test_the_service_reads_once_its_model_is_loaded() -> None:
    publisher = RememberingPublisher()
    async with running(AnalysisSettings(), publisher) as service:
        assert await service.checks["model"]()
        (consumer,) = service.consumers
        event = submitted(text="Sister Bronwen Okafor was so kind to my mum. Ring me on 07700 900123.")
        await consumer.handle([raw(event, FEEDBACK_SUBMITTED.name)])
    (record,) = publisher.on(FEEDBACK_ANALYSED.name)
    reading = decode(FeedbackAnalysed, record.value, record.headers)
    assert reading.segments[0].text == "Sister [name] was so kind to my mum. Ring me on [phone]."
    assert reading.sentiment is not None
    assert reading.sentiment.label <= 2


@pytest.mark.parametrize(
    "text", ["", "x", "👍", "\x00", "Привет", "한" * 2_000, "word " * 20_000, "!" * 10_000, "é" * 9_000]
)
def test_every_input_has_a_reading(reader: Reader, text: str) -> None:
    (reading,) = read(reader, [Submission("1", text)])
    assert (reading.impression is None) == (not text.strip("\x00 "))


def test_every_piece_of_a_long_text_fits_the_window(reader: Reader) -> None:
    names = " ".join(
        f"Then nurse Bronwen came, on day {day}; the wait was antidisestablishmentarian." for day in range(300)
    )
    (reading,) = read(reader, [Submission("1", names)])
    assert len(reading.segments) > 10
    assert reading.redacted_text.count("Bronwen") <= 3, "the model reads every piece: nothing was cut off unread"


def test_company_does_not_change_a_reading(reader: Reader) -> None:
    texts = [
        "Nothing.",
        "Dr Okafor was kind but the wait was long. " * 3,
        "ok",
        "The food was cold and nobody came. " * 20,
    ]
    submissions = [Submission(str(n), text) for n, text in enumerate(texts * 8)]
    together = read(reader, submissions)
    for submission, reading in zip(submissions[:4], together[:4], strict=True):
        (alone,) = read(reader, [submission])
        assert alone.impression is not None
        assert reading.impression is not None
        assert alone.impression.label == reading.impression.label
        assert [name for name, _ in alone.impression.themes] == [name for name, _ in reading.impression.themes]
        assert alone.redacted_text == reading.redacted_text
        assert alone.urgent == reading.urgent


@pytest.mark.skipif(not OPEN_DATA.exists(), reason="needs ../shared/data/redaction_open.jsonl")
def test_names_in_real_comments(reader: Reader) -> None:
    """The bars of a model: names found, comments left alone, and traps that are no names."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in OPEN_DATA.read_text(encoding="utf-8").splitlines()]
    submissions = [Submission(row["id"], row["text"], consent_to_quote=True) for row in rows]
    found = names = leaks = named = 0
    changed = {"untouched": 0, "trap": 0}
    for row, reading in zip(rows, read(reader, submissions), strict=True):
        covered = {at for span in reading.redactions for at in range(span.start, span.end)}
        hits = [
            {at for at in range(start, end) if row["text"][at].isalnum()} <= covered
            for start, end, kind, _ in row["spans"]
            if kind == "NAME"
        ]
        names, found, named = names + len(hits), found + sum(hits), named + bool(hits)
        leaks += reading.quote_ok and not all(hits)
        if row["set"] in changed:
            given = [(start, end) for start, end, *_ in row["spans"]]
            changed[row["set"]] += any(
                not any(span.start < end and span.end > start for start, end in given) for span in reading.redactions
            )
    parts = {part: sum(row["set"] == part for row in rows) for part in changed}
    assert found >= 0.985 * names
    assert leaks <= 0.006 * named, "without the quote gate it would be .015"
    assert changed["untouched"] <= 0.01 * parts["untouched"]
    assert changed["trap"] <= 0.05 * parts["trap"]
