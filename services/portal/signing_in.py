"""Signing in and out: by a link that works once, or by the organisation's identity provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from services.portal import access, sessions
from services.portal.access import Form, SignedIn, portal_of

if TYPE_CHECKING:
    from services.portal.people import Grant
    from services.portal.portal import Portal

routes = APIRouter()


@routes.get("/sign-in")
async def sign_in(request: Request) -> Response:
    """The ways in."""
    portal = portal_of(request)
    return portal.views.page("sign_in.html", by_provider=portal.settings.portal_oidc_issuer is not None)


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
