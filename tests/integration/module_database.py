"""A database that a module's tests share, and the time it takes to make."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deploy.provision import provision

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def module_database(administrator: str, schema: str) -> Iterator[str]:
    """The URL of a service's role on a database of its own, which is dropped at the end."""
    name = f"heed_test_{uuid4().hex}"
    own = make_url(administrator).set(database=name).render_as_string(hide_password=False)
    with asyncio.Runner() as runner:
        runner.run(_administer(administrator, f"CREATE DATABASE {name}"))
        yield runner.run(provision(own, [schema], {schema: "for tests only"}))[schema]
        runner.run(_administer(administrator, f"DROP DATABASE {name} WITH (FORCE)"))


async def _administer(administrator: str, statement: str) -> None:
    admin = create_async_engine(administrator, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with admin.connect() as connection:
        await connection.execute(text(statement))
