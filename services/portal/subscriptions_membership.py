"""Whether the owner of a subscription may still read what it is about, long after they signed in.

The catalogue is asked at each delivery. What an identity provider said at somebody's last sign-in is remembered, and
counts for some weeks: who has left cannot sign in again, and so gets nothing more once that time is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from services.portal.people import Grant, person
from services.portal.subscriptions_subject import theme_of
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime, timedelta

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.portal.directory import Directory

REMEMBER = (
    "INSERT INTO reader (subject, teams, roles, seen_at) VALUES (:subject, :teams, :roles, now()) "
    "ON CONFLICT (subject) DO UPDATE SET teams = excluded.teams, roles = excluded.roles, seen_at = excluded.seen_at"
)
"""Part of the statement that signs somebody in; what they were let in with before no longer counts."""

_KNOWN = text(
    "SELECT subject, teams, roles FROM reader WHERE subject = ANY(CAST(:subjects AS text[])) AND seen_at > :after"
)
_FORGET = text("DELETE FROM reader WHERE seen_at <= :before")


class Membership:
    """Who may read what, now.

    Args:
        database: the portal's engine.
        directory: the catalogue as it is now.
        trusted_for: how long a sign-in counts.
    """

    def __init__(self, database: AsyncEngine, directory: Callable[[], Directory], trusted_for: timedelta) -> None:
        self._database = database
        self._directory = directory
        self._trusted_for = trusted_for

    async def permitted(self, wanted: Collection[tuple[str, str]], now: datetime) -> set[tuple[str, str]]:
        """Of these pairs of a person and what they subscribed to, those where the one may read the other.

        A theme's digests are for everybody who can sign in: who did so not long ago, or whom the catalogue names.

        Raises:
            TransientFault: the database is away.
        """
        subjects = {subject for subject, _ in wanted}
        given = {"subjects": sorted(subjects), "after": now - self._trusted_for}
        async with transient_faults_told(), self._database.connect() as connection:
            rows = (await connection.execute(_KNOWN, given)).all()
        grants = {row.subject: Grant(row.subject, frozenset(row.teams), frozenset(row.roles)) for row in rows}
        directory = self._directory()
        people = {subject: person(grants.get(subject, Grant(subject)), directory, "") for subject in subjects}
        known = {subject for subject, each in people.items() if subject in grants or each.teams or each.roles}
        return {
            (subject, about)
            for subject, about in wanted
            if (subject in known if theme_of(about) is not None else people[subject].may_see(about))
        }

    async def forget(self, now: datetime) -> None:
        """Delete sign-ins that count no more."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_FORGET, {"before": now - self._trusted_for})
