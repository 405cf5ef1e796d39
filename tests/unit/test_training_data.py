"""What the training reads: checked row by row, in folds that keep near duplicates together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.training.dataset import (
    FILES,
    FOLDS,
    Comment,
    DataError,
    NameCase,
    claim,
    load_criticality,
    load_feedback,
    load_name_cases,
    unlike,
)

FEEDBACK = "text,question_type,sentiment,themes\n"
RATED = "text,criticality,label\n"


def test_networks_of_other_data_folds_or_settings_are_not_taken_for_these(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("one", encoding="utf-8")
    work = tmp_path / "work"
    for _ in range(2):
        claim(work, tmp_path, "plan", [0, 1])
    with pytest.raises(DataError, match="other data, folds or settings"):
        claim(work, tmp_path, "plan", [0])
    (tmp_path / FILES[1]).write_text("two", encoding="utf-8")
    with pytest.raises(DataError, match="other data, folds or settings"):
        claim(work, tmp_path, "plan", [0, 1])


def test_feedback_is_read_with_its_labels(tmp_path: Path) -> None:
    rows = '" Kind staff ",what_good,1,Parking;Pain management\nNothing,could_improve,,\n'
    (tmp_path / "fft_train.csv").write_text(FEEDBACK + rows, encoding="utf-8")
    first, second = load_feedback(tmp_path)
    assert (first.text, first.sentiment, first.question_type) == ("Kind staff", 0, "what_good")
    assert first.themes == frozenset({19, 20})
    assert (second.sentiment, second.themes) == (None, frozenset())


@pytest.mark.parametrize("row", ["good,what_good,6,Parking\n", "good,what_good,1,Witchcraft\n", "good,why,1,Parking\n"])
def test_an_unknown_label_is_told_with_its_row_and_without_its_words(tmp_path: Path, row: str) -> None:
    (tmp_path / "fft_train.csv").write_text(FEEDBACK + "fine,what_good,1,Parking\n" + row, encoding="utf-8")
    with pytest.raises(DataError, match=r"fft_train\.csv, row 3: unknown") as told:
        load_feedback(tmp_path)
    assert "good" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "not found; give the folder"),
        (b"text,sentiment\n", "column.s. question_type, themes missing"),
        (FEEDBACK.encode(), "has no rows"),
        (b"text\xff", "is not UTF-8 .byte 4."),
    ],
)
def test_a_file_that_is_not_the_one_is_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "fft_train.csv").write_bytes(content)
    with pytest.raises(DataError, match=told) as raised:
        load_feedback(tmp_path)
    assert "\n" not in str(raised.value)


def test_ratings_that_are_no_number_of_the_scale_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = "cold,-4,Staff\n" * 40 + "hot,6,Staff\nwarm,x,Staff\n"
    (tmp_path / "criticality.csv").write_text(RATED + rows, encoding="utf-8")
    comments, refused = load_criticality(tmp_path)
    assert (len(comments), refused, comments[0].severe) == (40, 2, True)


def test_too_many_of_them_mean_that_it_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "criticality.csv").write_text(RATED + "cold,-4,Staff\nhot,6,Staff\n", encoding="utf-8")
    with pytest.raises(DataError, match="1 rows have no usable rating"):
        load_criticality(tmp_path)


def test_a_case_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "redaction_open.jsonl").write_text('{"text": "a", "set": "trap", "spans": []}\n{"text": 1}\n')
    with pytest.raises(DataError, match="line 2: not an evaluation comment"):
        load_name_cases(tmp_path)


@given(st.text(min_size=1))
def test_near_duplicates_share_a_fold(text: str) -> None:
    fold = Comment(text, "nonspecific").fold
    assert 0 <= fold < FOLDS
    if any(character.isalnum() for character in text):
        assert Comment(f" {text}!", "what_good").fold == fold


def test_comments_like_an_evaluation_comment_are_kept_out() -> None:
    cases = [NameCase("the nurse on the ward was very kind to me", "injected", ())]
    texts = ["the nurse on the ward was very kind to me and mine", "the food on the ward was cold again today"]
    assert unlike(texts, cases) == [False, True]
