"""Cookies, forms and who asks: what stands before every page. What is not a person's to see is not there at all."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request

from services.portal import people, sessions
from services.portal.people import Person
from services.portal.portal import Portal

if TYPE_CHECKING:
    from starlette.responses import Response

LARGEST_FORM = 32 * 1024
"""Bytes."""

MOST_FIELDS = 50

FORM_FIELD = "form_token"
"""The hidden field of every form."""

BEFORE_SECONDS = 1_800
"""Seconds that a form of somebody not signed in yet stays good."""


class SignInNeededError(Exception):
    """Nobody is signed in; the answer leads to the sign-in page."""


def portal_of(request: Request) -> Portal:
    """The collaborators of every route."""
    portal: Portal = request.app.state.portal
    return portal


async def signed_in(request: Request) -> Person:
    """The person who asks.

    Raises:
        SignInNeededError: nobody is signed in.
        TransientFault: the database is away.
    """
    portal = portal_of(request)
    cookie = request.cookies.get(portal.session_cookie)
    grant = await portal.sessions.find(cookie, datetime.now(UTC)) if cookie else None
    if cookie is None or grant is None:
        raise SignInNeededError
    return people.person(grant, portal.directory.current, sessions.form_token(cookie))


SignedIn = Annotated[Person, Depends(signed_in)]


async def own_team(team_id: str, person: SignedIn) -> str:
    """A team's id from the path, if its pages are this person's to read.

    Raises:
        HTTPException: 404, as for a team that does not exist.
    """
    if not person.may_see(team_id):
        raise HTTPException(404)
    return team_id


OwnTeam = Annotated[str, Depends(own_team)]


async def checked_form(request: Request, person: SignedIn) -> Mapping[str, str]:
    """The fields of a form that was ours.

    Raises:
        HTTPException: 403, it does not carry the session's token; 413 or 415, it is no form of ours.
    """
    fields = await fields_of(request)
    require(fields, person.form_token)
    return fields


Form = Annotated[Mapping[str, str], Depends(checked_form)]


async def fields_of(request: Request) -> dict[str, str]:
    """A form's fields; of those sent twice the last.

    Raises:
        HTTPException: 413, too large; 415, not a form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise HTTPException(413)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise HTTPException(415) from None


def require(fields: Mapping[str, str], form_token: str) -> None:
    """See that a form carries the token that goes with the sender's cookie.

    Raises:
        HTTPException: 403.
    """
    if not form_token or not hmac.compare_digest(fields.get(FORM_FIELD, "").encode(), form_token.encode()):
        raise HTTPException(403)


def begin_session(portal: Portal, response: Response, cookie: str) -> None:
    """Hand the browser its session."""
    seconds = int(portal.settings.portal_session_hours * 3600)
    _set(portal, response, portal.session_cookie, cookie, seconds)
    response.delete_cookie(portal.form_cookie, path="/", secure=portal.settings.is_secure, httponly=True)


def end_session(portal: Portal, response: Response) -> None:
    """Take it away."""
    response.delete_cookie(portal.session_cookie, path="/", secure=portal.settings.is_secure, httponly=True)


def before_sign_in(request: Request) -> tuple[str, bool]:
    """The cookie that guards the forms of somebody not signed in, and whether it must be set."""
    cookie = request.cookies.get(portal_of(request).form_cookie)
    return (cookie, False) if cookie else (sessions.token(), True)


def guard_form(portal: Portal, response: Response, cookie: str) -> None:
    """Set that cookie."""
    _set(portal, response, portal.form_cookie, cookie, BEFORE_SECONDS)


def tie(portal: Portal, response: Response, state: str, seconds: int) -> None:
    """Have the browser remember what it asked the identity provider."""
    _set(portal, response, portal.state_cookie, state, seconds)


def untie(portal: Portal, response: Response) -> None:
    """Have it forget."""
    response.delete_cookie(portal.state_cookie, path="/", secure=portal.settings.is_secure, httponly=True)


def is_tied(request: Request, state: str) -> bool:
    """Whether this browser asked: nobody can be made to sign in as somebody else by a link."""
    kept = request.cookies.get(portal_of(request).state_cookie, "")
    return hmac.compare_digest(kept.encode(), state.encode())


def _set(portal: Portal, response: Response, name: str, value: str, seconds: int) -> None:
    # Lax, not Strict: a link from an e-mail or from the identity provider must find the session.
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=portal.settings.is_secure, httponly=True, samesite="lax"
    )
