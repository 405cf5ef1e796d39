"""What was said, where that is urgent: for the holder of the role that it waits for, each time noted first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal.access import portal_of
from services.portal.recordings import Spot, clock
from services.portal.urgent_routes import REASONS, InARole
from services.portal.urgent_words import Missing

if TYPE_CHECKING:
    from services.portal.people import Person
    from services.portal.portal import Portal
    from services.portal.urgent import UrgentItem
    from services.portal.urgent_words import Words

routes = APIRouter()


@routes.get("/urgent/{feedback_id}/words")
async def words(request: Request, feedback_id: UUID, person: InARole) -> Response:
    """The raw words of one item, while they are kept."""
    portal = portal_of(request)
    item, told = await _told(portal, person, feedback_id, "words")
    missing = told if isinstance(told, Missing) else None
    said = None if isinstance(told, Missing) else told
    return portal.views.page(
        "urgent_words.html",
        person,
        item=item,
        reasons=REASONS,
        missing=missing,
        words=said,
        spot=said and _spot(portal, said),
        clock=clock,
    )


@routes.get("/urgent/{feedback_id}/recording")
async def recording(request: Request, feedback_id: UUID, person: InARole) -> Response:
    """A link to the recording that came with it, as long as its words are kept."""
    portal = portal_of(request)
    if portal.recordings is None:
        raise HTTPException(404)
    _, told = await _told(portal, person, feedback_id, "recording")
    spot = None if isinstance(told, Missing) else _spot(portal, told)
    link = await portal.recordings.link(spot) if spot else None
    if link is None:
        return portal.views.page("recording_gone.html", person, status=404, back=f"/urgent/{feedback_id}/words")
    return RedirectResponse(link, 303)


async def _told(portal: Portal, person: Person, feedback_id: UUID, what: str) -> tuple[UrgentItem, Words | Missing]:
    if portal.words is None:
        raise HTTPException(404)
    item = await portal.urgent.asked_for(person, feedback_id, what, datetime.now(UTC))
    if item is None:
        raise HTTPException(404)
    return item, await portal.words.of(feedback_id, item.version)


def _spot(portal: Portal, told: Words) -> Spot | None:
    if portal.recordings is None or told.recording is None:
        return None
    return Spot(told.recording, told.content_type or "")
