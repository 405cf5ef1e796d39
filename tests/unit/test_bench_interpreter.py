"""The Python that measures the peer: another where a variable names it, told in one line where it cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.interpreter import VARIABLE, NoInterpreter, command


def script(path: Path, content: str) -> str:
    path.write_text(f"#!/bin/sh\n{content}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("given", [None, ""])
def test_this_python_measures_unless_another_is_named(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    assert command("peer")[0] == [sys.executable]


def test_only_the_peer_is_measured_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = script(tmp_path / "python", f'exec {sys.executable} "$@"')
    monkeypatch.setenv(VARIABLE, other)
    python, environment = command("peer")
    assert python == [other]
    assert any(Path(entry, "faststream").is_dir() for entry in environment["PYTHONPATH"].split(":"))
    assert command("reader")[0] == [sys.executable]


@pytest.mark.parametrize(
    ("content", "told"), [("echo 3.10", "is Python 3.10, this is"), ("exit 1", "does not run as Python")]
)
def test_one_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, told: str
) -> None:
    monkeypatch.setenv(VARIABLE, script(tmp_path / "python", content))
    with pytest.raises(NoInterpreter, match=told):
        command("peer")


def test_one_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(NoInterpreter, match="does not run as Python"):
        command("peer")
