"""Makes each service's role and schema in PostgreSQL: a service owns its schema and sees no other.

`python -m deploy.provision` does it before the services start, as often as it is asked; a changed password is taken
over. The services make their tables themselves.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING

import click
from sqlalchemy import make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from deploy.cli import run
from shared.database import transient_faults_told
from shared.errors import HeedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SERVICES = ("gateway", "learning", "media", "portal")
"""The services that keep state."""

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


def _service_options(command: Callable[..., None]) -> Callable[..., None]:
    for service in reversed(SERVICES):
        told = f"What {service} connects with; its role gets the password."
        command = click.option(f"--{service}", envvar=f"HEED_{service.upper()}_DATABASE_URL", help=told)(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--admin", envvar="HEED_ADMIN_DATABASE_URL", required=True, help="PostgreSQL of an administrator.")
@_service_options
def command(*, admin: str, **urls: str | None) -> None:
    """Make the role and the schema of each service whose URL is given, by option or by HEED_…_DATABASE_URL."""
    passwords = {service: _password(service, url) for service, url in urls.items() if url is not None}
    if not passwords:
        raise UsageError(f"no service's URL is given; set HEED_{SERVICES[0].upper()}_DATABASE_URL")
    asyncio.run(provision(_parsed("admin", admin).render_as_string(hide_password=False), passwords, passwords))
    for service in passwords:
        click.echo(f"heed_{service} owns schema {service}")


def _password(service: str, url: str) -> str:
    parsed = _parsed(service, url)
    if parsed.username != f"heed_{service}" or not parsed.password:
        raise UsageError(f"HEED_{service.upper()}_DATABASE_URL must log in as heed_{service}, with a password")
    return str(parsed.password)


def _parsed(whose: str, url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:  # its text quotes the URL, and so the password
        raise UsageError(f"HEED_{whose.upper()}_DATABASE_URL is no URL; write postgresql+asyncpg://…") from None


if __name__ == "__main__":
    sys.exit(run(command, sys.argv[1:], "python -m deploy.provision"))
