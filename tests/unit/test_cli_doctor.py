"""`heed doctor` finds what is wrong, says what to do, and goes on after a check that fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.cli import heed, run

NOTHING_THERE = {
    "HEED_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "HEED_GATEWAY_URL": "http://127.0.0.1:1",
    "HEED_LEARNING_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
}


def test_a_stopped_trial_stack_is_one_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(heed, ["doctor", "--data-dir", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == f"problem  stack: none runs in {tmp_path}; start it with `heed up`\n"
    assert told.err == ""


def test_every_part_that_is_away_has_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in NOTHING_THERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HEED_GATEWAY_DATABASE_URL", raising=False)
    monkeypatch.setenv("HEED_CATALOGUE", str(tmp_path / "absent.yaml"))
    assert run(heed, ["doctor", "--json"]) == 1
    told = capsys.readouterr()
    findings = {entry["check"]: entry for entry in map(json.loads, told.out.splitlines())}
    assert not any(finding["ok"] for finding in findings.values())
    assert "no such file" in findings["catalogue"]["told"]
    assert "no Kafka broker answers" in findings["dead letters"]["told"]
    assert "does not answer" in findings["gateway"]["told"]
    assert "HEED_GATEWAY_DATABASE_URL is not set" in findings["gateway database"]["told"]
    assert "PostgreSQL is away" in findings["learning database"]["told"]
    assert told.err == ""
