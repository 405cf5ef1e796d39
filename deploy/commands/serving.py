"""Starting a trial stack for a command, and keeping it up until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from deploy.embedded import running_stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rich.console import Console

    from deploy.embedded import Stack

DESCRIPTION = "/openapi.json"
"""Where the gateway describes its API; it has no page at `/docs`, which would load scripts from elsewhere."""


@asynccontextmanager
async def starting(data_dir: Path, catalogue: Path, console: Console, *, http_port: int = 0) -> AsyncIterator[Stack]:
    """Start the stack, saying so on the console meanwhile."""
    async with AsyncExitStack() as stack:
        with console.status("Starting the broker, the bucket, the database and the services"):
            running = await stack.enter_async_context(running_stack(data_dir, catalogue, http_port=http_port))
        yield running


async def serve_until_stopped(stack: Stack, console: Console) -> None:
    """Say where everything is; return at Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    for line in (
        f"Gateway      {stack.gateway_url}  (described at {stack.gateway_url}{DESCRIPTION})",
        f"Key          {stack.key}",
        f"Kafka        {stack.stage.broker.bootstrap}",
        "Ctrl-C stops everything and keeps what was taken in.",
    ):
        console.print(line, highlight=False, soft_wrap=True)
    await stopped.wait()
    console.print("Stopping")
