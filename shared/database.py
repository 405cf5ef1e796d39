"""PostgreSQL: one schema and one role per service; SQLAlchemy Core, migrated by Alembic."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection
    from sqlalchemy.engine import AdaptedConnection

STATEMENT_LIMIT = 60.0
"""Seconds after which a statement without an answer counts as "the database is away"."""

AWAY = ("08", "53", "57P", "40001", "40P01")
"""SQLSTATE classes that pass by themselves: connection, resources, shutdown, serialisation, deadlock."""


def engine(url: str, schema: str, pool_size: int = 5) -> AsyncEngine:
    """An engine whose connections see one schema only.

    Args:
        url: `postgresql+asyncpg://…`.
        schema: the service's own.
        pool_size: connections at most; there is no overflow, so a service cannot starve another.
    """
    made = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # parameters hold patients' words; they must not reach an exception's text
        connect_args={
            "timeout": 10,
            "command_timeout": STATEMENT_LIMIT,
            "server_settings": {
                "search_path": schema,
                "application_name": f"heed-{schema}",
                # A member that vanished must not keep its locks until TCP gives up on it.
                "tcp_user_timeout": str(int(STATEMENT_LIMIT * 1000)),
                "idle_in_transaction_session_timeout": str(int(STATEMENT_LIMIT * 1000)),
            },
        },
    )
    event.listen(made.sync_engine, "checkout", _refuse_closed)
    return made


def _refuse_closed(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Refuse a connection that PostgreSQL closed while it was idle, and with it all that are as old.

    The driver has been told of the end. SQLAlchemy's `pool_pre_ping` asks PostgreSQL, in three round trips each time.

    Raises:
        InvalidatePoolError: the pool connects anew.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def is_away(error: BaseException) -> bool:
    """Whether the database is only out of reach for now."""
    if isinstance(error, InterfaceError | PoolTimeout | OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    if state:
        return str(state).startswith(AWAY)
    return isinstance(error, OperationalError) or error.connection_invalidated


@asynccontextmanager
async def transient_faults_told() -> AsyncIterator[None]:
    """Turn "the database is away" into `TransientFault`; let every other error through.

    Raises:
        TransientFault: the work inside may be tried again.
    """
    try:
        yield
    except Exception as error:
        if is_away(error):
            raise TransientFault(f"PostgreSQL is away ({type(error).__name__}); is it up?") from error
        raise


async def migrate(database: AsyncEngine, schema: str, scripts: str) -> None:
    """Bring a service's schema to the newest revision; safe to run from several members at once.

    Args:
        database: the service's engine.
        schema: the schema; it must exist and belong to the engine's role.
        scripts: Alembic script location, e.g. `services.gateway:migrations`.
    """
    # A quarter of a second, which the commands that only read and write rows need not wait for.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", scripts)

    def upgrade(connection: Connection) -> None:
        # One member migrates, the others wait and then find nothing to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"heed-migrate-{schema}"})
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, "head")

    async with transient_faults_told(), database.begin() as connection:
        await connection.run_sync(upgrade)


async def is_up(database: AsyncEngine) -> bool:
    """Whether one round trip works within two seconds."""
    try:
        async with asyncio.timeout(2), database.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception:  # noqa: BLE001 - any failure at all means "no" here
        return False
    return True
