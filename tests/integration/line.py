"""A line to a server that a test can cut and mend, as a switch fails and comes back: the server stays as it is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass
class Line:
    """Listens on a port of 127.0.0.1 and passes everything on, until it is cut."""

    dial: Dial
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def mend(self) -> None:
        """Take connections, on the port of before."""
        self._server = await asyncio.start_server(self._passed_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse connections, and drop those there are."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _passed_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.CancelledError):
            there, onward = await self.dial()
            self._open |= {writer, onward}
            await asyncio.gather(_copied(reader, onward), _copied(there, writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def line_to_database(url: str) -> AsyncIterator[tuple[Line, str]]:
    """A line to PostgreSQL, on a socket or a port; and the URL that goes through it."""
    told = make_url(url)
    socket = told.query.get("host")

    def dial() -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if isinstance(socket, str):
            return asyncio.open_unix_connection(f"{socket}/.s.PGSQL.5432")
        assert told.host is not None
        return asyncio.open_connection(told.host, told.port or 5432)

    line = Line(dial)
    await line.mend()
    through = told.difference_update_query(["host"]).set(host="127.0.0.1", port=line.port)
    try:
        yield line, through.render_as_string(hide_password=False)
    finally:
        await line.cut()


@asynccontextmanager
async def line_to_http(endpoint: str) -> AsyncIterator[tuple[Line, str]]:
    """A line to an HTTP server; and the URL that goes through it."""
    parts = urlsplit(endpoint)
    line = Line(lambda: asyncio.open_connection(parts.hostname, parts.port))
    await line.mend()
    try:
        yield line, f"{parts.scheme}://127.0.0.1:{line.port}"
    finally:
        await line.cut()
