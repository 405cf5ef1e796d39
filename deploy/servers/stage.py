"""All three embedded servers at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from deploy.servers.broker import running_broker
from deploy.servers.bucket import running_bucket
from deploy.servers.database import running_database
from deploy.servers.endpoints import Broker, Bucket, Database, Stage
from deploy.servers.watch import Watch


@asynccontextmanager
async def started_together(
    broker: AbstractAsyncContextManager[Broker],
    bucket: AbstractAsyncContextManager[Bucket],
    database: AbstractAsyncContextManager[Database],
    watch: Watch | None = None,
) -> AsyncIterator[Stage]:
    """Start three servers side by side; if one fails the others are stopped and its error is raised alone."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(stack.enter_async_context(broker))
                second = group.create_task(stack.enter_async_context(bucket))
                third = group.create_task(stack.enter_async_context(database))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        yield Stage(first.result(), second.result(), third.result(), watch or Watch())


@asynccontextmanager
async def embedded_stage(data_dir: Path, *, durable: bool = True) -> AsyncIterator[Stage]:
    """The whole trial stage on one data directory."""
    watch = Watch()
    async with started_together(
        running_broker(data_dir, watch),
        running_bucket(data_dir, watch),
        running_database(data_dir, durable=durable, watch=watch),
        watch,
    ) as stage:
        yield stage
