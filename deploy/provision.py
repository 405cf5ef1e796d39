"""Makes each service's role and schema in PostgreSQL: a service owns its schema and sees no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.database import transient_faults_told
from shared.errors import HeedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")

# Settings of the transaction carry the names and the password into the block: a DO statement takes no parameters, and
# so the password stands in no statement text, which PostgreSQL may log and SQLAlchemy quotes in its errors.
TELL = text(
    "SELECT set_config('heed.role', :role, true), set_config('heed.schema', :schema, true), "
    "set_config('heed.password', :password, true)"
)
MAKE = text(
    """
    DO $$
    DECLARE
        role text := current_setting('heed.role');
        schema text := current_setting('heed.schema');
        password text := current_setting('heed.password');
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
        IF password <> '' THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', role, password);
        END IF;
        -- An administrator who is no superuser may hand a schema only to a role that it belongs to.
        IF NOT pg_has_role(current_user, role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role);
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', schema);
        EXECUTE format('ALTER SCHEMA %I OWNER TO %I', schema, role);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', schema);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END $$
    """
)


async def provision(
    admin_url: str, services: Iterable[str], passwords: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make role `heed_<service>` and its schema `<service>` for each service; what is there already stays.

    Args:
        admin_url: `postgresql+asyncpg://…` of a role that may create roles and schemas.
        services: schema names: lower case letters, digits and underscores.
        passwords: by service; a role without one gets none, which only a server that trusts its socket lets in.

    Returns:
        For each service the URL that it connects with.

    Raises:
        UsageError: a name that is none, or the administrator may not create roles.
        TransientFault: the database is away.
    """
    given = passwords or {}
    names = list(services)
    for name in names:
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no schema name; use lower case letters, digits and underscores")
    admin = make_url(admin_url).set(drivername="postgresql+asyncpg")
    database = create_async_engine(admin, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 10})
    try:
        async with transient_faults_told(), database.begin() as connection:
            # Two members that start together would both find the role missing.
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('heed-provision'))"))
            for name in names:
                told = {"role": f"heed_{name}", "schema": name, "password": given.get(name, "")}
                await connection.execute(TELL, told)
                await connection.execute(MAKE)
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None)
        if code == "42501":
            raise UsageError(
                f"{admin.username} may not create roles and schemas in {admin.database}; give an administrator's URL"
            ) from None
        raise HeedError(f"PostgreSQL refused to provision {', '.join(names)} (SQLSTATE {code}); see its log") from error
    finally:
        await database.dispose()
    return {
        name: admin.set(username=f"heed_{name}", password=given.get(name)).render_as_string(hide_password=False)
        for name in names
    }
