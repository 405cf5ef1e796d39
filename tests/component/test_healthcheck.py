"""The image's health check, run as Docker runs it, against the real HTTP side of a service."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from deploy.servers.ports import free_ports, listens
from shared.service import HealthApp, Running
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def serving(*, database: bool) -> AsyncIterator[int]:
    async def up() -> bool:
        return database

    (port,) = free_ports(1)
    config = uvicorn.Config(HealthApp(Running(checks={"database": up})), port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: listens(port))
    try:
        yield port
    finally:
        server.should_exit = True
        await task


async def asked(port: int) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.healthcheck",
        cwd=ROOT,
        env={**os.environ, "HEED_HTTP_PORT": str(port)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    return process.returncode, told.decode()


async def test_a_ready_service_is_healthy() -> None:
    async with serving(database=True) as port:
        assert await asked(port) == (0, "")


async def test_a_service_that_is_not_ready_is_told_with_the_check_that_fails() -> None:
    async with serving(database=False) as port:
        assert await asked(port) == (1, "heed: not ready: database\n")


async def test_a_service_that_does_not_answer_is_told() -> None:
    (port,) = free_ports(1)
    assert await asked(port) == (1, f"heed: no answer on port {port} (ConnectionRefusedError)\n")
