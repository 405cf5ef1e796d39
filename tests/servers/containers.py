"""The same three servers in containers, for machines with Docker and without Java, Go or PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from deploy.servers.endpoints import Broker, Bucket, Database

_KAFKA = "confluentinc/cp-kafka:8.0.0"  # Apache Kafka 4.0
_POSTGRESQL = "postgres:17"


def docker_answers() -> bool:
    """Whether a Docker engine is there to be asked."""
    import docker  # type: ignore[import-untyped]

    try:
        client = docker.from_env(timeout=5)
        client.ping()
        client.close()
    except (docker.errors.DockerException, OSError):
        return False
    return True


@asynccontextmanager
async def contained_kafka() -> AsyncIterator[Broker]:
    """Kafka in KRaft mode in a container."""
    from testcontainers.community.kafka import KafkaContainer

    async with _started(KafkaContainer(_KAFKA).with_kraft()) as container:
        yield Broker(container.get_bootstrap_server())


@asynccontextmanager
async def contained_minio() -> AsyncIterator[Bucket]:
    """MinIO in a container."""
    from testcontainers.community.minio import MinioContainer

    async with _started(MinioContainer()) as container:
        config = container.get_config()
        yield Bucket(f"http://{config['endpoint']}", config["access_key"], config["secret_key"])


@asynccontextmanager
async def contained_postgresql() -> AsyncIterator[Database]:
    """PostgreSQL in a container."""
    from testcontainers.community.postgres import PostgresContainer

    async with _started(PostgresContainer(_POSTGRESQL, driver="asyncpg")) as container:
        yield Database(container.get_connection_url())


@asynccontextmanager
async def _started(container: Any) -> AsyncIterator[Any]:
    await asyncio.to_thread(container.start)
    try:
        yield container
    finally:
        await asyncio.to_thread(container.stop)
