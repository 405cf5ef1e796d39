"""`heed demo` as a person or a script runs it: in a process of its own, on servers of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from deploy.connection import StackFile, read_stack_file
from deploy.sample import sample
from tests.integration.conftest import ONCE_ONLY
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.integration,
    ONCE_ONLY,
]

CONTRACT = {
    "accepted",
    "analysed",
    "dead_lettered",
    "urgent",
    "summaries",
    "held",
    "seconds",
    "items_per_second",
    "teams",
}
"""Keys that scripts may rely on; there may be more."""


def heed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two hundred invented submissions, one of them twice, and three lines that are none."""
    bodies = [json.dumps(body) for body in islice(sample(date(2026, 11, 1)), 200)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*bodies, bodies[0], "{not json", '"a string"', '{"kind": "poem"}']), encoding="utf-8")
    return path


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stdout.splitlines()
    outcome: dict[str, Any] = json.loads(line)
    return outcome


def test_a_second_run_on_the_same_data_doubles_nothing(rows: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = ["demo", "--once", "--json", "--input", rows, "--data-dir", tmp_path / "data"]
    first, second = told(heed(*arguments)), told(heed(*arguments))

    assert first.keys() >= CONTRACT
    assert first["rows"] == 204
    assert first["accepted"] == first["analysed"] == 200
    assert first["dead_lettered"] == 0
    assert first["known_already"] == 1
    assert sum(first["skipped"].values()) == 3
    assert first["summaries"] > 0
    assert second["known_already"] == 201
    for key in ("accepted", "analysed", "summaries", "held", "teams", "urgent"):
        assert second[key] == first[key], key

    pages = heed("summaries", "--json", "--data-dir", tmp_path / "data")
    published = [json.loads(line) for line in pages.stdout.splitlines()]
    assert len(published) == first["summaries"]
    assert all(page["published"] for page in published)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--input", "no-such-file.csv"], "no-such-file.csv"),
        (["--format", "fft"], "--input"),
        (["--catalogue", "pyproject.toml"], "pyproject.toml"),
    ],
)
def test_bad_use_is_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    done = heed("demo", "--once", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("heed: ")
    assert says in line


@contextmanager
def up(data_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], StackFile]]:
    """`heed up` on a free port, once it tells where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "up", "--port", "0", "--portal-port", "0", "--data-dir", str(data_dir)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:

        def ready() -> bool:
            assert process.poll() is None, "heed up ended"
            stack = read_stack_file(data_dir)
            return stack is not None and stack.pid == process.pid

        wait_until(ready, 60)
        stack = read_stack_file(data_dir)
        assert stack is not None
        yield process, stack
    finally:
        process.kill()
        process.communicate()


def children(process: int) -> dict[str, int]:
    """Process ids of its children, by program."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    found = [int(word) for task in tasks for word in task.read_text().split()]
    return {Path(f"/proc/{child}/exe").resolve().name: child for child in found}


@pytest.mark.skipif(sys.platform != "linux", reason="finds the servers in /proc")
@pytest.mark.parametrize(("program", "name"), [("postgres", "PostgreSQL"), ("tansu", "Tansu"), ("weed", "SeaweedFS")])
def test_a_server_that_dies_ends_the_stack_with_one_line(program: str, name: str, tmp_path: Path) -> None:
    with up(tmp_path) as (process, _):
        servers = children(process.pid)
        begun = time.monotonic()
        os.kill(servers[program], signal.SIGKILL)
        _, stderr = process.communicate(timeout=30)
        assert time.monotonic() - begun < 15
    assert process.returncode == 1
    (line,) = stderr.decode().splitlines()
    assert f"({name}) ended (SIGKILL)" in line
    assert str(tmp_path / "logs") in line
    assert not any(Path(f"/proc/{server}").exists() for server in servers.values())


@pytest.mark.skipif(sys.platform != "linux", reason="finds the servers in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("at", ["starting", "feeding"])
def test_a_signal_unwinds_what_is_under_way(number: signal.Signals, code: int, at: str) -> None:
    with tempfile.TemporaryDirectory(prefix="heed-test-") as folder:
        Path(folder).chmod(0o777)  # root's PostgreSQL runs as another account
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "demo", "--once"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": folder},
            process_group=0,
        )
        sign = "heed-demo-*/stack.json" if at == "feeding" else "heed-demo-*/logs"
        wait_until(lambda: any(Path(folder).glob(sign)), 60)
        servers = children(process.pid)
        os.killpg(process.pid, number)
        begun = time.monotonic()
        stdout, stderr = process.communicate(timeout=60)
        assert time.monotonic() - begun < 15
        assert (process.returncode, stdout, stderr) == (code, b"", b"")
        assert not any(Path(folder).iterdir())
    assert not any(Path(f"/proc/{server}").exists() for server in servers.values())


def test_what_was_accepted_survives_a_kill(tmp_path: Path) -> None:
    with up(tmp_path) as (process, stack):
        answer = httpx.post(
            f"{stack.gateway_url}/v1/feedback:batch",
            content="\n".join(json.dumps(body) for body in islice(sample(date(2026, 11, 1)), 300)),
            headers={"Authorization": f"Bearer {stack.gateway_key}", "Content-Type": "application/x-ndjson"},
            timeout=30,
        )
        process.send_signal(signal.SIGKILL)
    receipts = [json.loads(line)["receipt"] for line in answer.text.splitlines()]
    assert len(receipts) == 300

    with up(tmp_path) as (_, stack):
        client = httpx.Client(base_url=stack.gateway_url, headers={"Authorization": f"Bearer {stack.gateway_key}"})

        def all_summarised() -> bool:
            states = (client.get(f"/v1/feedback/{receipt}").json()["state"] for receipt in receipts)
            return all(state == "summarised" for state in states)

        wait_until(all_summarised, 60)
