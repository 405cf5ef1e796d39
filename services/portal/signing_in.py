"""Signing in and out: by a link that works once, or by the organisation's identity provider."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from services.portal import access, sessions
from services.portal.access import Form, SignedIn, portal_of
from services.portal.provider import SignInRefusedError

if TYPE_CHECKING:
    from services.portal.people import Grant
    from services.portal.portal import Portal

log = logging.getLogger(__name__)

routes = APIRouter()

ANSWER_WITHIN = timedelta(minutes=10)
"""For so long the identity provider may take over a sign-in."""


@routes.get("/sign-in")
async def sign_in(request: Request) -> Response:
    """The ways in."""
    portal = portal_of(request)
    return portal.views.page("sign_in.html", by_provider=portal.provider is not None)


@routes.get("/sign-in/link/{opener}")
async def link(request: Request, opener: str) -> Response:
    """A button, and nothing more: programs that look at links in messages must not spend this one."""
    portal = portal_of(request)
    cookie, is_new = access.before_sign_in(request)
    response = portal.views.page("sign_in_link.html", opener=opener, form_token=sessions.form_token(cookie))
    if is_new:
        access.guard_form(portal, response, cookie)
    return response


@routes.post("/sign-in/link/{opener}")
async def spend_link(request: Request, opener: str) -> Response:
    """Sign in, once."""
    portal = portal_of(request)
    if not allowed(request, portal):
        return portal.views.page("too_many.html", status=429)
    cookie, _ = access.before_sign_in(request)
    access.require(await access.fields_of(request), sessions.form_token(cookie))
    grant = await portal.sessions.spend_link(opener, datetime.now(UTC))
    if grant is None:
        return portal.views.page("sign_in_failed.html", status=403)
    return await begun(portal, grant)


@routes.get("/sign-in/provider")
async def ask_provider(request: Request) -> Response:
    """Send the browser to the identity provider."""
    portal = portal_of(request)
    if portal.provider is None:
        raise HTTPException(404)
    if not allowed(request, portal):
        return portal.views.page("too_many.html", status=429)
    start = await portal.provider.start()
    await portal.sessions.begin_attempt(start.state, start.attempt, datetime.now(UTC) + ANSWER_WITHIN)
    response = RedirectResponse(start.url, 303)
    access.tie(portal, response, start.state, int(ANSWER_WITHIN.total_seconds()))
    return response


@routes.get("/sign-in/answer")
async def take_answer(request: Request, code: str = "", state: str = "") -> Response:
    """What the identity provider says, if it is the answer to what this browser asked."""
    portal = portal_of(request)
    if portal.provider is None:
        raise HTTPException(404)
    if not allowed(request, portal):
        return portal.views.page("too_many.html", status=429)
    attempt = None
    if code and state and access.is_tied(request, state):
        attempt = await portal.sessions.spend_attempt(state, datetime.now(UTC))
    if attempt is None:
        return portal.views.page("sign_in_refused.html", status=403)
    try:
        grant = await portal.provider.finish(code, attempt)
    except SignInRefusedError as refusal:
        log.warning("nobody was signed in: %s", refusal)
        return portal.views.page("sign_in_refused.html", status=403)
    response = await begun(portal, grant)
    access.untie(portal, response)
    return response


@routes.post("/sign-out")
async def sign_out(request: Request, person: SignedIn, form: Form) -> Response:
    """End the session."""
    portal = portal_of(request)
    await portal.sessions.end(request.cookies[portal.session_cookie])
    response = RedirectResponse("/sign-in", 303)
    access.end_session(portal, response)
    return response


def allowed(request: Request, portal: Portal) -> bool:
    """Whether this address may try once more to sign in."""
    return portal.limit.allows(request.client.host if request.client else "")


async def begun(portal: Portal, grant: Grant) -> Response:
    """A new session: never one that was there before, which somebody else may have set."""
    ends = datetime.now(UTC) + timedelta(hours=portal.settings.portal_session_hours)
    cookie = await portal.sessions.begin(grant, ends)
    response = RedirectResponse("/", 303)
    access.begin_session(portal, response, cookie)
    return response
