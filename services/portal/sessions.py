"""Sessions, one-time links and sign-ins under way, in PostgreSQL. Only hashes of what opens them are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.portal.people import Grant
from services.portal.subscriptions_membership import REMEMBER
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row, TextClause
    from sqlalchemy.ext.asyncio import AsyncEngine

_GRANT = "(token_hash, subject, teams, roles, expires_at) VALUES (:hash, :subject, :teams, :roles, :expires)"
_ADD_SESSION = text(f"WITH remembered AS ({REMEMBER}) INSERT INTO session {_GRANT}")
_ADD_LINK = text(f"INSERT INTO sign_in_link {_GRANT}")
_FIND = text("SELECT subject, teams, roles FROM session WHERE token_hash = :hash AND expires_at > :now")
_END = text("DELETE FROM session WHERE token_hash = :hash")
_SPEND = text("DELETE FROM sign_in_link WHERE token_hash = :hash AND expires_at > :now RETURNING subject, teams, roles")
_ADD_ATTEMPT = text(
    "INSERT INTO oidc_attempt (state_hash, nonce, code_verifier, expires_at) "
    "VALUES (:hash, :nonce, :verifier, :expires)"
)
_SPEND_ATTEMPT = text(
    "DELETE FROM oidc_attempt WHERE state_hash = :hash AND expires_at > :now RETURNING nonce, code_verifier"
)
_PURGE = tuple(
    text(f"DELETE FROM {table} WHERE expires_at <= :now")  # noqa: S608
    for table in ("session", "sign_in_link", "oidc_attempt")
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that the identity provider has yet to answer."""

    nonce: str
    code_verifier: str


def token() -> str:
    """256 random bits, fit for a cookie and a URL."""
    return secrets.token_urlsafe(32)


def hashed(opener: str) -> bytes:
    """What is kept of a token: of 256 random bits, a plain hash cannot be searched back."""
    return hashlib.sha256(opener.encode()).digest()


def form_token(cookie: str) -> str:
    """What a form must carry beside this cookie: another site can make a browser send the one, not the other."""
    return hmac.new(cookie.encode(), b"heed-form", hashlib.sha256).hexdigest()


class SessionStore:
    """The adapter to the tables `session`, `sign_in_link` and `oidc_attempt`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def begin(self, grant: Grant, expires_at: datetime) -> str:
        """Sign a person in; returns the cookie's value, which is kept nowhere.

        What they are let in with is remembered: their subscriptions go on when they have gone home.
        """
        return await self._add(_ADD_SESSION, grant, expires_at)

    async def find(self, cookie: str, now: datetime) -> Grant | None:
        """Who holds this cookie, if their session is not over."""
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await connection.execute(_FIND, {"hash": hashed(cookie), "now": now})).one_or_none()
        return None if row is None else _grant(row)

    async def end(self, cookie: str) -> None:
        """Sign out."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_END, {"hash": hashed(cookie)})

    async def make_link(self, grant: Grant, expires_at: datetime) -> str:
        """The token of a link that signs in once."""
        return await self._add(_ADD_LINK, grant, expires_at)

    async def spend_link(self, opener: str, now: datetime) -> Grant | None:
        """What a link lets in with, the first time and in time; then it is gone."""
        async with transient_faults_told(), self._database.begin() as connection:
            row = (await connection.execute(_SPEND, {"hash": hashed(opener), "now": now})).one_or_none()
        return None if row is None else _grant(row)

    async def begin_attempt(self, state: str, attempt: Attempt, expires_at: datetime) -> None:
        """Remember what the identity provider's answer must match."""
        given = {
            "hash": hashed(state),
            "nonce": attempt.nonce,
            "verifier": attempt.code_verifier,
            "expires": expires_at,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_ADD_ATTEMPT, given)

    async def spend_attempt(self, state: str, now: datetime) -> Attempt | None:
        """What was remembered, once and in time."""
        async with transient_faults_told(), self._database.begin() as connection:
            row = (await connection.execute(_SPEND_ATTEMPT, {"hash": hashed(state), "now": now})).one_or_none()
        return None if row is None else Attempt(*row)

    async def purge(self, now: datetime) -> None:
        """Delete what is past its time."""
        async with transient_faults_told(), self._database.begin() as connection:
            for statement in _PURGE:
                await connection.execute(statement, {"now": now})

    async def _add(self, statement: TextClause, grant: Grant, expires_at: datetime) -> str:
        opener = token()
        given = {
            "hash": hashed(opener),
            "subject": grant.subject,
            "teams": sorted(grant.teams),
            "roles": sorted(grant.roles),
            "expires": expires_at,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(statement, given)
        return opener


def _grant(row: Row[Any]) -> Grant:
    return Grant(row.subject, frozenset(row.teams), frozenset(row.roles))
