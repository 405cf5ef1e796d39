"""A service for the tests of stopping: its effect says that it has begun, and ends once it is let."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.consumer import BatchConsumer, Delivery
from shared.service import Running, run
from shared.settings import ServiceSettings
from shared.topics import FEEDBACK_SUBMITTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.events import FeedbackSubmitted
    from shared.publisher import Publisher


async def effect(_: Sequence[Delivery[FeedbackSubmitted]]) -> None:
    """Begin, wait for a line that lets it end, end; or never end, where the first argument is `stuck`."""
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    if sys.argv[1:] == ["stuck"]:
        await asyncio.Event().wait()
    await asyncio.to_thread(sys.stdin.readline)
    sys.stdout.write("ended\n")


@asynccontextmanager
async def running(settings: ServiceSettings, publisher: Publisher) -> AsyncIterator[Running]:
    """One consumer; says so when it is told to stop."""
    try:
        yield Running(
            [
                BatchConsumer(
                    service="analysis", topic=FEEDBACK_SUBMITTED, effect=effect, publisher=publisher, settings=settings
                )
            ]
        )
    finally:
        sys.stdout.write("stopped\n")


if __name__ == "__main__":
    run("stoppable", ServiceSettings, running)
