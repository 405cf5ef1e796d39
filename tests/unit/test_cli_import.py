"""What `heed import` tells of an import."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from deploy.cli import heed, run
from deploy.commands.importing import _as_json, _Telling, _told
from deploy.feed import FeedReport
from deploy.formats import Refused


def report() -> FeedReport:
    refused = [Refused(4, "no_answer"), Refused(9, "no_answer"), Refused(2, "text_empty")]
    return FeedReport(accepted=5, duplicates=2, refused=refused, skipped=1)


def test_the_last_line_accounts_for_every_row() -> None:
    assert _told(report()) == (
        "11 rows: 5 accepted, 2 known already, 3 refused, 1 delivered by an earlier call (no_answer 2, text_empty 1)"
    )
    numbers = _as_json(report())
    assert numbers["rows"] == 11
    assert numbers["reasons"] == {"no_answer": 2, "text_empty": 1}


def test_each_refused_row_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    telling = _Telling(Path("in.csv"), None)
    so_far = report()
    telling.tell(so_far)
    so_far.refused.append(Refused(12, "date_unreadable"))
    telling.tell(so_far)
    assert capsys.readouterr().err.splitlines() == [
        "heed: in.csv:4: no_answer",
        "heed: in.csv:9: no_answer",
        "heed: in.csv:2: text_empty",
        "heed: in.csv:12: date_unreadable",
    ]


def test_a_report_file_takes_the_refused_rows(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    _Telling(Path("in.csv"), file).tell(report())
    assert json.loads(file.getvalue().splitlines()[0]) == {"line": 4, "reason": "no_answer"}
    assert capsys.readouterr().err == ""


def test_a_kill_takes_no_row_out_of_the_report_file(tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    with path.open("w", encoding="utf-8") as file:
        _Telling(Path("in.csv"), file).tell(report())
        assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_without_a_stack_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, rows = tmp_path / "in.jsonl", tmp_path / "report.jsonl"
    source.write_text("{}\n")
    data_dir = tmp_path / "data"
    arguments = ["import", str(source), "--format", "jsonl", "--report", str(rows), "--data-dir", str(data_dir)]
    assert run(heed, arguments) == 2
    assert "start one with `heed up`" in capsys.readouterr().err
    assert not rows.exists()
    assert not data_dir.exists()
