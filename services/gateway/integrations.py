"""Who may submit: bearer keys, stored hashed, revocable within seconds."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told
from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncEngine

CACHED_FOR = 5.0
"""Seconds until a revoked key stops working, at most."""

MOST_CACHED = 1024
"""Keys remembered; wrong ones are too, so that trying many does not become a load on the database."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Integration:
    """A system that submits feedback for patients.

    Attributes:
        id: a slug; part of every feedback id that it submits, so it never changes.
        organisations: those it may submit for; none named means any.
        revoked_at: since when its key no longer works.
    """

    id: str
    organisations: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None

    def speaks_for(self, organisation: str) -> bool:
        """Whether it may submit for this organisation; case and white space do not matter."""
        return not self.organisations or _folded(organisation) in map(_folded, self.organisations)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _hash(key: str) -> bytes:
    # A key holds 256 random bits: there is nothing to guess, so a plain and fast hash is enough.
    return hashlib.sha256(key.encode()).digest()


def _integration(row: RowMapping) -> Integration:
    return Integration(row["id"], tuple(row["organisations"]), row["created_at"], row["revoked_at"])


async def add_integration(database: AsyncEngine, integration: str, organisations: Sequence[str], now: datetime) -> str:
    """Give an integration a key. The only moment at which the key can be read.

    An id whose key was revoked gets a new one, and so keeps its receipts and the ids of its feedback.

    Args:
        database: the gateway's engine.
        integration: a slug: lower-case letters, digits, hyphens; at most 63.
        organisations: those it may submit for; none means any.
        now: when.

    Returns:
        The key, `heed_…`.

    Raises:
        UsageError: the id is no slug, an organisation is blank, or the id has a working key.
        TransientFault: the database is away.
    """
    if not _SLUG.fullmatch(integration):
        raise UsageError(
            "an integration's id is lower-case letters, digits and hyphens, at most 63, such as fft-survey"
        )
    names = [" ".join(name.split()) for name in organisations]
    if not all(names) or any("\x00" in name for name in names):
        raise UsageError("an organisation's name is blank; leave it out to allow any organisation")
    key = f"heed_{secrets.token_urlsafe(32)}"
    statement = text(
        """
        INSERT INTO integration AS i (id, key_hash, organisations, created_at)
        VALUES (:id, :key_hash, CAST(:organisations AS text[]), :now)
        ON CONFLICT (id) DO UPDATE
           SET key_hash = excluded.key_hash, organisations = excluded.organisations, revoked_at = NULL
         WHERE i.revoked_at IS NOT NULL
        RETURNING i.id
        """
    )
    given = {"id": integration, "key_hash": _hash(key), "organisations": names, "now": now}
    async with transient_faults_told(), database.begin() as connection:
        added = (await connection.execute(statement, given)).first()
    if added is None:
        raise UsageError(f"integration {integration} has a key already; revoke it first: heed integrations revoke")
    return key


async def list_integrations(database: AsyncEngine) -> list[Integration]:
    """All of them, revoked ones too, by id.

    Raises:
        TransientFault: the database is away.
    """
    statement = text("SELECT id, organisations, created_at, revoked_at FROM integration ORDER BY id")
    async with transient_faults_told(), database.connect() as connection:
        return [_integration(row) for row in (await connection.execute(statement)).mappings()]


async def revoke_integration(database: AsyncEngine, integration: str, now: datetime) -> None:
    """Stop an integration's key; members notice within `CACHED_FOR` seconds. What it submitted stays.

    Raises:
        UsageError: there is no working key of that id.
        TransientFault: the database is away.
    """
    statement = text("UPDATE integration SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL RETURNING id")
    async with transient_faults_told(), database.begin() as connection:
        revoked = (await connection.execute(statement, {"id": integration, "now": now})).first()
    if revoked is None:
        raise UsageError(f"no integration {integration} with a working key; see: heed integrations list")


class Keys:
    """Looks keys up, and remembers each answer for `CACHED_FOR` seconds.

    Args:
        database: the gateway's engine.
        clock: seconds that only go forward.
    """

    def __init__(self, database: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, Integration | None]] = {}

    async def owner(self, key: str) -> Integration | None:
        """Whose working key this is; None for a wrong or revoked one.

        Raises:
            TransientFault: the database is away and the key was not asked for lately.
        """
        hashed = _hash(key)
        known = self._known.get(hashed)
        if known and self._clock() - known[0] < CACHED_FOR:
            return known[1]
        asked_at = self._clock()
        owner = await self._stored(hashed)
        if len(self._known) >= MOST_CACHED:
            self._known.clear()
        self._known[hashed] = (asked_at, owner)
        return owner

    async def _stored(self, hashed: bytes) -> Integration | None:
        statement = text(
            "SELECT id, organisations, created_at, revoked_at FROM integration "
            "WHERE key_hash = :key_hash AND revoked_at IS NULL"
        )
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await connection.execute(statement, {"key_hash": hashed})).mappings().first()
        return _integration(row) if row else None
