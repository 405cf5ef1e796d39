"""From a quote to the second in which it was said: for those who may see its page, each time noted first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal.access import OwnTeam, SignedIn, portal_of
from services.portal.copies import of_page
from services.portal.days import day
from services.portal.recordings import Spot

if TYPE_CHECKING:
    from shared.sources import PageSources

routes = APIRouter()


@routes.get("/teams/{team_id}/{period}/quotes/{position}/recording")
async def recording(request: Request, team_id: OwnTeam, period: str, position: str, person: SignedIn) -> Response:
    """Send the browser to the recording that a quote was said in; `position` counts the page's quotes from 1."""
    portal = portal_of(request)
    summary = await portal.pages.one(team_id, day(period))
    if summary is None or portal.recordings is None:
        raise HTTPException(404)
    sources = of_page(await portal.sources.one(team_id, summary.period), summary)
    spot = spots_of(sources).get(_position(position))
    if spot is None:
        raise HTTPException(404)
    what = f"recording {spot.media_id} of page {summary.key()} revision {summary.revision}"
    await portal.audit.viewed(person, what, datetime.now(UTC))
    link = await portal.recordings.link(spot)
    if link is None:
        return portal.views.page("recording_gone.html", person, status=404, back=f"/teams/{team_id}/{summary.period}")
    return RedirectResponse(link, 303)


def spots_of(sources: PageSources | None) -> dict[int, Spot]:
    """Where a page's quotes were said, by their position, of sources that are of its very revision."""
    return {
        position: Spot(source.media_id, source.content_type or "", source.start_seconds)
        for position, source in enumerate(sources.quotes if sources else (), 1)
        if source.media_id is not None
    }


def _position(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0
