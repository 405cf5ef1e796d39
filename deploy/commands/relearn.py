"""`heed relearn`: stored words read again by the model that is installed now."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from deploy.connection import data_dir_option, database_url, find_installation
from deploy.relearning import relearn
from services.analysis.app import build_reader
from services.analysis.settings import AnalysisSettings
from shared.database import engine
from shared.settings import load

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@data_dir_option
def command(data_dir: Path | None) -> None:
    """Read stored words again with the model that is installed now, and count by what it says.

    Only redacted words are stored, and only for a time; what is older keeps its reading. It may be stopped and started
    again at any moment: nothing counts twice. The pages that change are written anew by the learning service.
    """
    replaced, model = asyncio.run(_relearn(data_dir))
    click.echo(f"{replaced} readings are by {model} now")


async def _relearn(data_dir: Path | None) -> tuple[int, str]:
    async with database_url(find_installation(data_dir), "learning") as url:
        reader = await asyncio.to_thread(build_reader, load(AnalysisSettings))
        database = engine(url, "learning", pool_size=2)
        try:
            with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
                task = bar.add_task("Read again", total=None)
                replaced = await relearn(
                    database, reader, lambda done, total: bar.update(task, completed=done, total=total)
                )
        finally:
            await database.dispose()
    return replaced, reader.model_version
