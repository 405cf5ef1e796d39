"""The trial stack's HTTP side: it ends when it is told to, whatever its clients do."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from deploy.embedded import _bound, _serving, running_stack
from deploy.sample import CATALOGUE
from shared.errors import HeedError, UsageError
from shared.service import Running

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_client_that_never_finishes_its_request_does_not_keep_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        begun.set()
        while (await receive())["type"] == "http.request":
            pass

    monkeypatch.setattr("deploy.embedded.LAST_REQUESTS", 1)
    async with asyncio.timeout(20):
        with _bound(0) as listener:
            async with _serving(Running(app=app), listener) as url:
                _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
                await begun.wait()
        writer.close()


async def test_a_port_lost_before_it_is_listened_on_is_one_line_and_no_endless_wait() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        return

    with _bound(0) as listener, socket.socket() as quicker:
        quicker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        quicker.bind(listener.getsockname())
        quicker.listen()
        async with asyncio.timeout(10):
            with pytest.raises(HeedError, match=r"cannot take requests at http://127.0.0.1:\d+: Address") as refusal:
                await _serving(Running(app=app), listener).__aenter__()
    assert "\n" not in str(refusal.value)


async def test_a_taken_port_is_told_before_any_server_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken"):
            await running_stack(tmp_path / "data", CATALOGUE, http_port=port).__aenter__()
    assert not (tmp_path / "data").exists()
