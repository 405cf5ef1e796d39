"""No query between "a page is due" and "it is sent" looks at every reading; the benchmark asks it of a million, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.readings import fill
from tests.bench.summaries import QUERIES, plan_of
from tests.integration.learning_database import counters, database, recount, shared_url

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["database", "shared_url"]

pytestmark = pytest.mark.integration


async def test_a_summary_asks_for_nothing_that_grows_with_the_number_of_readings(
    database: AsyncEngine, url: str
) -> None:
    await fill(url, 20_000)
    assert await counters(database) == await recount(database)

    async with database.connect() as connection:
        plans = {name: await plan_of(connection, name) for name in QUERIES}

    assert [name for name, plan in plans.items() if "Seq Scan on reading" in plan] == []
    assert "reading_quotable" in plans["quotable"]
    assert "reading_not_included" in plans["include"]
    assert not any(" on reading" in plans[name] for name in ("counters", "newest page", "digest counters"))
