"""A server that ends by itself is noticed, told in one line, and unwinds what needed it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from deploy.commands.demonstrating import _directory
from deploy.servers import ServerEnded, Watch, watch
from deploy.servers.child import Command, running
from deploy.servers.database import _QUOTABLE
from shared.errors import HeedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LINES = """
2026-11-22 03:00:00.000 UTC [7] ERROR:  value too long
2026-11-22 03:00:01.000 UTC [7] PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device
2026-11-22 03:00:01.000 UTC [7] STATEMENT:  insert into feedback values ('Margaret')
2026-11-22 03:00:02.000 UTC [8] FATAL:  the database system is in recovery mode
2026-11-22 03:00:02.000 UTC [9] FATAL:  terminating connection due to administrator command
"""


def server(tmp_path: Path, quotable: re.Pattern[str] | None = None) -> Command:
    program = "import signal; print(open('said').read(), flush=True); open('ready', 'w'); signal.pause()"
    (tmp_path / "said").write_text(LINES)
    return Command("the test's server", [sys.executable, "-c", program], tmp_path / "log", tmp_path, quotable=quotable)


@asynccontextmanager
async def watched(tmp_path: Path, quotable: re.Pattern[str] | None = None) -> AsyncIterator[tuple[Watch, int]]:
    async def ready() -> bool:
        return (tmp_path / "ready").exists()

    watch = Watch()
    async with running(server(tmp_path, quotable), ready, watch=watch) as process:
        yield watch, process


def killed(process: int) -> None:
    """Return once it has ended, leaving its status for the watch to find."""
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


async def test_what_needs_a_server_is_unwound_when_it_ends(tmp_path: Path) -> None:
    unwound = False

    async def needing(watch: Watch, process: int) -> None:
        nonlocal unwound
        async with watch.guarding():
            os.kill(process, signal.SIGKILL)
            try:
                await asyncio.Event().wait()
            finally:
                unwound = True

    async with watched(tmp_path) as (watch, process), asyncio.timeout(10):
        with pytest.raises(ServerEnded, match=r"the test's server ended \(SIGKILL\): see .*log; start again") as told:
            await needing(watch, process)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
    assert unwound
    assert "\n" not in str(told.value)
    assert watch.ended() is None, "a server that is no longer needed is no longer watched"


async def test_a_failure_for_lack_of_a_server_is_told_as_its_end(tmp_path: Path) -> None:
    async def failing(watch: Watch, process: int) -> None:
        async with watch.guarding():
            killed(process)
            raise OSError("connection refused")

    async with watched(tmp_path) as (watch, process):
        with pytest.raises(ServerEnded, match="ended"):
            await failing(watch, process)


async def test_any_other_failure_stays_what_it_is(tmp_path: Path) -> None:
    async with watched(tmp_path) as (watch, _):
        with pytest.raises(ZeroDivisionError):
            async with watch.guarding():
                raise ZeroDivisionError


async def test_postgresqls_reason_is_quoted_and_no_statement(tmp_path: Path) -> None:
    async with watched(tmp_path, _QUOTABLE) as (watch, process):
        killed(process)
        told = str(watch.ended())
    assert 'PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device: see' in told
    assert "Margaret" not in told


async def test_a_client_that_waits_for_a_lost_server_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FAREWELL", 0.05)

    @asynccontextmanager
    async def stubborn() -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    async with watched(tmp_path) as (looking, process), asyncio.timeout(10), looking.leaving(stubborn()):
        killed(process)


def test_a_demo_that_keeps_nothing_promises_nothing() -> None:
    with pytest.raises(HeedError, match=r"^it ended; run it again, with --data-dir") as told, _directory(None) as data:
        raise ServerEnded("it ended", data / "log")
    assert "nothing accepted is lost" not in str(told.value)
