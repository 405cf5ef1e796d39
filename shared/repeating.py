"""Work in the background, once or again and again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

log = logging.getLogger(__name__)


@asynccontextmanager
async def background(
    work: Callable[[], Coroutine[object, object, None]], name: str
) -> AsyncIterator[asyncio.Task[None]]:
    """Let it run as a task of that name while inside; it is cancelled, and awaited, at the end."""
    task = asyncio.create_task(work(), name=name)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def repeating(work: Callable[[], Awaitable[object]], every: float, name: str) -> AsyncIterator[None]:
    """Do it now and then every so often, while inside. A turn that fails is logged, and the next one comes.

    Args:
        work: one turn.
        every: seconds between the end of a turn and the next.
        name: of the task, and in the log.
    """
    async with background(lambda: _for_ever(work, every, name), name):
        yield


async def _for_ever(work: Callable[[], Awaitable[object]], every: float, name: str) -> None:
    while True:
        try:
            await work()
        except TransientFault as fault:
            log.warning("%s waits for its next turn: %s", name, fault)
        except Exception:
            log.exception("%s failed and waits for its next turn", name)
        await asyncio.sleep(every)
