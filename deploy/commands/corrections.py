"""`heed corrections`: what team members corrected, as training data."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from deploy.commands.outputs import STANDARD, atomic_output
from deploy.connection import data_dir_option, database_url, find_installation
from services.learning.correcting import CorrectionStore
from shared.database import engine

if TYPE_CHECKING:
    from services.learning.correcting import Example


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=STANDARD,
    show_default="stdout",
    help="One JSON object a line.",
)
@data_dir_option
def command(output: Path, data_dir: Path | None) -> None:
    """Write what team members corrected, as training data.

    Redacted words, and the labels that a person gave them; without what was withdrawn or edited since, and without
    words that are past their retention.
    """
    with atomic_output(output) as file:
        count = asyncio.run(_write(file, data_dir))
    click.echo(f"heed: {count} corrected readings", err=True)


async def _write(file: BinaryIO, data_dir: Path | None) -> int:
    count = 0
    async with database_url(find_installation(data_dir), "learning") as url:
        database = engine(url, "learning", pool_size=1)
        try:
            async for example in CorrectionStore(database).examples():
                file.write(json.dumps(_row(example), ensure_ascii=False).encode() + b"\n")
                count += 1
        finally:
            await database.dispose()
    return count


def _row(example: Example) -> dict[str, object]:
    return {**asdict(example), "feedback_id": str(example.feedback_id)}
