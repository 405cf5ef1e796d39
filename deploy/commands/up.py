"""`heed up`: the trial stack until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.connection import default_data_dir
from deploy.sample import CATALOGUE


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Of the gateway; 0: any.")
@click.option(
    "--portal-port",
    type=click.IntRange(0, 65_535),
    default=8081,
    show_default=True,
    help="Of the portal; 0: any.",
)
@click.option(
    "--catalogue", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Teams; the sample's by default."
)
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: ~/.local/share/heed.")
def command(*, port: int, portal_port: int, catalogue: Path | None, data_dir: Path | None) -> None:
    """Serve the trial stack in one process until Ctrl-C, and say how to reach it."""
    directory = data_dir or default_data_dir()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    from deploy.commands.serving import serve  # noqa: PLC0415 - seconds, which help need not wait for

    serve(directory, catalogue or CATALOGUE, port, portal_port)
