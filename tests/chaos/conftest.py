"""The servers that the tests of this folder strike: always their own, as others' must not be killed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.chaos.servers import running_servers
from tests.servers import kafka, minio, postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.servers import Servers


@pytest.fixture(scope="session")
def strikable() -> None:
    """Skips where there are no servers to strike."""
    lacking = [*kafka.missing(), *minio.missing(), *postgresql.missing()]
    if lacking:
        pytest.skip(f"nothing to strike: {', '.join(lacking)} missing")


@pytest.fixture(scope="session")
def servers(strikable: None) -> Iterator[Servers]:
    """Apache Kafka, MinIO and PostgreSQL for all tests of this process that strike services only.

    A server that is struck comes back inside its test's event loop, and ends with that.
    """
    with asyncio.Runner() as runner:
        running = running_servers()
        yield runner.run(running.__aenter__())
        runner.run(running.__aexit__(None, None, None))
