"""My teams, and a team's pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response

from services.portal.access import OwnTeam, SignedIn, portal_of
from services.portal.commitment_routes import themes_of, told
from services.portal.copies import of_page
from services.portal.days import day
from services.portal.directory import UNROUTED
from services.portal.page_view import page_view
from services.portal.recording_routes import spots_of
from shared import period_names

if TYPE_CHECKING:
    from services.portal.people import Person
    from services.portal.portal import Portal

routes = APIRouter()


@routes.get("/")
async def my_teams(request: Request, person: SignedIn) -> Response:
    """The person's teams, each with its newest page."""
    portal = portal_of(request)
    ids = await visible_teams(portal, person)
    newest = await portal.pages.newest(ids)
    directory = portal.directory.current
    teams = [
        (directory.team(team_id), page, period_names.span(page.period, page.kind) if page else "")
        for team_id in ids
        for page in (newest.get(team_id),)
    ]
    return portal.views.page("my_teams.html", person, teams=teams)


@routes.get("/about")
async def about(request: Request, person: SignedIn) -> Response:
    """What the numbers are, and are not."""
    return portal_of(request).views.page("about.html", person)


@routes.get("/teams/{team_id}")
async def team(request: Request, team_id: OwnTeam, person: SignedIn) -> Response:
    """Every page of a team, the newest first."""
    portal = portal_of(request)
    if team_id not in await visible_teams(portal, person):
        raise HTTPException(404)
    found = await portal.pages.periods(team_id)
    return portal.views.page(
        "team.html",
        person,
        team=portal.directory.current.team(team_id),
        commitments=[told(each, {}) for each in await portal.commitments.newest(team_id)],
        references=[(reference, period_names.span(reference.period, reference.kind)) for reference in found],
    )


@routes.get("/teams/{team_id}/{period}")
async def team_page(request: Request, team_id: OwnTeam, period: str, person: SignedIn) -> Response:
    """One team's page for one period."""
    portal = portal_of(request)
    summary = await portal.pages.one(team_id, day(period))
    if summary is None:
        raise HTTPException(404)
    await portal.audit.viewed(person, f"page {summary.key()} revision {summary.revision}", datetime.now(UTC))
    labels = themes_of(summary)
    made = [told(each, labels) for each in await portal.commitments.newest(team_id, summary.period)]
    sources = of_page(await portal.sources.one(team_id, summary.period), summary)
    return portal.views.page(
        "team_page.html",
        person,
        page=page_view(summary),
        commitments=made,
        may_commit=bool(labels),
        may_correct=sources is not None and team_id in person.teams,
        recordings=spots_of(sources) if portal.recordings else {},
    )


async def visible_teams(portal: Portal, person: Person) -> list[str]:
    """Ids of the teams that this person may see: those of the catalogue in its order, then others with pages."""
    known = [team.id for team in portal.directory.current.teams]
    # Only a steward sees teams that have left the catalogue; everybody else's are named by their membership.
    beside = await portal.pages.owners() if person.is_steward else person.teams
    others = beside - {*known, UNROUTED}
    return person.visible([*known, *sorted(others), UNROUTED])
