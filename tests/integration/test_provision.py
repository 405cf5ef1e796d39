"""Roles and schemas on a real PostgreSQL: each service owns its own and sees no other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deploy.provision import provision
from shared.errors import TransientFault, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

pytestmark = pytest.mark.integration


@pytest.fixture
def admin_url(administrator: str) -> str:
    return administrator


@pytest.fixture
async def names(admin_url: str) -> AsyncIterator[list[str]]:
    made = [f"svc_{uuid4().hex[:10]}" for _ in range(2)]
    yield made
    async with connected(admin_url) as connection:
        for name in made:
            await connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
            role = await connection.execute(
                text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": f"heed_{name}"}
            )
            if role.first():
                await connection.execute(text(f"DROP OWNED BY heed_{name}"))
                await connection.execute(text(f"DROP ROLE heed_{name}"))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    database = create_async_engine(url, poolclass=NullPool)
    try:
        async with database.begin() as connection:
            yield connection
    finally:
        await database.dispose()


def passwords(names: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(names, 'it\'s a "secret" %s :x \\')


async def test_a_service_may_do_all_in_its_schema_and_nothing_in_anothers(admin_url: str, names: list[str]) -> None:
    urls = await provision(admin_url, names, passwords(names))
    mine, other = names
    async with connected(urls[mine]) as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar_one() == f"heed_{mine}"
        await connection.execute(text(f"CREATE TABLE {mine}.thing (id int)"))
    for statement in (
        f"TABLE {mine}.thing",
        f"CREATE TABLE {mine}.theirs (id int)",
        "CREATE TABLE public.theirs (id int)",
        "CREATE ROLE theirs",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with connected(urls[other]) as connection:
                await connection.execute(text(statement))


async def test_a_second_run_keeps_what_is_there(admin_url: str, names: list[str]) -> None:
    first = await provision(admin_url, names, passwords(names))
    async with connected(first[names[0]]) as connection:
        await connection.execute(text(f"CREATE TABLE {names[0]}.thing (id int)"))
    assert await provision(admin_url, names, passwords(names)) == first
    async with connected(first[names[0]]) as connection:
        await connection.execute(text(f"TABLE {names[0]}.thing"))


async def test_members_that_start_together_do_not_collide(admin_url: str, names: list[str]) -> None:
    runs = await asyncio.gather(*(provision(admin_url, names, passwords(names)) for _ in range(5)))
    assert all(run == runs[0] for run in runs)


async def test_a_password_is_set_and_the_url_carries_it(admin_url: str, names: list[str]) -> None:
    given = {names[0]: "p@ss/w:rd'%"}
    urls = await provision(admin_url, names[:1], given)
    assert make_url(urls[names[0]]).password == given[names[0]]
    async with connected(admin_url) as connection:
        kept = await connection.execute(
            text("SELECT rolpassword FROM pg_authid WHERE rolname = :role"), {"role": f"heed_{names[0]}"}
        )
        assert str(kept.scalar_one()).startswith("SCRAM-SHA-256$")


@pytest.mark.parametrize("name", ["", "Gateway", "a b", 'x"; DROP ROLE y', "1a", "a" * 60])
async def test_a_name_that_is_no_schema_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no schema name"):
        await provision("postgresql+asyncpg://postgres@127.0.0.1:1/postgres", [name])


async def test_a_role_that_may_not_create_roles_is_told(admin_url: str, names: list[str]) -> None:
    urls = await provision(admin_url, names[:1], passwords(names[:1]))
    with pytest.raises(UsageError, match="may not create roles and schemas"):
        await provision(urls[names[0]], [names[1]])


async def test_a_database_that_is_away_is_told() -> None:
    with pytest.raises(TransientFault, match="PostgreSQL is away"):
        await provision("postgresql+asyncpg://postgres@127.0.0.1:1/postgres", ["gateway"])
