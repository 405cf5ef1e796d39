"""`heed chart`: the contract of design.md, and one clear line for every bad request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from deploy.cli import heed, run

if TYPE_CHECKING:
    from pathlib import Path

MONTHS = [f"{2025 + month // 12}-{month % 12 + 1:02}-01" for month in range(16)]
SHARE: dict[str, Any] = {
    "kind": "p-prime",
    "numerators": [20] * 13,
    "denominators": [100] * 13,
    "improvement_direction": "decrease",
}


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    return tmp_path / "request.json"


def asked(file: Path, capsys: pytest.CaptureFixture[str], request: object) -> dict[str, Any]:
    file.write_text(request if isinstance(request, str) else json.dumps(request), encoding="utf-8")
    assert run(heed, ["chart", "--input", str(file)]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_the_answer_has_exactly_the_keys_of_the_contract(
    request_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = asked(request_file, capsys, {**SHARE, "numerators": [20] * 12 + [45], "dates": MONTHS[:13], "target": 0.2})

    assert list(answer) == ["points", "variation_icon", "assurance_icon", "sentence"]
    assert list(answer["points"][0]) == [
        "date",
        "value",
        "mean",
        "lower",
        "upper",
        "near_lower",
        "near_upper",
        "rule",
        "direction",
    ]
    latest = answer["points"][-1]
    assert (latest["date"], latest["value"], latest["rule"], latest["direction"]) == (
        MONTHS[12],
        0.45,
        "outside",
        "high",
    )
    assert (answer["variation_icon"], answer["assurance_icon"]) == ("concern_high", "inconsistent")
    assert answer["sentence"].startswith("The latest point lies above the upper limit.")


def test_a_gap_has_no_value_and_no_lines(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(request_file, capsys, {"kind": "xmr", "values": [1, 2] * 8 + [None]})

    assert set(answer["points"][-1].values()) == {None}
    assert answer["variation_icon"] is None
    assert answer["sentence"].startswith("No reading")


def test_a_missing_month_ends_a_run(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [10, 12, 10, 12, 10, 12, 10, 12] + [11.5, 11.4] * 4
    whole = asked(request_file, capsys, {"kind": "xmr", "values": values, "dates": MONTHS})
    dates = [*MONTHS[:12], *(day.replace("2026", "2027") for day in MONTHS[12:])]
    broken = asked(request_file, capsys, {"kind": "xmr", "values": values, "dates": dates})

    assert whole["points"][-1]["rule"] == "shift"
    assert broken["points"][-1]["rule"] is None


@pytest.mark.parametrize("rebase", [[8], [MONTHS[8]], 8])
def test_a_rebase_by_index_or_date(request_file: Path, capsys: pytest.CaptureFixture[str], rebase: object) -> None:
    answer = asked(
        request_file,
        capsys,
        {"kind": "xmr", "values": [1, 2] * 4 + [11, 12] * 4, "dates": MONTHS, "rebase": rebase},
    )

    assert [point["mean"] for point in answer["points"]] == [1.5] * 8 + [11.5] * 8


def test_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(SHARE).encode())))

    assert run(heed, ["chart", "--input", "-"]) == 0
    assert "No variation seen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("request_text", "where"),
    [
        ("", "line 1"),
        ("{", "line 1"),
        ("[1]", "one JSON object"),
        ("[" * 100_000, "JSON"),
        ({}, "kind"),
        ({**SHARE, "kind": "c"}, "kind"),
        ({**SHARE, "kind": ["xmr"]}, "kind"),
        ({"kind": "xmr"}, "values"),
        ({"kind": "xmr", "values": []}, "values"),
        ({"kind": "xmr", "values": 3}, "values"),
        ({"kind": "xmr", "values": [1, "2"]}, "values[1]"),
        ({"kind": "xmr", "values": [1, True]}, "values[1]"),
        ('{"kind": "xmr", "values": [1, NaN]}', "NaN"),
        ('{"kind": "xmr", "values": [1, -Infinity]}', "-Infinity"),
        ('{"kind": "xmr", "values": [1, 1e999]}', "values[1]"),
        ('{"kind": "xmr", "values": [1, 1' + "0" * 400 + "]}", "values[1]"),
        ('{"kind": "xmr", "values": [1, 1' + "0" * 5000 + "]}", "number"),
        ({"kind": "xmr", "values": [1], "numerators": [1]}, "numerators"),
        ({**SHARE, "values": [1]}, "values"),
        ({**SHARE, "numerators": [20] * 12}, "denominators"),
        ({**SHARE, "numerators": []}, "numerators"),
        ({**SHARE, "denominators": [100] * 12 + [-100]}, "denominators[12]"),
        ({**SHARE, "numerators": [20] * 12 + [-1]}, "numerators[12]"),
        ({**SHARE, "numerators": [20] * 12 + [101]}, "numerators[12]"),
        ({**SHARE, "dates": MONTHS}, "dates"),
        ({**SHARE, "dates": "2025"}, "dates"),
        ({**SHARE, "dates": [*MONTHS[:12], "2026-02-30"]}, "dates[12]"),
        ({**SHARE, "dates": [*MONTHS[:12], "yesterday"]}, "dates[12]"),
        ({**SHARE, "dates": [*MONTHS[:12], 3]}, "dates[12]"),
        ({**SHARE, "dates": [*MONTHS[:12], MONTHS[11]]}, "dates[12]"),
        ({**SHARE, "rebase": [13]}, "rebase[0]"),
        ({**SHARE, "rebase": [3, -1]}, "rebase[1]"),
        ({**SHARE, "rebase": [2.5]}, "rebase[0]"),
        ({**SHARE, "rebase": [MONTHS[3]]}, "rebase[0]"),
        ({**SHARE, "dates": MONTHS[:13], "rebase": ["2024-01-01"]}, "rebase[0]"),
        ({**SHARE, "target": "low"}, "target"),
        ({**SHARE, "improvement_direction": "up"}, "improvement_direction"),
        ({**SHARE, "improvement_direction": []}, "improvement_direction"),
        ({**SHARE, "minimum_points": 0}, "minimum_points"),
        ({**SHARE, "minimum_points": 2.5}, "minimum_points"),
        ({**SHARE, "r_parity": "yes"}, "r_parity"),
        ({**SHARE, "screen_outliers": 1}, "screen_outliers"),
        ({**SHARE, "rebases": [3]}, "did you mean rebase?"),
    ],
)
def test_a_bad_request_is_one_line_and_exit_code_two(
    request_file: Path, capsys: pytest.CaptureFixture[str], request_text: object, where: str
) -> None:
    request_file.write_text(request_text if isinstance(request_text, str) else json.dumps(request_text), "utf-8")

    assert run(heed, ["chart", "--input", str(request_file)]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("heed: ")
    assert told.err.count("\n") == 1
    assert len(told.err) < 250
    assert where in told.err


def test_what_is_not_utf_8_is_refused(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request_file.write_bytes(b'{"kind": "\xff"}')

    assert run(heed, ["chart", "--input", str(request_file)]) == 2
    assert "UTF-8" in capsys.readouterr().err


def test_a_share_of_hundreds_of_points_is_answered(request_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(
        request_file, capsys, {"kind": "u-prime", "numerators": [5, 6] * 500, "denominators": [1.5, 1.6] * 500}
    )

    assert len(answer["points"]) == 1000
    assert answer["variation_icon"] == "common_cause"
