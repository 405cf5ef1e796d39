"""Apache Kafka, MinIO and PostgreSQL, each of which can be struck and comes back where it was with what it had."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shared.objects import ObjectStore
from tests import processes
from tests.chaos.house import Failing
from tests.servers.kafka import running_kafka
from tests.servers.minio import running_minio
from tests.servers.postgresql import running_postgresql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from deploy.servers import Broker, Bucket, Database
    from deploy.servers.watch import Watch

Server = TypeVar("Server")

OBJECT = "kept-through-everything"


@dataclass(frozen=True, slots=True)
class Servers:
    """The three, and where they are: addresses never change.

    Attributes:
        directory: of their data and logs.
    """

    directory: Path
    broker: Broker
    bucket: Bucket
    database: Database
    failing: dict[str, Failing]

    async def bucket_is_whole(self) -> bool:
        """Whether the bucket answers."""
        return await ObjectStore(self.bucket.endpoint, self.bucket.access_key, self.bucket.secret_key, OBJECT).is_up()


@asynccontextmanager
async def running_servers() -> AsyncIterator[Servers]:
    """Start them in a directory of their own; on the way out, stop them and remove it."""
    with tempfile.TemporaryDirectory(prefix="heed-chaos-", ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        await asyncio.to_thread(directory.chmod, 0o711)  # the database's account passes through
        kafka, minio, postgresql = (_own(directory, name) for name in ("kafka", "minio", "postgresql"))
        brokers: list[Broker] = []
        buckets: list[Bucket] = []
        databases: list[Database] = []
        failing = {
            "broker": Failing("broker", _starting("java", lambda: running_kafka(kafka), brokers)),
            "bucket": Failing("bucket", _starting("minio", lambda: running_minio(minio), buckets)),
            "postgresql": Failing(
                "postgresql", _starting("postgres", lambda: running_postgresql(postgresql), databases)
            ),
        }
        try:
            for server in failing.values():
                await server.started()
            bucket = buckets[0]
            await ObjectStore(bucket.endpoint, bucket.access_key, bucket.secret_key, OBJECT).ensure()
            yield Servers(directory, brokers[0], bucket, databases[0], failing)
        finally:
            for server in failing.values():
                await server.stopped()


def _own(directory: Path, name: str) -> Path:
    path = directory / name
    path.mkdir()
    path.chmod(0o711)
    return path


def _starting(
    program: str, running: Callable[[], AbstractAsyncContextManager[Server]], seen: list[Server]
) -> Callable[[Watch], AbstractAsyncContextManager[int]]:
    @asynccontextmanager
    async def start(_: Watch) -> AsyncIterator[int]:
        before = processes.running(program)
        async with running() as server:
            seen.append(server)
            (process,) = processes.running(program) - before
            yield process

    return start
