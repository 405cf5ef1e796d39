"""`heed sign-in`: a link that signs in to the portal once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from deploy.connection import data_dir_option, find_installation
from deploy.sign_in import LINK_MINUTES, SUBJECT, sign_in_link
from services.portal.directory import STEWARD
from services.portal.people import Grant
from shared.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--who", default=SUBJECT, show_default=True, help="What the audit calls this person.")
@click.option("--team", "teams", multiple=True, help="Id of a team whose pages they may read; repeat for more.")
@click.option("--role", "roles", multiple=True, help="A named role of theirs, as the catalogue's urgent_role has it.")
@click.option("--steward", is_flag=True, help="They look after Heed: every team's pages.")
@data_dir_option
def command(who: str, teams: tuple[str, ...], roles: tuple[str, ...], steward: bool, data_dir: Path | None) -> None:
    """Print a link that signs in to the portal, once and soon."""
    grant = Grant(who, frozenset(teams), frozenset({*roles, *([STEWARD] if steward else [])}))
    if not grant.teams and not grant.roles:
        raise UsageError("the link would open nothing; give --team, --role or --steward")
    installation = find_installation(data_dir)
    link = sign_in_link(installation.need("portal_database_url"), installation.need("portal_url"), grant)
    click.echo(asyncio.run(link))
    click.echo(f"works once, within {LINK_MINUTES} minutes", err=True)
