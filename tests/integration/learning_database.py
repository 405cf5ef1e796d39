"""The learning service's schema on the stage's PostgreSQL, and what its tables say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from shared.database import engine, migrate
from tests.integration.module_database import module_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.servers import Stage
    from tests.integration.conftest import DatabaseUrl

SCHEMA = "learning"

TABLES = (
    "reading",
    "period_counter",
    "due_page",
    "page",
    "included_part",
    "correction",
    "urgent_item",
    "due_digest",
    "digest",
    "commitment",
    "audit",
)


@pytest.fixture
async def url(database_url: DatabaseUrl) -> str:
    """The learning role's URL, on a schema without tables."""
    return await database_url(SCHEMA)


@pytest.fixture(scope="module", name="url")
def shared_url(stage: Stage) -> Iterator[str]:
    """The same on a database of the module's own, for tests that begin with `database`."""
    with module_database(stage.database.url, SCHEMA) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[AsyncEngine]:
    """The learning service's own engine, migrated, every table empty."""
    made = engine(url, SCHEMA)
    await migrate(made, SCHEMA, "services.learning:migrations")
    await emptied(made)
    yield made
    await made.dispose()


async def emptied(database: AsyncEngine) -> None:
    """Forget every row, and count by months."""
    async with database.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(TABLES)}"))
        await connection.execute(text("UPDATE counted_by SET kind = 'month'"))


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
