"""`heed secrets`: fresh secrets, for their owner's eyes only, and never over others."""

from __future__ import annotations

import base64
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import heed, run
from deploy.secrets import EXAMPLE
from shared.placeholder import PLACEHOLDER

ROOT = Path(__file__).parents[2]


def values(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_placeholder_becomes_a_secret_of_its_own(tmp_path: Path) -> None:
    assert run(heed, ["secrets", "--output", str(tmp_path / ".env")]) == 0
    example, written = values(EXAMPLE), values(tmp_path / ".env")
    wanted = {name for name, value in example.items() if value == PLACEHOLDER}
    assert wanted
    assert written.keys() == example.keys()
    assert len({written[name] for name in wanted}) == len(wanted)
    name, _, key = written["HEED_S3_ENCRYPTION_KEY"].partition(":")
    assert (name, len(base64.b64decode(key, validate=True))) == ("heed", 32), "as MinIO wants it"
    assert all(re.fullmatch(r"[0-9a-f]{64}", written[name]) for name in wanted - {"HEED_S3_ENCRYPTION_KEY"})
    assert {name: written[name] for name in example.keys() - wanted} == {
        name: example[name] for name in example.keys() - wanted
    }
    assert PLACEHOLDER not in "".join(written.values())


def test_only_its_owner_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "secrets", "--output", str(tmp_path / ".env")]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, umask=0)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert not re.search(rb"[0-9a-f]{32}", done.stdout + done.stderr)


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("mine")
    assert run(heed, ["secrets", "--output", str(tmp_path / ".env")]) == 2
    assert (tmp_path / ".env").read_text() == "mine"
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "is there and stays" in told.err
    assert told.out == ""


def test_a_fresh_clone_needs_nothing_installed(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-m", "deploy.secrets"]  # -S: no site-packages
    done = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, env={"PYTHONPATH": str(ROOT), "PATH": ""}
    )
    assert done.stdout == b""
    assert (tmp_path / ".env").exists()
