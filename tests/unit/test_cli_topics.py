"""`heed topics` tells the registry, with or without a broker."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.cli import heed, run
from shared.topics import TOPICS


@pytest.fixture(autouse=True)
def _no_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HEED_KAFKA_BOOTSTRAP", "HEED_GATEWAY_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_every_topic_has_its_line_without_a_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(heed, ["topics"]) == 0
    told = capsys.readouterr()
    heading, *lines = told.out.splitlines()
    assert [line.split()[0] for line in lines] == [topic.name for topic in TOPICS]
    assert "restricted" in heading
    assert "on the broker" not in heading
    assert told.err == ""


def test_json_tells_the_whole_registry(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(heed, ["topics", "--json"]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    submitted = next(entry for entry in entries if entry["name"] == "feedback-submitted")
    assert submitted["event"] == "heed.feedback.submitted.v1"
    assert (submitted["key"], submitted["consumers"], submitted["restricted"]) == ("feedback_id", ["analysis"], True)
    assert submitted["retention_ms"] == 7 * 86_400_000
    assert submitted["found"] is None


def test_a_broker_that_is_away_is_one_line_beside_the_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEED_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert run(heed, ["topics"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == len(TOPICS) + 1
    assert re.fullmatch(r"heed: no Kafka broker answers at 127\.0\.0\.1:1 .*\n", told.err)
