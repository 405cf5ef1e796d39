"""The stage of the integration tests: the embedded servers, or with `HEED_TEST_STAGE=real` Kafka, MinIO, PostgreSQL.

The same tests meet both. Parallel-safe: a test has topics and groups under a prefix of its own, and its own database.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.create_topics import create_topics
from deploy.provision import provision
from deploy.servers import Broker, embedded_stage, running_broker
from shared.publisher import running_publisher
from shared.settings import ServiceSettings
from tests.servers.stage import real_servers, what_is_missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from deploy.servers import Stage
    from shared.publisher import KafkaPublisher

    DatabaseUrl = Callable[[str], Awaitable[str]]

REAL = os.environ.get("HEED_TEST_STAGE") == "real"

ONCE_ONLY = pytest.mark.skipif(REAL, reason="meets no server of the stage: `make test` has run it")
"""For what brings its own embedded servers, or needs none: on the real ones it would be the same test again."""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The three servers, for as long as the tests of this process run."""
    if REAL and (reason := what_is_missing()):
        pytest.skip(reason)
    with asyncio.Runner() as runner:
        servers = real_servers() if REAL else embedded_stage(tmp_path_factory.mktemp("stage"), durable=False)
        running = runner.run(servers.__aenter__())
        try:
            yield running
        finally:
            runner.run(servers.__aexit__(None, None, None))


@pytest.fixture
def stages_broker(request: pytest.FixtureRequest) -> Broker | None:
    """The stage's broker where that is Kafka."""
    return request.getfixturevalue("stage").broker if REAL else None


@pytest.fixture
async def broker(stages_broker: Broker | None, tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker: embedded, one of the test's own, as it boots in milliseconds and takes one producer only."""
    if stages_broker is not None:
        yield stages_broker
        return
    async with running_broker(tmp_path) as own:
        yield own


@pytest.fixture
async def kafka(broker: Broker) -> ServiceSettings:
    """Settings that reach the broker, under a prefix of the test's own, with every topic made and short pauses."""
    prefix = f"t{uuid4().hex[:10]}-"
    settings = ServiceSettings(
        kafka_bootstrap=broker.bootstrap,
        kafka_prefix=prefix,
        kafka_embedded=not REAL,
        backoff_initial=0.02,
        backoff_max=0.2,
    )
    await create_topics(settings, ["unrouted"], themes=[])
    return settings


@pytest.fixture
async def publisher(kafka: ServiceSettings) -> AsyncIterator[KafkaPublisher]:
    """The test's one producer."""
    async with running_publisher(kafka, "test") as connected:
        yield connected


@pytest.fixture
def administrator(stage: Stage) -> str:
    """An administrator's URL of the database server."""
    return stage.database.url


@pytest.fixture
async def database_url(administrator: str) -> AsyncIterator[DatabaseUrl]:
    """`await database_url(service)`: the URL of the service's role on an empty schema."""
    name = f"heed_test_{uuid4().hex}"
    admin = create_async_engine(administrator, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        own = make_url(administrator).set(database=name).render_as_string(hide_password=False)

        async def url(service: str) -> str:
            return (await provision(own, [service], {service: "for tests only"}))[service]

        yield url
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()
