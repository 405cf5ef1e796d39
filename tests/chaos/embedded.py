"""The trial stage: `heed up` as one process, whose servers end with it and whose broker forgets.

What ends is started again on the same directory, as a person would do it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import make_url

from deploy.connection import read_stack_file
from deploy.embedded import INTEGRATION
from deploy.servers.child import Command, running
from deploy.servers.ports import free_ports, http_ok
from tests import processes
from tests.chaos.flow import OUTBOX, PAGES
from tests.chaos.house import Access, Failing, comes_true
from tests.chaos.plan import ONCE, Kind
from tests.chaos.progress import say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from deploy.connection import StackFile
    from deploy.servers.watch import Watch
    from tests.chaos.ledger import Ledger
    from tests.chaos.plan import Fault, Targets

SERVERS = {"broker": "tansu", "postgresql": "postgres", "bucket": "weed"}
"""Programs by target. The stack ends when one of them does."""

TARGETS: Targets = {"stack": ONCE, **dict.fromkeys(SERVERS, (Kind.KILL,))}

START_LIMIT = 90.0
STOP_LIMIT = 30.0
"""Seconds."""

_ROOT = Path(__file__).parents[2]
_READINGS = "SELECT feedback_id, version, withdrawn FROM learning.reading"


class EmbeddedHouse:
    """One trial stack on a directory of its own, always on the same port.

    Args:
        directory: of its data.
    """

    name = "embedded"
    targets = TARGETS

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (self._port,) = free_ports(1)
        self._stack = Failing("stack", self._starting)
        self._one_at_a_time = asyncio.Lock()
        self._key = ""
        self._left = ""

    @property
    def gateway(self) -> tuple[str, str, str]:
        """See `House`."""
        return f"http://127.0.0.1:{self._port}", self._key, INTEGRATION

    def access(self) -> Access:
        """See `House`."""
        stack = self._told()
        assert stack is not None, "the stack does not run"
        # Whoever may open the socket is trusted, so any role is let in.
        url = make_url(stack.learning_database_url).set(drivername="postgresql", username="postgres")
        logs = [*self._directory.glob("logs/*.log"), self._log]
        return Access(url.render_as_string(), "", stack.kafka_bootstrap, "", embedded=True, logs=logs)

    async def strike(self, fault: Fault) -> None:
        """Strike the process or one of its servers; faults that would overlap come one after the other."""
        async with self._one_at_a_time:
            if fault.target == "stack":
                await self._stack.strike(fault.kind, fault.lasts)
            else:
                server = processes.children(self._stack.process)[SERVERS[fault.target]]
                processes.signal_tree(server, signal.SIGKILL)
                assert await comes_true(lambda: self._stack.watch.ended() is not None, STOP_LIMIT), "the stack goes on"
                await self._stack.stopped()
                await self._stack.started()
            await self.up()

    async def up(self) -> None:
        """Wait until it takes requests."""
        if not await comes_true(self._is_up, START_LIMIT):
            said = (await asyncio.to_thread(self._log.read_text, encoding="utf-8")).splitlines()
            raise AssertionError(f"heed up does not start within {START_LIMIT:.0f} s; it said: {said[-5:]}")

    async def _is_up(self) -> bool:
        told = self._told()
        if told is None or not await http_ok(self._port, "/health/ready"):
            return False
        self._key = told.gateway_key
        return True

    async def recovered(self, ledger: Ledger, patience: float) -> bool:
        """Ready, and every accepted version read and told: where its topics end the broker does not know."""

        async def is_over() -> bool:
            self._left = await self._waiting(ledger)
            return not self._left

        if over := await comes_true(is_over, patience):
            return over
        say(f"not recovered after {patience:.0f} s: {self._left}")
        return False

    async def _waiting(self, ledger: Ledger) -> str:
        """What is still to be done; empty when nothing is."""
        if not await http_ok(self._port, "/health/ready"):
            return "not ready"
        try:
            connection = await asyncpg.connect(self.access().database, timeout=5)
        except OSError as error:
            return type(error).__name__
        try:
            for what, query in (("outbox", OUTBOX), ("pages", PAGES)):
                if found := await connection.fetchval(query):
                    return f"{found} in {what}"
            rows = await connection.fetch(_READINGS)
        finally:
            await connection.close()
        done = {row["feedback_id"]: (row["version"], row["withdrawn"]) for row in rows}
        unread = 0
        for item in ledger.items.values():
            version, withdrawn = done.get(item.feedback_id, (0, False))
            unread += not (withdrawn or (version >= item.newest and not item.withdrawn))
        return f"{unread} unread" if unread else ""

    @property
    def _log(self) -> Path:
        return self._directory / "stack.log"

    def _told(self) -> StackFile | None:
        """By the process that runs now."""
        told = read_stack_file(self._directory)
        return told if told is not None and told.pid == self._stack.process else None

    def _starting(self, watch: Watch) -> AbstractAsyncContextManager[int]:
        arguments = ["-m", "deploy.cli", "up", "--port", str(self._port), "--portal-port", "0"]
        arguments += ["--data-dir", str(self._directory)]
        command = Command(
            name="heed up",
            argv=[sys.executable, *arguments],
            log=self._log,
            cwd=_ROOT,
            env={"HEED_SUMMARY_QUIET": "0.3", "HEED_SUMMARY_MAX_DELAY": "3", "HEED_ANALYSIS_THREADS": "1"},
            stop=[(signal.SIGTERM, STOP_LIMIT)],
        )
        return running(command, _at_once, watch=watch)

    async def started(self) -> None:
        """Start for the first time."""
        await self._stack.started()
        await self.up()

    async def stopped(self) -> None:
        """Stop for good."""
        await self._stack.stopped()


async def _at_once() -> bool:
    return True


@asynccontextmanager
async def embedded_house() -> AsyncIterator[EmbeddedHouse]:
    """A new trial stack until the block ends."""
    with tempfile.TemporaryDirectory(prefix="heed-chaos-", ignore_cleanup_errors=True) as folder:
        directory = Path(folder) / "data"
        await asyncio.to_thread(Path(folder).chmod, 0o711)
        directory.mkdir(mode=0o711)
        house = EmbeddedHouse(directory)
        try:
            await house.started()
            yield house
        finally:
            await house.stopped()
