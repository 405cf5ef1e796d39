"""`heed analyse` around the reader: lines in, lines out, bad ones told, the file whole or not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from deploy.cli import heed, run
from deploy.commands import analyse
from deploy.formats.files import LONGEST_LINE
from services.analysis.reader import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from services.analysis.reader import Submission


class EchoingReader:
    """Reads nothing into a text: what the command does around the reader is tested here."""

    def read(self, batch: Sequence[Submission]) -> list[Reading]:
        return [
            Reading(
                id=item.id,
                segments=(),
                impression=None,
                severity=0.0,
                urgent=(),
                quote_ok=True,
                redacted_text=item.text if isinstance(item.text, str) else "",
                redactions=(),
                counts={},
                language=None,
                model_version="none",
            )
            for item in batch
        ]


@pytest.fixture(autouse=True)
def _reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyse, "build_reader", lambda settings: EchoingReader())


def given(tmp_path: Path, *lines: bytes) -> list[str]:
    (tmp_path / "in.jsonl").write_bytes(b"".join(lines))
    return ["analyse", "--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")]


def test_every_line_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.dumps({"id": str(n), "text": f"Kind 😀 {n}"}).encode() + b"\n" for n in range(600)]
    assert run(heed, given(tmp_path, *lines)) == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [row["id"] for row in rows] == [str(n) for n in range(600)]
    assert rows[0]["redacted_text"] == "Kind 😀 0"
    assert capsys.readouterr().err == "600 read, 0 refused\n"


def test_bad_lines_are_told_and_the_good_ones_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    too_long = b'{"id": "3", "text": "' + b"x" * LONGEST_LINE + b'"}\n'
    arguments = given(
        tmp_path, b'{"id": "1", "text": "a"}\n', b"{secret words\n", too_long, b'{"id": "4", "text": "b"}'
    )
    assert run(heed, arguments) == 1
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [row["id"] for row in rows] == ["1", "4"]
    source = tmp_path / "in.jsonl"
    assert capsys.readouterr().err.splitlines() == [
        f"heed: {source}:2: not JSON",
        f"heed: {source}:3: longer than {LONGEST_LINE} bytes",
        "2 read, 2 refused",
    ]


def test_stdout_takes_the_lines(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = given(tmp_path, b'{"id": "1", "text": "a"}\n')
    assert run(heed, [*arguments[:-1], "-"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["id"] == "1"


def test_a_missing_file_is_bad_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(heed, ["analyse", "--input", str(tmp_path / "absent"), "--output", "-"])
    assert code == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_missing_directory_is_bad_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*given(tmp_path, b""), "--output", str(tmp_path / "no" / "out.jsonl")]
    assert run(heed, arguments) == 2
    assert capsys.readouterr().err.startswith("heed: cannot write ")
