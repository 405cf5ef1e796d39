"""A real PostgreSQL for the learning service's tests: one server per module, an empty schema per test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.provision import provision
from deploy.servers.database import running_database
from shared.database import engine, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

SCHEMA = "learning"


@pytest.fixture(scope="module")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The administrator's URL of a server that lives as long as the module's tests."""
    with asyncio.Runner() as runner:
        server = running_database(tmp_path_factory.mktemp("postgres"), durable=False)
        database = runner.run(server.__aenter__())
        try:
            yield database.url
        finally:
            runner.run(server.__aexit__(None, None, None))


async def emptied(administrator: str) -> str:
    """The learning role's URL, on a schema without tables."""
    admin = create_async_engine(administrator)
    async with admin.begin() as connection:
        await connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    await admin.dispose()
    return (await provision(administrator, [SCHEMA]))[SCHEMA]


@pytest.fixture
async def url(administrator: str) -> str:
    """The learning role's URL, on a schema without tables."""
    return await emptied(administrator)


@pytest.fixture
async def database(url: str) -> AsyncIterator[AsyncEngine]:
    """The learning service's own engine, migrated."""
    made = engine(url, SCHEMA)
    await migrate(made, SCHEMA, "services.learning:migrations")
    yield made
    await made.dispose()


async def counters(database: AsyncEngine) -> dict[tuple[str, str, str, str], int]:
    """What the counters say, zeros left out."""
    async with database.connect() as connection:
        rows = await connection.execute(text("SELECT team_id, period, measure, value, count FROM period_counter"))
        return {(row[0], str(row[1]), row[2], row[3]): row[4] for row in rows if row[4]}


async def recount(database: AsyncEngine) -> dict[tuple[str, str, str, str], int]:
    """What the counters should say, counted from the rows by PostgreSQL itself."""
    async with database.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT team_id, period, m ->> 0, m ->> 1, count(*) FROM reading, jsonb_array_elements(measures) AS m "
                "WHERE NOT withdrawn GROUP BY 1, 2, 3, 4"
            )
        )
        return {(row[0], str(row[1]), row[2], row[3]): row[4] for row in rows}


async def rows(database: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]
