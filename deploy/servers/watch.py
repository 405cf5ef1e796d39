"""Notices that a server ended by itself, and unwinds what was being done with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

from shared.errors import HeedError

T = TypeVar("T")

LOOK_AGAIN = 0.2
"""Seconds between looks at the servers."""

FAREWELL = 1.5
"""Seconds that each user of the servers gets to end in once one of them is gone."""


class ServerEnded(HeedError):  # noqa: N818 - what happened to it, not what we did
    """A server ended while it was needed; `what` says which and how, without where its log is and what to do."""

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}: see {log}; start again with the same --data-dir, nothing accepted is lost")
        self.what = what


@dataclass(slots=True)
class Watch:
    """The servers that should be running."""

    _looks: list[Callable[[], ServerEnded | None]] = field(default_factory=list)

    @contextmanager
    def over(self, look: Callable[[], ServerEnded | None]) -> Iterator[None]:
        """Watch one server until the block ends; `look` says whether, and how, it ended."""
        self._looks.append(look)
        try:
            yield
        finally:
            self._looks.remove(look)

    def ended(self) -> ServerEnded | None:
        """The first server found to have ended."""
        return next((ended for look in self._looks if (ended := look()) is not None), None)

    @asynccontextmanager
    async def guarding(self) -> AsyncIterator[None]:
        """Run the block only while every server runs.

        Raises:
            ServerEnded: one ended. The block was cancelled where it stood, or had failed for lack of that server.
        """
        task = asyncio.current_task()
        assert task is not None
        cancelled_before = task.cancelling()
        found: list[ServerEnded] = []

        async def look_on() -> None:
            while (ended := self.ended()) is None:  # noqa: ASYNC110 - a process that ends sets no event
                await asyncio.sleep(LOOK_AGAIN)
            found.append(ended)
            task.cancel()

        watching = asyncio.create_task(look_on())
        try:
            yield
        except asyncio.CancelledError:
            if found and task.uncancel() <= cancelled_before:
                raise found[0] from None
            raise
        except Exception as error:
            if found:
                task.uncancel()
            if ended := self.ended():
                raise ended from error
            raise
        finally:
            watching.cancel()

    def leaving(self, user: AbstractAsyncContextManager[T]) -> AbstractAsyncContextManager[T]:
        """The same context, left behind after `FAREWELL` seconds of ending if a server is gone.

        A Kafka client may wait minutes for a broker to flush to, and FastStream's for the reader's last batch.
        """
        return _Leaving(user, self)


@dataclass(slots=True)
class _Leaving(AbstractAsyncContextManager[T], Generic[T]):
    _user: AbstractAsyncContextManager[T]
    _watch: Watch

    async def __aenter__(self) -> T:
        return await self._user.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            async with asyncio.timeout(None if self._watch.ended() is None else FAREWELL):
                return await self._user.__aexit__(kind, error, trace)
        except TimeoutError:
            if self._watch.ended() is None:
                raise
            return None
