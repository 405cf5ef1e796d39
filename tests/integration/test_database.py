"""The engine that every service has, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from shared.database import engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration


async def test_connections_that_the_server_closed_while_they_were_idle_are_not_used(database_url: DatabaseUrl) -> None:
    url = await database_url("learning")
    database, other = engine(url, "learning"), engine(url, "learning")
    try:
        two = await asyncio.gather(_process(database), _process(database))
        assert len(set(two)) == 2
        async with other.connect() as connection:
            # True once the process is gone: its end of the connection is closed, and ours has been told.
            ended = [await connection.scalar(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": p}) for p in two]
        assert ended == [True, True]

        after = await asyncio.gather(_process(database), _process(database))

        assert not set(after) & set(two)
    finally:
        await database.dispose()
        await other.dispose()


async def _process(database: AsyncEngine) -> int:
    """The server's process behind a connection; two that ask at once get one each."""
    async with database.connect() as connection:
        found: int = (await connection.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.1)"))).scalar_one()
        return found
