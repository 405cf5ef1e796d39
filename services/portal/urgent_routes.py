"""The urgent list: for the named role alone, every look at it noted. Reasons and ids, never words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal.access import Form, SignedIn, portal_of
from services.portal.people import Person

routes = APIRouter()

REASONS = {
    "lexicon:suicide": "suicide",
    "lexicon:self_harm": "self-harm",
    "lexicon:abuse": "abuse",
    "lexicon:assault": "assault",
    "lexicon:neglect": "neglect",
    "lexicon:serious_harm": "serious harm",
    "lexicon:threat": "a threat",
    "lexicon:safeguarding": "safeguarding",
    "lexicon:under_16": "says to be under sixteen",
    "severity": "very strong dissatisfaction",
    "under_16": "somebody under sixteen",
}
"""Codes of the analysis service in plain words; one that is not known here is told as it is."""


async def _in_a_role(person: SignedIn) -> Person:
    """Somebody who holds a named role, or a steward; for everybody else there is no such list."""
    if not person.sees_urgent:
        raise HTTPException(404)
    return person


InARole = Annotated[Person, Depends(_in_a_role)]


@routes.get("/urgent")
async def urgent(request: Request, person: InARole) -> Response:
    """What waits for this person's roles, and what was taken on."""
    portal = portal_of(request)
    now = datetime.now(UTC)
    return portal.views.page(
        "urgent.html",
        person,
        waiting=await portal.urgent.waiting(person, now),
        taken=await portal.urgent.taken(person, now),
        reasons=REASONS,
        within=portal.settings.portal_urgent_within_hours,
        now=now,
        has_words=portal.words is not None,
    )


@routes.post("/urgent/{feedback_id}")
async def take_on(request: Request, feedback_id: UUID, person: InARole, form: Form) -> Response:
    """Say that somebody in the role has taken it on."""
    version = form.get("version", "")
    if not version.isascii() or not version.isdigit() or not 1 <= int(version[:10]) < 2**31:
        raise HTTPException(400)
    if not await portal_of(request).urgent.take_on(person, feedback_id, int(version), datetime.now(UTC)):
        raise HTTPException(404)
    return RedirectResponse("/urgent", 303)
