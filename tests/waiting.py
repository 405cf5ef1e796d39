"""Waiting for a condition, with a bound: tests never sleep for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Return as soon as the condition holds; fail when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """The same outside an event loop."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
