"""`heed secrets`: what `docker compose` must be told and nobody else may know."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.secrets import main


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".env"),
    show_default=True,
    help="The file to write.",
)
def command(output: Path) -> None:
    """Write a .env with fresh secrets for docker compose; a file that is there stays as it is."""
    click.get_current_context().exit(main(output))
