"""What the training reads: checked row by row, in folds that keep near duplicates together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.training import dataset
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
EVERY_CLASS = "".join(f"comment {number},what_good,{number % 5 + 1},Parking\n" for number in range(50))
NAMED = {"text": "Ann", "set": "injected", "spans": [[0, 3, "NAME", {"g": "irish", "case": "normal", "form": "first"}]]}
CASES = [NAMED, {"text": "a", "set": "trap", "spans": []}, {"text": "a", "set": "untouched", "spans": []}]


@pytest.fixture
def claimed(tmp_path: Path) -> Path:
    """A folder of data that its subfolder `work` is stamped with."""
    for name in FILES:
        (tmp_path / name).write_text("one", encoding="utf-8")
    claim(tmp_path / "work", tmp_path, "plan", [0, 1])
    return tmp_path


def write_cases(folder: Path, cases: list[object]) -> None:
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    (folder / "redaction_open.jsonl").write_text(lines, encoding="utf-8")


def test_networks_of_other_data_folds_or_settings_are_not_taken_for_these(claimed: Path) -> None:
    claim(claimed / "work", claimed, "plan", [0, 1])
    with pytest.raises(DataError, match="other data, folds or settings"):
        claim(claimed / "work", claimed, "plan", [0])
    (claimed / FILES[1]).write_text("two", encoding="utf-8")
    with pytest.raises(DataError, match="other data, folds or settings"):
        claim(claimed / "work", claimed, "plan", [0, 1])


@pytest.mark.parametrize("changed", dataset.WORD_LISTS)
def test_networks_of_other_word_lists_are_not_taken_for_these(
    claimed: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    for name in dataset.WORD_LISTS:
        known = Path(dataset.__file__).with_name(name).read_bytes()
        (claimed / name).write_bytes(known + b"\n" if name == changed else known)
    monkeypatch.setattr(dataset, "__file__", str(claimed / "dataset.py"))
    with pytest.raises(DataError, match="other data, folds or settings"):
        claim(claimed / "work", claimed, "plan", [0, 1])


def test_the_stamp_is_written_once(claimed: Path) -> None:
    stamp = claimed / "work" / "trained-on.txt"
    written = stamp.stat()
    claim(claimed / "work", claimed, "plan", [0, 1])
    assert (stamp.stat().st_ino, stamp.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert list((claimed / "work").iterdir()) == [stamp]


def test_a_full_disk_leaves_no_half_stamp(claimed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            claim(claimed / "other", claimed, "plan")
    claim(claimed / "other", claimed, "plan")


@pytest.mark.parametrize("content", [b"", b"\xff", b"0" * 63])
def test_a_damaged_stamp_is_not_taken_for_that_of_other_data(claimed: Path, content: bytes) -> None:
    (claimed / "work" / "trained-on.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"trained-on\.txt is damaged.*: remove .*work, or name another"):
        claim(claimed / "work", claimed, "plan", [0, 1])


@pytest.mark.parametrize("name", ["fold-0-0.pt", "large-0.npz"])
def test_networks_without_a_stamp_are_not_stamped(claimed: Path, name: str) -> None:
    (claimed / "work" / "trained-on.txt").unlink()
    (claimed / "work" / name).touch()
    with pytest.raises(DataError, match=r"holds networks, but no trained-on\.txt"):
        claim(claimed / "work", claimed, "plan", [0, 1])
    assert not (claimed / "work" / "trained-on.txt").exists()


def test_feedback_is_read_with_its_labels(tmp_path: Path) -> None:
    rows = '" Kind staff ",what_good,1,Parking;Pain management\nNothing,could_improve,,\n'
    (tmp_path / "fft_train.csv").write_text(FEEDBACK + rows + EVERY_CLASS, encoding="utf-8")
    first, second, *_ = load_feedback(tmp_path)
    assert (first.text, first.sentiment, first.question_type) == ("Kind staff", 0, "what_good")
    assert first.themes == frozenset({19, 20})
    assert (second.sentiment, second.themes) == (None, frozenset())


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "fft_train.csv").write_text(FEEDBACK + EVERY_CLASS, encoding="utf-8-sig")
    assert load_feedback(tmp_path)[0].text == "comment 0"


@pytest.mark.parametrize("rest", ["", "comment 4,what_good,5,Parking\n" * 9], ids=["absent", "in one fold"])
def test_every_class_of_sentiment_must_be_there_outside_each_fold(tmp_path: Path, rest: str) -> None:
    four = "".join(row for row in EVERY_CLASS.splitlines(keepends=True) if ",5," not in row)
    (tmp_path / "fft_train.csv").write_text(FEEDBACK + four + rest, encoding="utf-8")
    with pytest.raises(DataError, match=r"fft_train\.csv: sentiment 5 is not in two of the 5 folds; add"):
        load_feedback(tmp_path)


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
        (FEEDBACK.encode() + b"a,what_good,1,Parking\ngood\n", "row 3: too short"),
        (FEEDBACK.encode() + b'a,what_good,1,Parking\n"good' + b",\n" * 99_999, "near row 3: not CSV .field larger"),
        (FEEDBACK.encode() + b'a,what_good,1,"Parking\n', "near row 2: not CSV .unexpected end"),
    ],
)
def test_a_file_that_is_not_the_one_is_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / "fft_train.csv").write_bytes(content)
    with pytest.raises(DataError, match=told) as raised:
        load_feedback(tmp_path)
    assert "\n" not in str(raised.value)


def test_ratings_that_are_no_number_of_the_scale_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = "cold,-4,Staff\n" * 39 + "fine,4,Staff\nhot,6,Staff\nwarm,x,Staff\n"
    (tmp_path / "criticality.csv").write_text(RATED + rows, encoding="utf-8")
    comments, refused = load_criticality(tmp_path)
    assert (len(comments), refused, comments[0].severe) == (40, 2, True)


def test_too_many_of_them_mean_that_it_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "criticality.csv").write_text(RATED + "cold,-4,Staff\nhot,6,Staff\n", encoding="utf-8")
    with pytest.raises(DataError, match="1 rows have no usable rating"):
        load_criticality(tmp_path)


def test_a_rated_row_that_is_too_short_is_told(tmp_path: Path) -> None:
    (tmp_path / "criticality.csv").write_text(RATED + "cold,-4,Staff\ncold\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"criticality\.csv, row 3: too short"):
        load_criticality(tmp_path)


@pytest.mark.parametrize("rating", ["-4", "-3"])
def test_severity_cannot_be_learnt_from_comments_of_one_kind(tmp_path: Path, rating: str) -> None:
    (tmp_path / "criticality.csv").write_text(RATED + f"cold,{rating},Staff\n" * 9, encoding="utf-8")
    with pytest.raises(DataError, match=r"criticality\.csv: severity needs comments rated -4 or less, and others; add"):
        load_criticality(tmp_path)


def test_name_cases_are_read_with_their_spans(tmp_path: Path) -> None:
    write_cases(tmp_path, [*CASES])
    about = {"g": "irish", "case": "normal", "form": "first"}
    assert load_name_cases(tmp_path) == [
        NameCase("Ann", "injected", ((0, 3, "NAME", about),)),
        NameCase("a", "trap", ()),
        NameCase("a", "untouched", ()),
    ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"text": 1}, "its text is no string"),
        ({"set": "new"}, "its set is none of injected, untouched, realctx, slot, trap"),
        ({"spans": [[0, 4, "BED", {}]]}, "a span lies outside its text"),
        ({"spans": [[-1, 2, "BED", {}]]}, "a span lies outside its text"),
        ({"spans": [[2, 2, "BED", {}]]}, "a span lies outside its text"),
        ({"spans": [[0, 1.5, "BED", {}]]}, "TypeError"),
        ({"spans": [[0, float("inf"), "BED", {}]]}, "TypeError"),
        ({"spans": [[0, 3, "NAME", {"g": "irish", "case": "normal"}]]}, "a NAME without g, case, form"),
        ({"spans": [[0, 3, "NAME", {"g": "irish", "case": "normal", "form": 1}]]}, "a NAME without g, case, form"),
    ],
)
def test_a_case_that_cannot_be_measured_is_told_with_its_line(
    tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    write_cases(tmp_path, [*CASES, NAMED | changed])
    with pytest.raises(DataError, match=rf"line 4: not an evaluation comment \({told}\); is it the file"):
        load_name_cases(tmp_path)


@pytest.mark.parametrize(
    ("cases", "told"),
    [([], "NAME, trap, untouched"), (CASES[1:], "NAME"), (CASES[::2], "trap"), (CASES[:2], "untouched")],
)
def test_cases_without_which_a_figure_would_be_missing_are_asked_for(
    tmp_path: Path, cases: list[object], told: str
) -> None:
    write_cases(tmp_path, cases)
    with pytest.raises(DataError, match=rf"redaction_open\.jsonl: nothing of {told} to measure"):
        load_name_cases(tmp_path)


def test_name_cases_may_have_a_byte_order_mark_but_must_be_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "redaction_open.jsonl"
    write_cases(tmp_path, [*CASES])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(load_name_cases(tmp_path)) == 3
    path.write_bytes(path.read_bytes().decode("utf-8-sig").encode("utf-16"))
    with pytest.raises(DataError, match=r"redaction_open\.jsonl is not UTF-8 .byte 0."):
        load_name_cases(tmp_path)


def test_a_case_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "redaction_open.jsonl").write_text('{"text": "a", "set": "trap", "spans": []}\n{"text": "a"}\n')
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
