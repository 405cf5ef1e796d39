"""Work that is done again and again in the background."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

log = logging.getLogger(__name__)


@asynccontextmanager
async def repeating(work: Callable[[], Awaitable[object]], every: float, name: str) -> AsyncIterator[None]:
    """Do it now and then every so often, while inside. A turn that fails is logged, and the next one comes.

    Args:
        work: one turn.
        every: seconds between the end of a turn and the next.
        name: of the task, and in the log.
    """
    task = asyncio.create_task(_for_ever(work, every, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _for_ever(work: Callable[[], Awaitable[object]], every: float, name: str) -> None:
    while True:
        try:
            await work()
        except TransientFault as fault:
            log.warning("%s waits for its next turn: %s", name, fault)
        except Exception:
            log.exception("%s failed and waits for its next turn", name)
        await asyncio.sleep(every)
