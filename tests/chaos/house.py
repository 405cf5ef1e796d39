"""What a stage must offer: things that fail and come back, and ways to see what became of everything."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from deploy.servers.watch import Watch
from tests.chaos.plan import Kind
from tests.processes import signal_tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.chaos.ledger import Ledger
    from tests.chaos.plan import Fault, Targets


@dataclass(frozen=True, slots=True)
class Access:
    """Where everything is looked at.

    Attributes:
        database: an administrator's URL of the database with every service's schema, without a driver's name.
        password: of the services' roles; empty where the server trusts its socket.
        bootstrap: of the broker.
        prefix: before every topic and group.
        embedded: whether the broker is the trial stack's, which forgets, and does not tell where a topic ends.
        logs: what processes wrote.
    """

    database: str
    password: str
    bootstrap: str
    prefix: str
    embedded: bool
    logs: Sequence[Path]


class House(Protocol):
    """A running installation that can be struck."""

    name: str
    targets: Targets

    @property
    def gateway(self) -> tuple[str, str, str]:
        """URL, key, and the integration whose key it is."""

    async def strike(self, fault: Fault) -> None:
        """Have the fault happen; on return its target is being started again, if it was stopped."""

    async def recovered(self, ledger: Ledger, patience: float) -> bool:
        """Wait until everything works and nothing is left to do; False if that takes too long."""

    def access(self) -> Access:
        """Where to look, now."""


async def comes_true(holds: Callable[[], bool | Awaitable[bool]], seconds: float) -> bool:
    """Whether the condition holds in time; it is looked at five times a second."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = holds()
                if answer if isinstance(answer, bool) else await answer:
                    return True
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False


@dataclass(slots=True)
class Failing:
    """One thing that runs, and can be made to fail.

    Attributes:
        start: runs it from when it is entered until it is left; yields its process id.
        patience: seconds that it gets to end when told to.
    """

    name: str
    start: Callable[[Watch], AbstractAsyncContextManager[int]]
    process: int = 0
    watch: Watch = field(default_factory=Watch)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def started(self) -> None:
        """Start it."""
        self.watch = Watch()
        self.process = await self._stack.enter_async_context(self.start(self.watch))

    async def stopped(self) -> None:
        """Tell it to end, and wait for that."""
        await self._stack.aclose()

    async def strike(self, kind: Kind, lasts: float) -> None:
        """Fail in this way for so many seconds, and be started again."""
        if kind in {Kind.PAUSE, Kind.OUTLAST}:
            signal_tree(self.process, signal.SIGSTOP)
            await asyncio.sleep(lasts)
            signal_tree(self.process, signal.SIGCONT)
            return
        if kind is Kind.KILL:
            signal_tree(self.process, signal.SIGKILL)
        await self.stopped()
        await asyncio.sleep(lasts)
        await self.started()
