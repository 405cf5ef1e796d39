"""`heed summaries`: the teams' pages."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from deploy.commands.tables import aligned
from deploy.connection import data_dir_option, database_url, find_installation
from services.learning.html_page import document
from services.learning.pages import PageStore
from shared.database import engine
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from services.learning.pages import Page
    from shared.summaries import LearningSummary


@click.command()
@click.option("--team", metavar="ID", help="Only this team's.")
@click.option("--held", is_flag=True, help="Those kept back, and the rules that keep them back, without their text.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown", "html"]),
    default="text",
    help="How pages are shown; html is one document, a sheet of paper for each page.",
)
@data_dir_option
def command(team: str | None, held: bool, as_json: bool, format_: str, data_dir: Path | None) -> None:
    """Show the teams' pages.

    By team, the oldest period first. A page that breaks a rule is held: nobody gets it, and its text is not shown
    here either.
    """
    pages = asyncio.run(_pages(data_dir, team))
    shown = [page for page in pages if bool(page.held) is held]
    back = len(pages) - len(shown)
    if as_json:
        for page in shown:
            click.echo(json.dumps(_row(page), ensure_ascii=False))
    elif held:
        rows = [[page.summary.team_id, page.summary.period, ", ".join(page.held)] for page in shown]
        click.echo(aligned(["team", "period", "held because"], rows) if rows else "no summary is held")
    else:
        click.echo(_shown([page.summary for page in shown], format_))
    if back and not held:
        click.echo(f"heed: {back} held back; `heed summaries --held` tells why", err=True)


def _shown(summaries: Sequence[LearningSummary], format_: str) -> str:
    if format_ == "html":
        return document(summaries).rstrip()
    texts = (summary.markdown if format_ == "markdown" else summary.text for summary in summaries)
    return "\n\n".join(text.rstrip() for text in texts) or "no summaries yet"


def _row(page: Page) -> dict[str, object]:
    if page.held:
        summary = page.summary
        return {"team_id": summary.team_id, "period": summary.period.isoformat(), "held": page.held}
    return {**page.summary.model_dump(mode="json"), "published": page.published}


async def _pages(data_dir: Path | None, team: str | None) -> Sequence[Page]:
    async with database_url(find_installation(data_dir), "learning") as url:
        database = engine(url, "learning", pool_size=1)
        try:
            pages = await PageStore(database).summaries()
        finally:
            await database.dispose()
    if team is None:
        return pages
    known = sorted({page.summary.team_id for page in pages})
    if team not in known:
        raise UsageError(f"team {team!r} has no summaries; there are some of {', '.join(known) or 'no team yet'}")
    return [page for page in pages if page.summary.team_id == team]
