"""Whatever a crafted file makes of the decoding process, the service outlives it and nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from services.media import limits
from services.media.findings import Finding
from services.media.sandbox import Decoder, Ended, answered
from shared.errors import UsageError
from tests import processes
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Path(sys.executable).resolve().name
linux = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")


async def run(*arguments: str, seconds: float = 20) -> str:
    return (await answered("tests.crafted", arguments, b"", seconds)).decode()


@pytest.mark.parametrize(
    ("what", "seconds", "timed_out"),
    [("stall", 0.5, True), ("spin", 20, True), ("flood", 20, False), ("abort", 20, False)],
)
async def test_it_is_ended_and_nothing_is_left(what: str, seconds: float, timed_out: bool) -> None:
    with pytest.raises(Ended) as ended:
        await run(what, seconds=seconds)
    assert ended.value.timed_out is timed_out
    assert not processes.running(PYTHON)


@linux
async def test_what_it_started_ends_with_it() -> None:
    mark = uuid4().hex
    with pytest.raises(Ended):
        await run("leave a child", mark, seconds=1)

    def gone() -> bool:
        return not any(mark in said for said in commands())

    await until(gone)


def commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue


@linux
async def test_it_ends_with_a_service_that_is_killed() -> None:
    code = (
        "import asyncio; from services.media.sandbox import answered; "
        "asyncio.run(answered('tests.crafted', ['wait'], b'', 60))"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path(__file__).parents[2])
    await until(lambda: bool(processes.children(parent.pid)))
    (child,) = processes.children(parent.pid).values()
    await until(lambda: "NoNewPrivs:\t1" in Path(f"/proc/{child}/status").read_text())
    parent.kill()
    await parent.wait()
    await until(lambda: not Path(f"/proc/{child}/exe").exists(), 5)


async def test_a_cancelled_wait_leaves_no_process() -> None:
    waiting = asyncio.create_task(run("stall"))
    await until(lambda: bool(processes.running(PYTHON)))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not processes.running(PYTHON)


@linux
async def test_memory_and_files_have_an_end(tmp_path: Path) -> None:
    assert await run("eat") == "no memory"
    assert await run("write", str(tmp_path / "out")) == f"File too large, {1 << 20} bytes"


async def test_it_knows_no_secret_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_S3_SECRET_KEY", "hunter2")
    told = await run("look")
    assert "HEED" not in told
    assert "hunter2" not in told
    assert "(0, 0)" in told, "no core dump: it would hold a patient's film"


@linux
async def test_it_has_no_network_where_the_kernel_lets_it_give_that_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = await run("call", str(server.getsockname()[1]))
    if said == "connected" and os.geteuid() != 0:
        pytest.skip("this kernel gives no namespaces to users")
    assert said == "no way out"


async def test_what_cannot_start_is_told_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(UsageError, match="HEED_MEDIA_DECODE_MEMORY"):
        await Decoder(40 << 20, 10).prove()
    assert time.monotonic() - begun < 10
    await Decoder(1 << 30, 10).prove()


def test_limits_pass_through_a_command_line() -> None:
    given = limits.Limits(1 << 30, 60, 1 << 20)
    assert limits.Limits.parse(given.arguments()) == given


@pytest.mark.parametrize(
    "answer",
    ["", "null", '{"seconds": -1}', '{"seconds": 1e999}', '{"seconds": 1, "more": 2}', '{"refused": "because"}'],
)
def test_an_answer_that_makes_no_sense_is_not_believed(answer: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Finding.model_validate_json(answer)
