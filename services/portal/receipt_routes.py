"""A patient's receipt: what became of what they told us, and taking it back. No account: the address is the secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as AnyHttpException
from starlette.responses import RedirectResponse

from services.portal import access, sessions
from services.portal.access import portal_of
from services.portal.commitment_routes import themes_of, told
from services.portal.receipt_view import Part, period_name, receipt_view, team_name
from shared.errors import TransientFault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from services.portal.portal import Portal
    from services.portal.receipts import Journey, Receipts, Summarised

log = logging.getLogger(__name__)

AWAY_SECONDS = 60
"""After which a browser may ask again."""

OWN_PAGES = {404: "receipts/unknown.html", 429: "receipts/too_many.html"}


class _PatientRoute(APIRoute):
    """Tells a patient what went wrong in words for patients; without a gateway none of it is there."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI asks for it."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            portal = portal_of(request)
            if portal.receipts is None:
                raise HTTPException(404)
            try:
                return await handler(request)
            except TransientFault as fault:
                log.warning("answered 503 about a receipt: %s", fault)
                page = portal.views.page("receipts/away.html", status=503, is_withdrawal=request.method == "POST")
                page.headers["Retry-After"] = str(AWAY_SECONDS)
                return page
            except AnyHttpException as error:
                if error.status_code not in OWN_PAGES:
                    raise
                return portal.views.page(OWN_PAGES[error.status_code], status=error.status_code)

        return handled


routes = APIRouter(route_class=_PatientRoute)


@routes.get("/r/{receipt}")
async def look(request: Request, receipt: str) -> Response:
    """What became of it."""
    portal = portal_of(request)
    journey = await _journey(request, receipt)
    parts = [await _part(portal, each) for each in journey.summarised]
    return portal.views.page("receipts/receipt.html", receipt=receipt, view=receipt_view(journey, tuple(parts)))


@routes.get("/r/{receipt}/withdraw")
async def ask(request: Request, receipt: str) -> Response:
    """Whether they are sure; nothing happens yet, so that no program that follows links takes anything back."""
    portal = portal_of(request)
    journey = await _journey(request, receipt)
    if journey.withdrawn_at is not None:
        return RedirectResponse(f"/r/{receipt}", 303)
    cookie, is_new = access.before_sign_in(request)
    form_token = sessions.form_token(cookie)
    response = portal.views.page("receipts/withdraw.html", receipt=receipt, form_token=form_token)
    if is_new:
        access.guard_form(portal, response, cookie)
    return response


@routes.post("/r/{receipt}/withdraw")
async def withdraw(request: Request, receipt: str) -> Response:
    """Take it back, for good; sent again, it is the same."""
    cookie, _ = access.before_sign_in(request)
    access.require(await access.fields_of(request), sessions.form_token(cookie))
    receipts = _allowed(request)
    if not await receipts.withdraw(receipt):
        raise _unknown(request, receipts)
    return RedirectResponse(f"/r/{receipt}", 303)


async def _journey(request: Request, receipt: str) -> Journey:
    receipts = _allowed(request)
    journey = await receipts.look(receipt)
    if journey is None:
        raise _unknown(request, receipts)
    return journey


async def _part(portal: Portal, summarised: Summarised) -> Part:
    page = await portal.pages.one(summarised.team_id, summarised.period)
    made = await portal.commitments.newest(summarised.team_id, summarised.period)
    labels = themes_of(page) if page else {}
    return Part(
        team=team_name(portal.directory.current, summarised.team_id),
        period=period_name(summarised.period, page.period_kind if page else None),
        doing=tuple(told(each, labels) for each in made),
    )


def _allowed(request: Request) -> Receipts:
    receipts = portal_of(request).receipts
    assert receipts is not None, "the route saw to it"
    if receipts.limit.is_spent(_address(request)):
        raise HTTPException(429)
    return receipts


def _unknown(request: Request, receipts: Receipts) -> HTTPException:
    """404, counted: whoever has a receipt may look as often as they like, whoever guesses may not."""
    receipts.limit.allows(_address(request))
    return HTTPException(404)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
