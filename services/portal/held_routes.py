"""Pages that a rule keeps from their team, for the steward: which, since when and why. Never a word of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from services.portal import held_reasons
from services.portal.access import SignedIn, portal_of
from services.portal.people import Person
from shared import period_names

if TYPE_CHECKING:
    from datetime import datetime

    from shared.held import SummaryHeld

routes = APIRouter()


@dataclass(frozen=True, slots=True)
class HeldPage:
    """A held page as the list shows it.

    Attributes:
        reasons: in plain words, each with the places it is about.
    """

    team_name: str
    period: str
    since: datetime
    reasons: list[tuple[str, str]]


async def _steward(person: SignedIn) -> Person:
    """Who looks after the installation; for everybody else there is no such list."""
    if not person.is_steward:
        raise HTTPException(404)
    return person


Steward = Annotated[Person, Depends(_steward)]


@routes.get("/held")
async def held(request: Request, person: Steward) -> Response:
    """What is held now, the longest first."""
    portal = portal_of(request)
    found = sorted(await portal.held.all(), key=lambda event: (event.held_at, event.key()))
    return portal.views.page("held.html", person, pages=[_shown(event) for event in found])


def _shown(event: SummaryHeld) -> HeldPage:
    return HeldPage(
        team_name=event.team_name,
        period=period_names.span(event.period, event.period_kind),
        since=event.held_at,
        reasons=held_reasons.told(event.reasons),
    )
