"""`heed integrations`: who may submit feedback."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, database_url, find_installation
from services.gateway.integrations import (
    Integration,
    add_integration,
    list_integrations,
    revoke_integration,
)
from shared.database import engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine


@click.group()
def command() -> None:
    """Add, list and revoke the keys of those who submit feedback."""


@command.command()
@click.argument("name")
@click.option("--organisation", "organisations", multiple=True, help="May submit for this one only; may be repeated.")
@data_dir_option
def add(name: str, organisations: tuple[str, ...], data_dir: Path | None) -> None:
    """Give NAME a key and print it, this once; Heed keeps only its hash.

    NAME is lower-case letters, digits and hyphens. It is part of the id of all that it submits, so it never changes.
    """
    key = asyncio.run(_add(data_dir, name, organisations))
    click.echo(key)
    click.echo("heed: keep the key now, it cannot be shown again", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@data_dir_option
def list_(as_json: bool, data_dir: Path | None) -> None:
    """List integrations, revoked ones too."""
    rows = [_row(integration) for integration in asyncio.run(_list(data_dir))]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif rows:
        told = [
            [", ".join(value) or "any" if isinstance(value, list) else value or "" for value in row.values()]
            for row in rows
        ]
        click.echo(aligned(list(rows[0]), told))
    else:
        click.echo("no integrations")


@command.command()
@click.argument("name")
@data_dir_option
def revoke(name: str, data_dir: Path | None) -> None:
    """Stop NAME's key within seconds; what it submitted stays."""
    asyncio.run(_revoke(data_dir, name))
    click.echo(f"revoked {name}")


def _row(integration: Integration) -> dict[str, object]:
    return {
        "name": integration.id,
        "organisations": list(integration.organisations),
        "added": integration.created_at.isoformat(timespec="seconds"),
        "revoked": integration.revoked_at.isoformat(timespec="seconds") if integration.revoked_at else None,
    }


@asynccontextmanager
async def _gateway(data_dir: Path | None) -> AsyncIterator[AsyncEngine]:
    async with database_url(find_installation(data_dir), "gateway") as url:
        database = engine(url, "gateway", pool_size=1)
        try:
            yield database
        finally:
            await database.dispose()


async def _add(data_dir: Path | None, name: str, organisations: tuple[str, ...]) -> str:
    async with _gateway(data_dir) as database:
        return await add_integration(database, name, organisations, datetime.now(UTC))


async def _list(data_dir: Path | None) -> list[Integration]:
    async with _gateway(data_dir) as database:
        return await list_integrations(database)


async def _revoke(data_dir: Path | None, name: str) -> None:
    async with _gateway(data_dir) as database:
        await revoke_integration(database, name, datetime.now(UTC))
