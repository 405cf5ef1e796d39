"""Starting a trial stack for a command, and keeping it up until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import click
import uvloop
from rich.console import Console

from deploy.embedded import running_stack
from deploy.sign_in import LINK_MINUTES, everything, sign_in_link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path
    from types import FrameType, TracebackType

    from deploy.embedded import Stack

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

DESCRIPTION = "/openapi.json"
"""Where the gateway describes its API; it has no page at `/docs`, which would load scripts from elsewhere."""


class Unwinding:
    """Has SIGINT and SIGTERM unwind the block instead of cutting it off: servers stop, temporary directories go.

    Each further signal cuts short the step of the unwinding that is under way, and only that. The command then ends
    with exit code 130 or 143, as the first signal says.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._task: asyncio.Task[object] | None = None
        self._ran = False

    def __enter__(self) -> Unwinding:
        self._before = {number: signal.signal(number, self._told) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._first is not None and isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
            raise click.exceptions.Exit(128 + self._first) from None

    def run(self, main: Coroutine[object, object, T]) -> T:
        """Run on an event loop of its own; a signal cancels it.

        Raises:
            asyncio.CancelledError: a signal came.
        """
        try:
            return uvloop.run(self._known(main))
        finally:
            self._ran = True

    async def _known(self, main: Coroutine[object, object, T]) -> T:
        self._task = asyncio.current_task()
        try:
            return await main
        finally:
            self._task = None

    def _told(self, number: int, _: FrameType | None) -> None:
        self._first = self._first or number
        if self._task is not None:
            self._task.cancel()
            self._task.get_loop().call_soon_threadsafe(lambda: None)  # or it would sleep on until something happens
        elif not self._ran:  # afterwards only a temporary directory is being removed
            raise KeyboardInterrupt


def serve(data_dir: Path, catalogue: Path, port: int, portal_port: int) -> None:
    """Serve the stack in this process until Ctrl-C or SIGTERM.

    Args:
        data_dir: where everything is kept.
        catalogue: file of the teams.
        port: of the gateway; 0: any.
        portal_port: of the portal; 0: any.
    """
    with Unwinding() as unwinding:
        unwinding.run(_serve(data_dir, catalogue, port, portal_port))


async def _serve(data_dir: Path, catalogue: Path, port: int, portal_port: int) -> None:
    console = Console()
    async with starting(data_dir, catalogue, console, http_port=port, portal_port=portal_port) as stack:
        await serve_until_stopped(stack, console)


@asynccontextmanager
async def starting(
    data_dir: Path, catalogue: Path, console: Console, *, http_port: int = 0, portal_port: int = 0
) -> AsyncIterator[Stack]:
    """Start the stack, saying so on the console meanwhile."""
    async with AsyncExitStack() as stack:
        with console.status("Starting the broker, the bucket, the database and the services"):
            running = await stack.enter_async_context(
                running_stack(data_dir, catalogue, http_port=http_port, portal_port=portal_port)
            )
        yield running


async def serve_until_stopped(stack: Stack, console: Console) -> None:
    """Say where everything is; return at Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    link = await sign_in_link(stack.portal_database_url, stack.portal_url, everything(stack.catalogue))
    for line in (
        f"Portal       {stack.portal_url}",
        f"Sign in      {link}  (once, within {LINK_MINUTES} minutes; `heed sign-in` makes another)",
        f"Gateway      {stack.gateway_url}  (described at {stack.gateway_url}{DESCRIPTION})",
        f"Key          {stack.key}",
        f"Receipts     {stack.portal_url}/r/RECEIPT  (a patient's page; the gateway's answers have receipts)",
        f"Kafka        {stack.stage.broker.bootstrap}",
        "Ctrl-C stops everything and keeps what was taken in.",
    ):
        console.print(line, highlight=False, soft_wrap=True)
    try:
        await stopped.wait()
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    console.print("Stopping")
