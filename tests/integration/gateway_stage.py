"""What the gateway's integration tests stand on: its schema on a real PostgreSQL, and submissions to put there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from services.gateway.app import SCHEMA, migrate_database
from services.gateway.feedback import Prepared, prepare
from services.gateway.integrations import Integration
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.settings import GatewaySettings
from services.gateway.submission import read_submission
from shared.database import engine
from tests import waiting
from tests.integration.module_database import module_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.servers import Stage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SURVEY = Integration("survey", (), NOW)
KEY = Pseudonyms(b"k" * 32)

COMMENT: dict[str, Any] = {
    "kind": "comment",
    "source_id": "1",
    "channel": "survey",
    "text": "The nurses were kind.",
    "occurred_at": "2026-03-01",
    "about": {"organisation": "Brookvale Hospital"},
}


@pytest.fixture(scope="module")
def gateway_url(stage: Stage) -> Iterator[str]:
    """The gateway role's URL, on a database of the module's own."""
    with module_database(stage.database.url, SCHEMA) as url:
        yield url


@pytest.fixture
async def database(gateway_url: str) -> AsyncIterator[AsyncEngine]:
    """The gateway's engine, on tables of the newest revision, all empty."""
    opened = engine(gateway_url, SCHEMA, pool_size=10)
    await migrate_database(opened)
    async with opened.begin() as connection:
        await connection.execute(text("TRUNCATE integration, feedback, media, outbox, summarised, audit"))
    yield opened
    await opened.dispose()


def settings(url: str, **given: Any) -> GatewaySettings:
    """Settings with short pauses."""
    quick: dict[str, Any] = {"relay_poll": 0.05, "backoff_initial": 0.01, "backoff_max": 0.05, **given}
    return GatewaySettings(database_url=url, pseudonym_key="k" * 32, **quick)


def submission(source_id: str = "1", words: str = "The nurses were kind.") -> Prepared:
    """What the store takes."""
    body = json.dumps({**COMMENT, "source_id": source_id, "text": words}).encode()
    return prepare(read_submission(body, NOW), SURVEY, KEY, NOW)


async def rows(database: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    async with database.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


until = partial(waiting.until, seconds=15)
"""Wait for a condition, with this folder's bound."""
