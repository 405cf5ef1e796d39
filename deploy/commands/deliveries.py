"""`heed deliveries`: pages that could not be delivered to who subscribed."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, database_url, find_installation
from services.portal.deliveries_store import DeliveryStore
from services.portal.people import Person
from shared.database import engine
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from services.portal.deliveries_store import DeadDelivery

OPERATOR = Person("operator at the command line", frozenset(), frozenset())
"""Who replays, for the audit."""


@click.group()
def command() -> None:
    """List pages that could not be delivered, and have them tried again.

    Who subscribed, and what may be told of where to; never an address whole, and no words.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@data_dir_option
def list_(as_json: bool, data_dir: Path | None) -> None:
    """List dead deliveries, the oldest first."""
    rows = [_row(delivery) for delivery in asyncio.run(_dead(data_dir))]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif rows:
        click.echo(aligned(list(rows[0]), [[str(value) for value in row.values()] for row in rows]))
    else:
        click.echo("none is dead")


@command.command()
@click.argument("delivery", type=click.UUID, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead delivery.")
@data_dir_option
def replay(delivery: tuple[UUID, ...], everything: bool, data_dir: Path | None) -> None:
    """Try each DELIVERY, an id that `heed deliveries list` prints, again from the start."""
    if bool(delivery) == everything:
        raise UsageError("name deliveries, or --all; `heed deliveries list` shows what is dead")
    number = asyncio.run(_replay(data_dir, None if everything else delivery))
    if delivery and number < len(set(delivery)):
        raise UsageError(f"{len(set(delivery)) - number} of them are not dead; {number} are tried again")
    click.echo(f"{number} tried again")


def _row(delivery: DeadDelivery) -> dict[str, object]:
    return {
        "delivery": str(delivery.id),
        "team": delivery.about,
        "period": delivery.period.isoformat(),
        "revision": delivery.revision,
        "owner": delivery.owner,
        "channel": delivery.channel.value,
        "to": delivery.shown,
        "attempts": delivery.attempts,
        "reason": delivery.reason,
        "died": delivery.died_at.isoformat(timespec="seconds"),
    }


@asynccontextmanager
async def _deliveries(data_dir: Path | None) -> AsyncIterator[DeliveryStore]:
    async with database_url(find_installation(data_dir), "portal") as url:
        database = engine(url, "portal", pool_size=1)
        try:
            yield DeliveryStore(database)
        finally:
            await database.dispose()


async def _dead(data_dir: Path | None) -> list[DeadDelivery]:
    async with _deliveries(data_dir) as store:
        return await store.dead()


async def _replay(data_dir: Path | None, ids: tuple[UUID, ...] | None) -> int:
    async with _deliveries(data_dir) as store:
        return await store.replay(ids, datetime.now(UTC), OPERATOR)
