"""`heed doctor`: is everything as it should be, and what to do where it is not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from deploy.connection import data_dir_option, find_installation
from deploy.diagnosis import diagnose

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.connection import Installation


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@data_dir_option
def command(as_json: bool, data_dir: Path | None) -> None:
    """Check an installation and say what to do about each problem.

    Looks at the broker, its topics, dead letters, the gateway, the databases, urgent feedback that nobody has taken on,
    feedback that no team gets, summaries that are held back, recordings that wait for a person, the catalogue and,
    where HEED_S3_ENDPOINT is set, the bucket. Exit code 1 if there is a problem.
    """
    if asyncio.run(_problems(find_installation(data_dir), as_json=as_json)):
        click.get_current_context().exit(1)


async def _problems(installation: Installation, *, as_json: bool) -> int:
    problems = 0
    async for finding in diagnose(installation):
        problems += not finding.ok
        if as_json:
            click.echo(json.dumps(asdict(finding)))
        else:
            click.echo(f"{'ok' if finding.ok else 'problem':<9}{finding.check}: {finding.told}")
    return problems
