"""The trial stack's HTTP side: it ends when it is told to, whatever its clients do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from deploy.embedded import _serving
from shared.service import Running

if TYPE_CHECKING:
    import pytest


async def test_a_client_that_never_finishes_its_request_does_not_keep_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        begun.set()
        while (await receive())["type"] == "http.request":
            pass

    monkeypatch.setattr("deploy.embedded.LAST_REQUESTS", 1)
    async with asyncio.timeout(20):
        async with _serving(Running(app=app), 0) as url:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            await begun.wait()
        writer.close()
