"""What a team tries: written down, changed, and shown with its history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal import commitment_form
from services.portal.access import Form, OwnTeam, SignedIn, portal_of
from services.portal.commitment_form import STATES, Written
from services.portal.days import day
from shared import period_names

if TYPE_CHECKING:
    from services.portal.people import Person
    from services.portal.portal import Portal
    from shared.commitments import CommitmentRecorded
    from shared.summaries import LearningSummary

routes = APIRouter()


@dataclass(frozen=True, slots=True)
class Told:
    """A commitment in words.

    Attributes:
        about: the theme in plain words.
        how: how far, whose role, since when.
    """

    commitment_id: UUID
    period: str
    about: str
    state: str
    text: str
    because: str
    how: str


@routes.get("/teams/{team_id}/{period}/commitments")
async def blank(request: Request, team_id: OwnTeam, period: str, person: SignedIn) -> Response:
    """An empty form."""
    summary = await _page(portal_of(request), team_id, period)
    written = commitment_form.blank(_today(), request.query_params.get("theme", ""))
    return _form(portal_of(request), person, summary, written, (uuid4(), 1))


@routes.post("/teams/{team_id}/{period}/commitments")
async def write(request: Request, team_id: OwnTeam, period: str, person: SignedIn, form: Form) -> Response:
    """Write a commitment down, or its next revision."""
    portal = portal_of(request)
    summary = await _page(portal, team_id, period)
    numbered = commitment_form.number(form)
    if numbered is None:
        raise HTTPException(400)
    before = await portal.commitments.history(team_id, numbered[0])
    if before and before[0].period != summary.period:
        raise HTTPException(404)
    fields = {**form, "theme": before[0].theme} if before else form
    themes = {before[0].theme: ""} if before else themes_of(summary)
    written = commitment_form.read(fields, themes, _today())
    if written.problems:
        return _form(portal, person, summary, written, numbered, status=422)
    event = commitment_form.event(written, numbered, team_id=team_id, period=summary.period, now=datetime.now(UTC))
    if not await portal.commitments.record(person, event):
        problem = "Somebody else has changed this in the meantime. Look at what stands now, and write again"
        written = replace(written, problems={"text": problem})
        return _form(portal, person, summary, written, numbered, status=409)
    return RedirectResponse(f"/teams/{team_id}/{summary.period}#you-said-together-we-did", 303)


@routes.get("/teams/{team_id}/{period}/commitments/{commitment_id}")
async def change(request: Request, team_id: OwnTeam, period: str, commitment_id: UUID, person: SignedIn) -> Response:
    """What stands, to be changed, and what stood before."""
    portal = portal_of(request)
    summary = await _page(portal, team_id, period)
    history = await portal.commitments.history(team_id, commitment_id)
    if not history or history[0].period != summary.period:
        raise HTTPException(404)
    earlier = [told(made, themes_of(summary)) for made in history[1:]]
    written = commitment_form.shown(history[0])
    return _form(portal, person, summary, written, (commitment_id, history[0].revision + 1), earlier=earlier)


def themes_of(summary: LearningSummary) -> dict[str, str]:
    """The themes of a page in plain words, by name: what could be better first."""
    return {
        **{share.theme: share.label for share in summary.valued},
        **{chart.theme: chart.label for chart in summary.pattern.charts},
        **{share.theme: share.label for share in summary.better},
    }


def told(made: CommitmentRecorded, labels: dict[str, str]) -> Told:
    """A commitment in words; a theme that the page has no words for is told by its name."""
    people = "; people were told" if made.people_told else ""
    return Told(
        commitment_id=made.commitment_id,
        period=made.period.isoformat(),
        about=labels.get(made.theme, made.theme),
        state=STATES[made.state],
        text=made.text,
        because=made.because or "",
        how=f"{made.role}, since {period_names.day(made.since)}{people}",
    )


def _form(
    portal: Portal,
    person: Person,
    summary: LearningSummary,
    written: Written,
    numbered: tuple[UUID, int],
    *,
    earlier: list[Told] | None = None,
    status: int = 200,
) -> Response:
    return portal.views.page(
        "commitment.html",
        person,
        status=status,
        team_id=summary.team_id,
        team_name=summary.team_name,
        period=summary.period.isoformat(),
        period_name=period_names.span(summary.period, summary.period_kind),
        themes={written.theme: themes_of(summary).get(written.theme, written.theme)}
        if numbered[1] > 1
        else themes_of(summary),
        states=STATES,
        written=written,
        commitment_id=numbered[0],
        revision=numbered[1],
        earlier=earlier or [],
        today=_today().isoformat(),
    )


async def _page(portal: Portal, team_id: str, period: str) -> LearningSummary:
    summary = await portal.pages.one(team_id, day(period))
    if summary is None:
        raise HTTPException(404)
    return summary


def _today() -> date:
    return datetime.now(UTC).date()
