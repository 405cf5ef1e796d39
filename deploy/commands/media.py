"""`heed media`: recordings that a person has to decide about, and what was decided."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, database_url, find_installation
from services.media.store import HeldMedia, MediaStore
from shared.database import engine
from shared.errors import UsageError
from shared.media import MediaConsent, Shown
from shared.publisher import record, running_publisher
from shared.topics import MEDIA_UPLOADED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from deploy.connection import Installation

SOURCE = "cli"

DECIDED = click.Choice(["nobody", "agreed"])


@click.group()
def command() -> None:
    """List the recordings that wait for a person, and say what was decided about one.

    They wait because somebody who can be seen or heard was not asked, or because the submitter is under 16. Ids and
    reasons only; what is in them is not here, and nothing reads it before the decision.
    """


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@data_dir_option
def held(as_json: bool, data_dir: Path | None) -> None:
    """List what waits, the oldest first."""
    rows = [_row(item) for item in asyncio.run(_held(find_installation(data_dir)))]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    elif rows:
        click.echo(aligned([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows]))
    else:
        click.echo("nothing waits")


@command.command()
@click.argument("media_id", type=click.UUID)
@click.option("--role", required=True, help="Who decided: a role, never a person's name.")
@click.option("--bystanders", type=DECIDED, help="Nobody else is seen or heard, or they agreed.")
@click.option("--staff", type=DECIDED, help="The same of members of staff.")
@click.option("--poster", is_flag=True, help="A still picture may stand for the film.")
@click.option("--refuse", is_flag=True, help="The recording is not to be used: it is deleted, unread.")
@data_dir_option
def resolve(
    *,
    media_id: UUID,
    role: str,
    bystanders: Shown | None,
    staff: Shown | None,
    poster: bool,
    refuse: bool,
    data_dir: Path | None,
) -> None:
    """Say what was decided about MEDIA_ID: that all agreed, or that it is refused."""
    if refuse == bool(bystanders and staff) or (refuse and (bystanders or staff or poster)):
        raise UsageError("say what --bystanders and --staff agreed to, both, or --refuse; see `heed media held`")
    consent = MediaConsent(bystanders=bystanders or "unresolved", staff=staff or "unresolved", poster=poster)
    asyncio.run(_resolve(find_installation(data_dir), media_id, consent, role, refuse=refuse))
    click.echo(f"{'refused' if refuse else 'released'} {media_id}")


def _row(item: HeldMedia) -> dict[str, str]:
    return {
        "media_id": str(item.media_id),
        "kind": item.kind,
        "reason": item.reason,
        "bystanders": item.bystanders,
        "staff": item.staff,
        "received": item.received_at.isoformat(timespec="seconds"),
    }


@asynccontextmanager
async def _store(installation: Installation) -> AsyncIterator[MediaStore]:
    async with database_url(installation, "media") as url:
        database = engine(url, "media", pool_size=1)
        try:
            yield MediaStore(database)
        finally:
            await database.dispose()


async def _held(installation: Installation) -> Sequence[HeldMedia]:
    async with _store(installation) as store:
        return await store.held()


async def _resolve(
    installation: Installation, media_id: UUID, consent: MediaConsent, role: str, *, refuse: bool
) -> None:
    """Write it down first: should Kafka be away, the same command sends what was decided again."""
    settings = installation.kafka()
    async with _store(installation) as store:
        event = await store.resolve(media_id, consent, role, datetime.now(UTC), refused=refuse)
    if event is None:
        raise UsageError(f"{media_id} does not wait; `heed media held` shows what does")
    async with running_publisher(settings, "heed-media-cli") as publisher:
        await publisher.send([record(MEDIA_UPLOADED, event, SOURCE)])
