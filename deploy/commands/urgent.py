"""`heed urgent`: what a person should look at today, and who has."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, database_url, find_installation
from services.learning.urgent import UrgentStore
from shared.database import engine
from shared.errors import UsageError
from shared.events import UrgentAcknowledged
from shared.publisher import record, running_publisher
from shared.topics import URGENT_ACKNOWLEDGED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from deploy.connection import Installation
    from services.learning.urgent import UrgentItem

SOURCE = "cli"


@click.group()
def command() -> None:
    """List what a person should look at today, and say that somebody has taken it on.

    Reasons and ids only; the words are not here.
    """


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that somebody has taken on, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@data_dir_option
def list_(everything: bool, as_json: bool, data_dir: Path | None) -> None:
    """List what nobody has taken on yet, the oldest first."""
    items = asyncio.run(_items(find_installation(data_dir), everything=everything))
    rows = [_row(item) for item in items]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif rows:
        told = [
            [", ".join(value) if isinstance(value, list) else value or "-" for value in row.values()] for row in rows
        ]
        click.echo(aligned([name.replace("_", " ") for name in rows[0]], told))
    else:
        click.echo("nothing waits")


@command.command()
@click.argument("feedback_id", type=click.UUID)
@click.option("--role", required=True, help="Whose role it is; a role, never a person's name.")
@data_dir_option
def acknowledge(feedback_id: UUID, role: str, data_dir: Path | None) -> None:
    """Say that somebody in ROLE has taken FEEDBACK_ID on, as `urgent-acknowledged`."""
    asyncio.run(_acknowledge(find_installation(data_dir), feedback_id, role))
    click.echo(f"acknowledged {feedback_id}")


def _row(item: UrgentItem) -> dict[str, object]:
    return {
        "feedback_id": str(item.feedback_id),
        "role": item.role,
        "organisation": item.organisation,
        "reasons": list(item.reasons),
        "flagged": item.flagged_at.isoformat(timespec="seconds"),
        "acknowledged": item.acknowledged_at.isoformat(timespec="seconds") if item.acknowledged_at else None,
        "by": item.acknowledged_by,
    }


async def _items(installation: Installation, *, everything: bool) -> Sequence[UrgentItem]:
    async with database_url(installation, "learning") as url:
        database = engine(url, "learning", pool_size=1)
        try:
            return await UrgentStore(database).items(everything=everything)
        finally:
            await database.dispose()


async def _acknowledge(installation: Installation, feedback_id: UUID, role: str) -> None:
    settings = installation.kafka()
    waiting = {item.feedback_id: item for item in await _items(installation, everything=False)}
    if feedback_id not in waiting:
        raise UsageError(f"{feedback_id} does not wait; `heed urgent list` shows what does")
    event = UrgentAcknowledged(
        feedback_id=feedback_id,
        version=waiting[feedback_id].version,
        role=role,
        acknowledged_at=datetime.now(UTC),
    )
    async with running_publisher(settings, "heed-urgent") as publisher:
        await publisher.send([record(URGENT_ACKNOWLEDGED, event, SOURCE)])
