from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.formats.fft import read
from deploy.formats.rows import Refused, Submission
from shared.errors import UsageError

TODAY = date(2026, 11, 22)
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
HEADER = (
    "Comment ID,Trust,Respondent ID,Date,Service type 1,Service type 2,FFT categorical answer,FFT question,FFT answer"
)
ROW = "R1-Q1,Riverside,R1,30/09/2021,Emergency,Minors,1,What was good?,Kind staff"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "export.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def outcome(path: Path, **options: Any) -> list[tuple[int, str]]:
    """Each row's line, and its text or `!reason`."""
    return [
        (row.line, f"!{row.reason}" if isinstance(row, Refused) else row.body["text"])
        for row in read(path, today=TODAY, **options)
    ]


def bodies(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [row.body for row in read(path, today=TODAY, **options) if isinstance(row, Submission)]


def export(**changed: str) -> str:
    cells = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | changed
    text = io.StringIO()
    csv.writer(text).writerows([cells.keys(), cells.values()])
    return text.getvalue()


def test_a_row_becomes_what_the_gateway_takes(write: Write) -> None:
    assert bodies(write(f"{HEADER}\r\n{ROW}\r\n")) == [
        {
            "kind": "comment",
            "source_id": "R1-Q1",
            "channel": "fft-survey",
            "text": "Kind staff",
            "question": "What was good?",
            "question_type": "what_good",
            "rating": 1,
            "occurred_at": "2021-09-30",
            "about": {"organisation": "Riverside", "service": "Emergency", "unit": "Minors"},
            "consent": {"quote": False},
            "submitter": {"id": "R1"},
        }
    ]


def test_optional_cells_that_are_empty_are_left_out(write: Write) -> None:
    [body] = bodies(write(export(**{"Respondent ID": "", "Service type 1": "", "Service type 2": "\u00a0"})))
    assert "submitter" not in body
    assert body["about"] == {"organisation": "Riverside"}


def test_consent_to_quote_is_the_callers_to_tell(write: Write) -> None:
    [body] = bodies(write(f"{HEADER}\n{ROW}\n"), quotes_consented=True)
    assert body["consent"] == {"quote": True}


@pytest.mark.parametrize(
    ("answer", "rating"),
    [
        ("1", 1),
        ("5", 5),
        (" 3 ", 3),
        ("Very poor", 5),
        ("6", None),
        ("7", None),
        ("", None),
        ("0", None),
        ("1.5", None),
    ],
)
def test_rating(write: Write, answer: str, rating: int | None) -> None:
    notes: list[str] = []
    [body] = bodies(write(export(**{"FFT categorical answer": answer})), note=notes.append)
    assert body["rating"] == rating
    assert len(notes) == (rating is None)


def test_white_space_is_collapsed(write: Write) -> None:
    [body] = bodies(write(export(**{"FFT answer": " Kind\u00a0 \n staff ", "Service type 1": "PTS\u00a0 - Transport"})))
    assert body["text"] == "Kind staff"
    assert body["about"]["service"] == "PTS - Transport"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"FFT answer": "Did not answer"}, "did_not_answer"),
        ({"FFT answer": " did  NOT\u00a0answer. "}, "did_not_answer"),
        ({"FFT answer": " \u00a0\n"}, "empty"),
        ({"FFT answer": "x" * 100_001}, "text_too_long"),
        ({"Date": ""}, "unreadable_date"),
        ({"Date": "31/02/2021"}, "unreadable_date"),
        ({"Date": "04/07/1948"}, "date_out_of_range"),
        ({"Date": "23/11/2026"}, "date_out_of_range"),
        ({"Comment ID": " "}, "missing_comment_id"),
        ({"Trust": ""}, "missing_organisation"),
        ({"FFT answer": "a\0b"}, "nul_character"),
    ],
)
def test_refusals(write: Write, changed: dict[str, str], reason: str) -> None:
    assert outcome(write(export(**changed))) == [(2, f"!{reason}")]


@pytest.mark.parametrize("day", ["05/07/1948", "22/11/2026"])
def test_the_first_and_the_last_possible_day_are_taken(write: Write, day: str) -> None:
    assert outcome(write(export(Date=day))) == [(2, "Kind staff")]


def test_equal_rows_count_once(write: Write) -> None:
    assert outcome(write(f"{HEADER}\n{ROW}\n{ROW}\n")) == [(2, "Kind staff"), (3, "!duplicate")]


