"""The reader: one result for every submission, whatever it holds, always the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.reader import (
    CHUNK,
    GROUP,
    Reader,
    Reading,
    Submission,
    UnreadableText,
)
from tests.analysis_doubles import FakeEncoded, FakeEncoder, read

BAD_INPUT = [
    "", " \n", "x", "👍", "👍🏽👨‍👩‍👧", "a\x00b", "\x00", "\ud800", "مرحبا بكم", "谢谢", "Дякую",
    "a" * 100_000, "word " * 20_000, "! " * 50_000, "한" * 3_000, "\u200b\u200b", "[name]", "\u0301",
]  # fmt: skip


def test_a_batch_is_read_in_one_pass_in_order() -> None:
    encoder = FakeEncoder()
    results = Reader(encoder).read([Submission(str(n), f"comment {n}") for n in range(100)])
    assert [result.id for result in results] == [str(n) for n in range(100)]
    assert encoder.passes == [100]


def test_the_same_words_under_the_same_question_are_read_once() -> None:
    encoder = FakeEncoder()
    good, better, again = Reader(encoder).read(
        [
            Submission("1", "Nothing.", question_type="what_good"),
            Submission("2", "Nothing.", question_type="could_improve"),
            Submission("3", "Nothing.", question_type="what_good"),
        ]
    )
    assert encoder.passes == [2]
    assert isinstance(good, Reading)
    assert isinstance(better, Reading)
    assert isinstance(again, Reading)
    assert good.impression == again.impression
    assert good.impression is not None
    assert better.impression is not None
    assert (good.impression.label, better.impression.label) == (5, 1)


@pytest.mark.parametrize("crashing", [[3], [0], [6], [0, 6], [2, 3], list(range(7))])
def test_only_the_text_that_crashes_the_model_is_unreadable(crashing: list[int]) -> None:
    batch = [Submission(str(n), "boom" if n in crashing else f"comment {n}") for n in range(7)]
    results = Reader(FakeEncoder(crash="boom")).read(batch)
    assert [result.id for result in results] == [str(n) for n in range(7)]
    assert [n for n, result in enumerate(results) if isinstance(result, UnreadableText)] == crashing


def test_a_long_batch_goes_to_the_network_in_chunks_and_comes_in_order() -> None:
    encoder = FakeEncoder(crash="boom")
    number, culprit = 2 * CHUNK + 3, CHUNK + 1
    batch = [Submission(str(n), "boom" if n == culprit else f"comment {n}") for n in range(number)]
    results = Reader(encoder).read(batch)
    assert encoder.passes[:2] == [CHUNK, CHUNK]
    assert encoder.passes[-1] == 3
    assert [result.id for result in results] == [str(n) for n in range(number)]
    assert [n for n, result in enumerate(results) if isinstance(result, UnreadableText)] == [culprit]


class InPasses(FakeEncoder):
    """As the real one: several passes in an order of its own."""

    def begin(
        self, texts: Sequence[str], question_types: Sequence[str]
    ) -> Iterator[tuple[Sequence[int], list[FakeEncoded]]]:
        order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), -row))
        for rows in (order[at : at + 3] for at in range(0, len(order), 3)):
            yield rows, self.run([texts[row] for row in rows], [question_types[row] for row in rows])


ALONE, TOGETHER = (Reader(kind(room=16, crash="boom")) for kind in (FakeEncoder, InPasses))
"""Made once: to compile the lexicon takes longer than Hypothesis gives an example."""
COMMENTS = st.lists(st.sampled_from(["", "kind", "boom", "We waited. The food was cold. " * 4, "a long wait", "food"]))


@given(COMMENTS)
def test_results_have_the_place_of_their_submission_in_whatever_order_they_come(texts: list[str]) -> None:
    batch = [Submission(str(n), text) for n, text in enumerate(texts)]
    results = [result for group in TOGETHER.groups(batch) for result in group]
    assert sorted(place for place, _ in results) == list(range(len(batch)))
    assert all([result] == ALONE.read([batch[place]]) for place, result in results)


def test_the_network_has_the_next_chunk_while_the_rules_are_at_one() -> None:
    begun: list[int] = []

    class Noting(FakeEncoder):
        def begin(
            self, texts: Sequence[str], question_types: Sequence[str]
        ) -> Iterator[tuple[Sequence[int], list[FakeEncoded]]]:
            begun.append(len(texts))
            return super().begin(texts, question_types)

    groups = Reader(Noting()).groups([Submission(str(n), f"comment {n}") for n in range(2 * CHUNK + 3)])
    assert len(next(groups)) == GROUP
    assert begun == [CHUNK, CHUNK]


def test_a_value_that_is_no_number_makes_a_text_unreadable() -> None:
    class Broken(FakeEncoder):
        def run(self, texts, question_types):  # type: ignore[no-untyped-def]
            results = super().run(texts, question_types)
            for text, result in zip(texts, results, strict=True):
                if "boom" in text:
                    result.sentiment_probabilities[0] = np.nan
            return results

    results = Reader(Broken()).read([Submission("1", "fine"), Submission("2", "boom")])
    assert isinstance(results[0], Reading)
    assert results[1] == UnreadableText("2", "ValueError")


@pytest.mark.parametrize("text", BAD_INPUT, ids=range(len(BAD_INPUT)))
def test_every_input_has_a_reading(text: str) -> None:
    reading = read(text)
    assert (reading.impression is None) == (reading.segments == ())
    reading.redacted_text.encode()
    assert "\x00" not in reading.redacted_text
    assert reading.model_version == "fake-1"


def test_nothing_said_has_no_sentiment() -> None:
    reading = read("")
    assert (reading.impression, reading.segments, reading.severity, reading.quote_ok) == (None, (), 0.0, False)


def test_an_empty_batch_is_empty() -> None:
    encoder = FakeEncoder()
    assert Reader(encoder).read([]) == []
    assert encoder.passes == []


def test_a_reading_does_not_depend_on_its_batch() -> None:
    batch = [
        Submission(str(n), text) for n, text in enumerate([*BAD_INPUT[:11], "Bronwen was kind", "the wait was long"])
    ]
    together = Reader(FakeEncoder()).read(batch)
    alone = [Reader(FakeEncoder()).read([submission])[0] for submission in batch]
    assert together == alone == Reader(FakeEncoder()).read(batch)


def test_probabilities_have_four_decimals_and_the_label_is_the_likeliest() -> None:
    reading = read("the wait was long")
    assert reading.impression is not None
    assert reading.impression.probabilities == (0.05, 0.05, 0.1, 0.2, 0.6)
    assert reading.impression.label == 5
    assert reading.impression.themes == (("Waiting", 0.9),)


@pytest.mark.parametrize(
    ("text", "given", "language"),
    [
        ("The staff were very kind and helpful to me", None, "en"),
        ("Nothing", None, "en"),
        ("El personal fue muy amable con mi madre y todos los días", None, "not-en"),
        ("Bardzo dobra opieka, nie było żadnych problemów z personelem", None, "not-en"),
        ("谢谢你们的帮助", None, "not-en"),
        ("Дуже дякую всім лікарям", None, "not-en"),
        ("👍", None, None),
        ("Ffion", None, None),
        ("The staff were kind", "cy", "cy"),
    ],
)
def test_language(text: str, given: str | None, language: str | None) -> None:
    assert read(text, language=given).language == language


@pytest.mark.parametrize(
    "unit",
    ["!", "!?", '!"', "\n", "! ", "a'", "'", "[", "[name", "Dr ", "x. ", "A ", "A.", "Bronwen-", "...\n", "é", "́a"],
)
def test_work_is_linear_in_the_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        read(text, FakeEncoder(room=128), consent_to_quote=True)
        return time.process_time() - started

    # Quadratic work would grow a hundredfold.
    assert seconds(100_000) < 40 * seconds(10_000) + 0.2
