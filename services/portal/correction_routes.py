"""Is this read wrongly? A member of the team says how a quote is meant; see decision 19."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal import correction_form
from services.portal.access import Form, OwnTeam, SignedIn, portal_of
from services.portal.commitment_routes import themes_of
from services.portal.copies import of_page
from services.portal.corrections import Place
from services.portal.days import day
from shared import period_names

if TYPE_CHECKING:
    from datetime import date

    from services.portal.correction_form import Ticked
    from services.portal.corrections import Reading
    from services.portal.people import Person
    from services.portal.portal import Portal
    from shared.sources import QuoteSource
    from shared.summaries import LearningSummary

routes = APIRouter()

POSITIONS = ("1", "2", "3")
"""Of a page's quotes; it has three at most."""


async def _member(team_id: OwnTeam, person: SignedIn) -> str:
    """A team that this person belongs to.

    A steward looks after the installation and reads every page; what was meant is for the team to say.
    """
    if team_id not in person.teams:
        raise HTTPException(404)
    return team_id


Member = Annotated[str, Depends(_member)]


async def _place(team_id: Member, period: str, position: str) -> Place:
    """A quote's place from the path.

    Raises:
        HTTPException: 404, no page has such a place.
    """
    if position not in POSITIONS:
        raise HTTPException(404)
    return Place(team_id, day(period), int(position))


QuotePlace = Annotated[Place, Depends(_place)]


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quote on its page.

    Attributes:
        before: how it is read now: by the model, or by a colleague who corrected it already.
    """

    summary: LearningSummary
    place: Place
    source: QuoteSource
    before: Reading
    is_corrected: bool

    @property
    def text(self) -> str:
        """Its redacted words."""
        return self.summary.quotes[self.place.position - 1].text

    @property
    def themes(self) -> list[str]:
        """Names of what can be ticked."""
        return correction_form.names(self.source, themes_of(self.summary))


@routes.get("/teams/{team_id}/{period}/quotes/{position}")
async def blank(request: Request, place: QuotePlace, person: SignedIn) -> Response:
    """The quote, how it was read, and the form."""
    portal = portal_of(request)
    summary = await _page(portal, place.team_id, place.period)
    quoted = await _quoted(portal, summary, place)
    if quoted is None:
        return _stale(portal, person, summary)
    what = f"quote {place.position} of page {summary.key()} revision {summary.revision}"
    await portal.audit.viewed(person, what, datetime.now(UTC))
    return _form(portal, person, quoted, correction_form.shown(quoted.before))


@routes.post("/teams/{team_id}/{period}/quotes/{position}")
async def correct(request: Request, place: QuotePlace, person: SignedIn, form: Form) -> Response:
    """Write how it is meant."""
    portal = portal_of(request)
    summary = await _page(portal, place.team_id, place.period)
    quoted = await _quoted(portal, summary, place)
    if quoted is None or form.get("revision") != str(summary.revision):
        return _stale(portal, person, summary)
    ticked = correction_form.read(form, quoted.themes, quoted.before)
    # What a colleague has just written the same is no problem of this person's: it stands.
    if ticked.problem and not (quoted.is_corrected and ticked.sentiment and ticked.reading == quoted.before):
        return _form(portal, person, quoted, ticked, status=422)
    now = datetime.now(UTC)
    if not await portal.corrections.correct(person, place, summary.revision, ticked.reading, now):
        return _stale(portal, person, summary)
    return RedirectResponse(f"/teams/{place.team_id}/{place.period}/corrected", 303)


@routes.get("/teams/{team_id}/{period}/corrected")
async def corrected(request: Request, team_id: Member, period: str, person: SignedIn) -> Response:
    """What becomes of it."""
    portal = portal_of(request)
    summary = await _page(portal, team_id, day(period))
    return portal.views.page("corrected.html", person, **_named(summary))


def _form(portal: Portal, person: Person, quoted: Quoted, ticked: Ticked, *, status: int = 200) -> Response:
    boxes = correction_form.boxes(quoted.themes, ticked.themes)
    raised = {theme.name for theme in (*quoted.source.themes, *ticked.themes)}
    return portal.views.page(
        "correction.html",
        person,
        status=status,
        **_named(quoted.summary),
        position=quoted.place.position,
        revision=quoted.summary.revision,
        quote=quoted.text,
        whole=quoted.source.whole,
        told=correction_form.told(quoted.before),
        is_corrected=quoted.is_corrected,
        sentiments=correction_form.SENTIMENTS,
        tones=correction_form.TONES,
        raised=[box for box in boxes if box.name in raised],
        others=[box for box in boxes if box.name not in raised],
        ticked=ticked,
    )


def _stale(portal: Portal, person: Person, summary: LearningSummary) -> Response:
    return portal.views.page("correction_stale.html", person, status=409, **_named(summary))


def _named(summary: LearningSummary) -> dict[str, Any]:
    return {
        "team_id": summary.team_id,
        "team_name": summary.team_name,
        "period": summary.period.isoformat(),
        "period_name": period_names.span(summary.period, summary.period_kind),
    }


async def _page(portal: Portal, team_id: str, period: date) -> LearningSummary:
    summary = await portal.pages.one(team_id, period)
    if summary is None:
        raise HTTPException(404)
    return summary


async def _quoted(portal: Portal, summary: LearningSummary, place: Place) -> Quoted | None:
    """The quote at that place; None where the page says nothing there, or where its sources are still on their way."""
    sources = of_page(await portal.sources.one(place.team_id, place.period), summary)
    if sources is None or place.position > len(sources.quotes):
        return None
    source = sources.quotes[place.position - 1]
    standing = await portal.corrections.standing(source)
    before = correction_form.reading_of(source) if standing is None else standing
    return Quoted(summary, place, source, before, is_corrected=standing is not None)