def test_an_id_with_other_content_is_refused_and_the_first_row_stands(write: Write) -> None:
    other = ROW.replace("Kind staff", "Long wait")
    assert outcome(write(f"{HEADER}\n{ROW}\n{other}\n")) == [(2, "Kind staff"), (3, "!conflicting_duplicate")]


def test_a_refused_row_does_not_take_the_id(write: Write) -> None:
    unanswered = ROW.replace("Kind staff", "Did not answer")
    assert outcome(write(f"{HEADER}\n{unanswered}\n{ROW}\n")) == [(2, "!did_not_answer"), (3, "Kind staff")]


def test_lines_are_physical_lines(write: Write) -> None:
    quoted = ROW.replace("Kind staff", '"Kind\nstaff, ""all"" of\nthem"')
    content = f"{HEADER}\n{quoted}\n\n{ROW.replace('R1-', 'R2-')}\n"
    assert outcome(write(content)) == [(2, 'Kind staff, "all" of them'), (6, "Kind staff")]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("R1-Q1,Riverside,R1", "ragged_row"),
        (f"{ROW},and more", "ragged_row"),
        (ROW.replace("Kind staff", '"Kind staff'), "unbalanced_quotes"),
        (ROW.replace("Kind staff", '"Kind" staff'), "unbalanced_quotes"),
    ],
)
def test_a_broken_row_is_refused_and_the_next_ones_are_read(write: Write, broken: str, reason: str) -> None:
    quoted = ROW.replace("R1-", "R2-").replace("Kind staff", '"Clean, and calm"')
    content = f"{HEADER}\n{broken}\n{quoted}\n{ROW}\n"
    assert outcome(write(content)) == [(2, f"!{reason}"), (3, "Clean, and calm"), (4, "Kind staff")]


def test_an_open_quote_in_the_last_row(write: Write) -> None:
    content = f"{HEADER}\n{ROW}\n" + ROW.replace("Kind staff", '"Kind staff')
    assert outcome(write(content)) == [(2, "Kind staff"), (3, "!unbalanced_quotes")]


