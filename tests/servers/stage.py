"""The stage that the integration tests meet when they are asked to meet real servers."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from deploy.servers import Broker, Bucket, Database, Stage, started_together
from shared.errors import HeedError
from tests.servers import containers, kafka, minio, postgresql

KAFKA, S3, DATABASE = "HEED_TEST_KAFKA", "HEED_TEST_S3", "HEED_TEST_DATABASE"
Server = TypeVar("Server")
_NEEDS: Mapping[str, Callable[[], list[str]]] = {
    KAFKA: kafka.missing,
    S3: minio.missing,
    DATABASE: postgresql.missing,
}


class ServersMissing(HeedError):  # noqa: N818 - a reason to skip
    """No server can be had for at least one of the three; the line says what to install or name."""


def what_is_missing() -> str | None:
    """Why there can be no real servers here, as a skip reason; None where there can."""
    lacking = {name: needs() for name, needs in _NEEDS.items() if not os.environ.get(name)}
    lacking = {name: commands for name, commands in lacking.items() if commands}
    if not lacking or _docker():
        return None
    wants = "; ".join(f"{' and '.join(commands)} (or set {name})" for name, commands in lacking.items())
    return f"no real servers: there is no Docker, and these are missing: {wants}"


@asynccontextmanager
async def real_servers() -> AsyncIterator[Stage]:
    """Apache Kafka, an S3 store and PostgreSQL until the block ends.

    Each is, in this order: the server that the environment names, one started here, one in a container.

    Raises:
        ServersMissing: none of the three ways is open for one of them.
    """
    if reason := what_is_missing():
        raise ServersMissing(reason)
    directory = Path(tempfile.mkdtemp(prefix="heed-real-"))
    try:
        await asyncio.to_thread(directory.chmod, 0o711)  # the database's account passes through
        async with started_together(_broker(directory), _bucket(directory), _database(directory)) as stage:
            yield stage
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _broker(directory: Path) -> AbstractAsyncContextManager[Broker]:
    if named := os.environ.get(KAFKA):
        return _named(Broker(named))
    return containers.contained_kafka() if kafka.missing() else kafka.running_kafka(_own(directory, "kafka"))


def _bucket(directory: Path) -> AbstractAsyncContextManager[Bucket]:
    if named := os.environ.get(S3):
        return _named(bucket_from(named))
    return containers.contained_minio() if minio.missing() else minio.running_minio(_own(directory, "minio"))


def _database(directory: Path) -> AbstractAsyncContextManager[Database]:
    if named := os.environ.get(DATABASE):
        return _named(Database(named))
    if postgresql.missing():
        return containers.contained_postgresql()
    return postgresql.running_postgresql(_own(directory, "postgresql"))


def bucket_from(url: str) -> Bucket:
    """Read `http://key:secret@host:port`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not (parts.hostname and parts.username and parts.password):
        raise HeedError(f"{S3} is no S3 address: write http://key:secret@host:port")
    address = parts.netloc.rpartition("@")[2]
    return Bucket(f"{parts.scheme}://{address}", unquote(parts.username), unquote(parts.password))


def variables(stage: Stage) -> Mapping[str, str]:
    """The environment under which the tests meet this stage."""
    scheme, address = stage.bucket.endpoint.split("://", 1)
    return {
        KAFKA: stage.broker.bootstrap,
        S3: f"{scheme}://{quote(stage.bucket.access_key, '')}:{quote(stage.bucket.secret_key, '')}@{address}",
        DATABASE: stage.database.url,
    }


@asynccontextmanager
async def _named(server: Server) -> AsyncIterator[Server]:
    yield server


def _own(directory: Path, name: str) -> Path:
    path = directory / name
    path.mkdir()
    path.chmod(0o711)
    return path


@cache
def _docker() -> bool:
    return containers.docker_answers()