@pytest.mark.parametrize("characters", [140_000, 3_000_000])
def test_a_huge_cell_is_refused_and_the_next_row_is_read(write: Write, characters: int) -> None:
    content = f"{HEADER}\n{ROW.replace('Kind', 'x' * characters)}\n{ROW}\n"
    assert outcome(write(content)) == [(2, "!line_too_long"), (3, "Kind staff")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(write: Write, encoding: str) -> None:
    content = f"{HEADER}\n{ROW.replace('Kind staff', 'Café 🙂 ਪਿਆਰ Ċ')}\n"
    assert outcome(write(content.encode(encoding))) == [(2, "Café 🙂 ਪਿਆਰ Ċ")]


def test_windows_1252_is_read_with_a_note(write: Write) -> None:
    notes: list[str] = []
    content = f"{HEADER}\n{ROW.replace('Kind', 'Café£')}\n".encode("cp1252") + ROW.replace("R1-", "é-").encode()
    assert outcome(write(content), note=notes.append) == [(2, "Café£ staff"), (3, "Kind staff")]
    assert len(notes) == 1
    assert "1 line is not valid UTF-8" in notes[0]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(write: Write, delimiter: str) -> None:
    assert outcome(write(f"{HEADER}\n{ROW}\n".replace(",", delimiter))) == [(2, "Kind staff")]


def test_headers_match_without_case_and_space(write: Write) -> None:
    header = HEADER.upper().replace("COMMENT ID", " comment\u00a0 id")
    assert outcome(write(f"{header}\n{ROW}\n")) == [(2, "Kind staff")]


def test_mixed_date_orders(write: Write) -> None:
    days = ["28/01/2022", "02/02/2022", "15/02/2022", "1/28/2022", "02/02/2022", "02/04/2022", "2/15/2022"]
    rows = [ROW.replace("R1-", f"R{i}-").replace("30/09/2021", day) for i, day in enumerate(days)]
    assert [body["occurred_at"] for body in bodies(write("\n".join([HEADER, *rows])))] == [
        *("2022-01-28", "2022-02-02", "2022-02-15", "2022-01-28", "2022-02-02", "2022-02-04", "2022-02-15"),
    ]


UPLOAD = "date,location_1,location_2,location_3,question_1,question_2,fft_score,sex,age"


def test_upload_form(write: Write) -> None:
    first, second = bodies(write(f"{UPLOAD}\n2022-03-04,Riverside,Emergency,Minors,Kind staff,Less waiting,2,,30\n"))
    assert (first["text"], second["text"]) == ("Kind staff", "Less waiting")
    assert first["about"] == {"organisation": "Riverside", "service": "Emergency", "unit": "Minors"}
    assert (first["rating"], first["occurred_at"], first["question_type"]) == (2, "2022-03-04", "nonspecific")
    assert first["source_id"] != second["source_id"]


def test_upload_form_refusals(write: Write) -> None:
    content = f"{UPLOAD}\n2022-03-04,Riverside,,,,,2,,\n2022-03-04,Riverside,,,Did not answer,Good,2,,\n,R,,,a,b,1,,\n"
    assert outcome(write(content)) == [
        (2, "!empty"),
        (3, "!did_not_answer"),
        (3, "Good"),
        (4, "!unreadable_date"),
        (4, "!unreadable_date"),
    ]


def test_upload_form_ids_stay_when_rows_are_added_and_equal_rows_both_count(write: Write) -> None:
    good, other = "2022-03-04,Riverside,,,Good,,2,,", "2022-03-05,Riverside,,,Fine,,2,,"
    before = [body["source_id"] for body in bodies(write(f"{UPLOAD}\n{good}\n{good}\n"))]
    after = [body["source_id"] for body in bodies(write(f"{UPLOAD}\n{other}\n{good}\n{good}\n"))]
    assert after[1:] == before
    assert len(set(after)) == 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"PK\x03\x04\0\0", "Excel workbook"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (HEADER.replace("FFT question,", "").encode(), "missing columns: FFT question"),
        (b"date,location_1,fft_score\n", "missing columns: question_1 (found: date, location_1, fft_score)"),
        (HEADER.replace(",", "~").encode(), "none of the expected columns"),
        (f"{HEADER},date".encode(), 'the column "date" appears twice'),
        (b"a" * 3_000_000, "none of the expected columns"),
        (b'"' + b"a,\n" * 3_000, "none of the expected columns"),
        (bytes(range(256)) * 50, "none of the expected columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(write: Write, content: bytes, told: str) -> None:
    path = write(content)
    with pytest.raises(UsageError) as refused:
        read(path)
    assert told in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        read(tmp_path / "none.csv")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is a directory"):
        read(tmp_path)


def test_a_header_alone_has_no_rows(write: Write) -> None:
    assert outcome(write(HEADER)) == []


@settings(deadline=None, max_examples=150)
@given(
    answers=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40), max_size=8
    )
)
def test_every_well_formed_row_comes_out_once(tmp_path_factory: pytest.TempPathFactory, answers: list[str]) -> None:
    path = tmp_path_factory.mktemp("fft") / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.split(","))
        for number, answer in enumerate(answers):
            writer.writerow([number, "Riverside", "", "30/09/2021", "", "", 1, "", answer])
    rows = list(read(path, today=TODAY))
    assert len(rows) == len(answers)
    taken = [row.body["text"] for row in rows if isinstance(row, Submission)]
    given_texts = [" ".join(answer.split()) for answer in answers]
    assert taken == [text for text in given_texts if text and text.casefold() != "did not answer"]


@settings(deadline=None, max_examples=150)
@given(junk=st.text(alphabet='ab,"\n\r\t\0é', max_size=200))
def test_no_junk_breaks_the_reader_nor_a_good_row_before_it(
    tmp_path_factory: pytest.TempPathFactory, junk: str
) -> None:
    path = tmp_path_factory.mktemp("fft") / "export.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n{junk}".encode())
    first, *rest = read(path, today=TODAY)
    assert isinstance(first, Submission)
    assert all(row.line > 2 for row in rest)
    assert [row.line for row in rest] == sorted({row.line for row in rest})


@pytest.mark.skipif(not (DATA / "fft_export.csv").exists(), reason="the real export is not here")
def test_the_real_export_is_accounted_for_and_dated() -> None:
    rows = list(read(DATA / "fft_export.csv", today=TODAY))
    assert len(rows) == 6_715
    reasons = Counter(row.reason for row in rows if isinstance(row, Refused))
    assert reasons.keys() == {"did_not_answer", "empty"}
    read_dates = {row.body["source_id"]: row.body["occurred_at"] for row in rows if isinstance(row, Submission)}
    with (DATA / "fft_train.csv").open(encoding="utf-8", newline="") as file:
        labelled = {row["comment_id"]: row["date"] for row in csv.DictReader(file)}
    assert sum(read_dates[name] == day for name, day in labelled.items()) >= 4_313
