"""Deliveries in PostgreSQL: one for each subscription, page and revision, however often the page arrives.

A member claims subscriptions, not deliveries: so one subscription's are sent one after the other, and a receiver that
is slow holds up nobody else's. A claim is a lease and no lock: no transaction is open while something is sent, and what
a dead member had claimed is free again when its time is over.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

from services.portal.audit import note
from services.portal.channels import Channel
from services.portal.deliveries import (
    MESSAGE_QUIET,
    Claim,
    DigestNotice,
    Due,
    Frequency,
    PageNotice,
    State,
    next_digest,
)
from services.portal.subscriptions_subject import read, subject, theme_of
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.portal.deliveries import Notice
    from services.portal.people import Person
    from services.portal.subscriptions_subject import Published

DELIVERIES_AT_ONCE = 20
"""Of one subscription, in one claim."""

_GIVEN = (
    "jsonb_to_recordset(CAST(:pages AS jsonb)) "
    "AS given(team_id text, period date, revision integer, generated_at timestamptz)"
)
# A digest that was due, but had not gone out when a newer revision came, stays due then: a page that changes all the
# time would else never be told of.
_DUE = text(
    f"""
    INSERT INTO delivery (subscription_id, team_id, period, revision, created_at, due_at)
    SELECT s.id, given.team_id, given.period, given.revision, :now, least(
               CASE WHEN s.frequency = 'week' THEN CAST(:week AS timestamptz) WHEN s.frequency = 'month' THEN :month
                    WHEN s.channel = 'webhook' THEN :now ELSE :quiet END,
               (SELECT min(d.due_at) FROM delivery d
                 WHERE d.subscription_id = s.id AND d.team_id = given.team_id AND d.period = given.period
                   AND d.state = 'waiting'))
      FROM {_GIVEN} JOIN subscription s ON s.team_id = given.team_id
     WHERE NOT s.muted AND s.channel <> 'feed' AND s.since <= given.generated_at
     ORDER BY s.id, given.period
        ON CONFLICT (subscription_id, team_id, period, revision, takes_back) DO NOTHING
    """  # noqa: S608 - constants only
)
_SUPERSEDE = text(
    f"""
    UPDATE delivery SET state = 'superseded', settled_at = :now FROM {_GIVEN}
     WHERE delivery.team_id = given.team_id AND delivery.period = given.period
       AND delivery.revision < given.revision AND delivery.state IN ('waiting', 'dead')
    """  # noqa: S608
)
_TAKEN_BACK = text(
    """
    UPDATE delivery SET state = 'dropped', reason = 'taken_back', settled_at = :now
      FROM unnest(CAST(:teams AS text[]), CAST(:periods AS date[])) AS gone (team_id, period)
     WHERE delivery.team_id = gone.team_id AND delivery.period = gone.period
       AND delivery.state IN ('waiting', 'dead') AND NOT takes_back
    """
)
# Who has the page in their own program is told to forget it; the newest revision that they have is named.
_NOTICES = """
    INSERT INTO delivery (subscription_id, team_id, period, revision, takes_back, created_at, due_at)
    SELECT DISTINCT ON (d.subscription_id, d.team_id, d.period)
           d.subscription_id, d.team_id, d.period, d.revision, true, :now, :now
      FROM delivery d JOIN subscription s ON s.id = d.subscription_id {which}
     ORDER BY d.subscription_id, d.team_id, d.period, d.revision DESC
        ON CONFLICT (subscription_id, team_id, period, revision, takes_back) DO NOTHING
"""
_NOTICE = text(
    _NOTICES.format(
        which="JOIN unnest(CAST(:teams AS text[]), CAST(:periods AS date[])) AS gone (team_id, period) "
        "ON gone.team_id = d.team_id AND gone.period = d.period "
        "WHERE s.channel = 'webhook' AND d.state = 'sent' AND NOT d.takes_back"
    )
)
# A page that was taken back while it was on its way.
_LATE_NOTICE = text(
    _NOTICES.format(
        which="WHERE s.channel = 'webhook' AND d.id = ANY(CAST(:ids AS uuid[])) "
        "AND d.state = 'dropped' AND d.reason = 'taken_back'"
    )
)
# A theme's is never free by `busy_until`; migration 0005 says why.
_IS_THEME = "starts_with(s.team_id, 'theme:')"
_LEASE = f"CASE WHEN {_IS_THEME} THEN s.leased_until ELSE s.busy_until END"
_CLAIM = text(
    f"""
    WITH waiting AS (
        SELECT subscription_id, min(due_at) AS first FROM delivery
         WHERE state = 'waiting' AND due_at <= :now GROUP BY subscription_id
    ), chosen AS (
        SELECT s.id FROM subscription s JOIN waiting w ON w.subscription_id = s.id
         WHERE coalesce({_LEASE}, '-infinity') <= :now
         ORDER BY w.first, s.id LIMIT :limit FOR UPDATE OF s SKIP LOCKED
    )
    UPDATE subscription s SET leased_until = CASE WHEN {_IS_THEME} THEN CAST(:until AS timestamptz) END,
           busy_until = CASE WHEN {_IS_THEME} THEN s.busy_until ELSE :until END FROM chosen WHERE s.id = chosen.id
    RETURNING s.id, s.owner, s.team_id, s.channel, s.target, s.secret
    """  # noqa: S608 - constants only
)
_CLAIMED = text(
    """
    SELECT d.subscription_id, d.id, d.attempts, d.team_id, d.period, d.revision, d.takes_back,
           coalesce(p.payload, g.payload)::text AS payload, coalesce(p.traceparent, g.traceparent) AS traceparent
      FROM unnest(CAST(:ids AS uuid[])) AS s (id)
     CROSS JOIN LATERAL (
           SELECT * FROM delivery
            WHERE subscription_id = s.id AND state = 'waiting' AND due_at <= :now
            ORDER BY created_at, period, id LIMIT :each) d
      LEFT JOIN page p ON p.team_id = d.team_id AND p.period = d.period AND p.revision = d.revision
       AND NOT d.takes_back
      LEFT JOIN digest g ON starts_with(d.team_id, 'theme:') AND g.slug = substr(d.team_id, 7)
       AND g.period = d.period AND g.revision = d.revision AND NOT d.takes_back
     ORDER BY d.created_at, d.period, d.id
    """
)
_RELEASE = text(
    f"UPDATE subscription s SET leased_until = NULL, "  # noqa: S608
    f"busy_until = CASE WHEN {_IS_THEME} THEN s.busy_until END WHERE s.id = :id AND {_LEASE} = :until"
)
_SETTLE = text(
    # Also one that was superseded while it was on its way: it did arrive.
    "UPDATE delivery SET state = :state, reason = :reason, settled_at = :now, "
    "attempts = attempts + CAST(:attempts AS integer) WHERE id = ANY(CAST(:ids AS uuid[]))"
)
_FAILED = text(
    """
    UPDATE delivery SET attempts = attempts + 1, reason = :reason, due_at = given.due_at,
           state = CASE WHEN given.dead THEN 'dead' ELSE 'waiting' END,
           settled_at = CASE WHEN given.dead THEN CAST(:now AS timestamptz) END
      FROM unnest(CAST(:ids AS uuid[]), CAST(:due AS timestamptz[]), CAST(:dead AS boolean[]))
           AS given (id, due_at, dead)
     WHERE delivery.id = given.id AND delivery.state = 'waiting'
    """
)
_GONE = text(
    "UPDATE delivery SET state = 'dead', reason = :reason, settled_at = :now "
    "WHERE subscription_id = :id AND state = 'waiting'"
)
_MUTE = text("UPDATE subscription SET muted = true WHERE id = :id")
_DEAD = text(
    """
    SELECT d.id, d.subscription_id, s.owner, s.channel, s.shown, d.team_id, d.period, d.revision, d.attempts,
           d.reason, d.settled_at
      FROM delivery d JOIN subscription s ON s.id = d.subscription_id
     WHERE d.state = 'dead' ORDER BY d.settled_at, d.id
    """
)
_REPLAY = text(
    """
    UPDATE delivery SET state = 'waiting', reason = NULL, attempts = 0, due_at = :now, settled_at = NULL
     WHERE state = 'dead' AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(CAST(:ids AS uuid[]))) RETURNING id
    """
)
_PURGE = text("DELETE FROM delivery WHERE state <> 'waiting' AND settled_at < :before")


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """A delivery that is tried no more, for the steward and the operator.

    Attributes:
        shown: what may be told of the target.
        about: a team or a theme; see `subscriptions_subject`.
        reason: a code, of the last attempt.
        died_at: when it was given up.
    """

    id: UUID
    subscription: UUID
    owner: str
    channel: Channel
    shown: str
    about: str
    period: date
    revision: int
    attempts: int
    reason: str | None
    died_at: datetime


async def due(connection: AsyncConnection, published: Sequence[Published], now: datetime) -> None:
    """Have pages sent to their subscribers; within the transaction that stores the pages, and only if it stored them.

    What an older revision had waiting is superseded. Again with the same pages: nothing changes.

    Args:
        connection: of that transaction.
        published: revisions that are newer than those stored before, one for each page or digest.
        now: when.
    """
    if not published:
        return
    pages = [
        {
            "team_id": subject(each),
            "period": each.period.isoformat(),
            "revision": each.revision,
            "generated_at": each.generated_at.isoformat(),
        }
        for each in published
    ]
    given = {"pages": json.dumps(pages), "now": now}
    later = {
        "quiet": now + MESSAGE_QUIET,
        "week": next_digest(Frequency.WEEK, now),
        "month": next_digest(Frequency.MONTH, now),
    }
    await connection.execute(_DUE, given | later)
    await connection.execute(_SUPERSEDE, given)


async def taken_back(connection: AsyncConnection, pages: Mapping[str, object]) -> None:
    """Send these pages to nobody any more, and have programs that got them told; within the transaction that does it.

    Args:
        connection: of that transaction.
        pages: what they are about (`teams`) and `periods`, side by side, and `now`.
    """
    await connection.execute(_TAKEN_BACK, pages)
    await connection.execute(_NOTICE, pages)


def _notice(row: Row[Any]) -> Notice | None:
    if not row.takes_back:
        return None
    slug = theme_of(row.team_id)
    if slug is not None:
        return DigestNotice(slug=slug, period=row.period, revision=row.revision)
    return PageNotice(team_id=row.team_id, period=row.period, revision=row.revision)


class DeliveryStore:
    """The adapter to the table `delivery`. Every call raises `TransientFault` while PostgreSQL is away."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def claim(self, now: datetime, until: datetime, limit: int) -> list[Claim]:
        """Claim some subscriptions with deliveries that are due, those that have waited longest first.

        Args:
            now: what is due by then.
            until: when the claim ends by itself.
            limit: subscriptions at most.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            given = {"now": now, "until": until, "limit": limit}
            subscriptions = (await connection.execute(_CLAIM, given)).all()
            ids = [row.id for row in subscriptions]
            rows = await connection.execute(_CLAIMED, {"ids": ids, "now": now, "each": DELIVERIES_AT_ONCE})
            deliveries: dict[UUID, list[Due]] = defaultdict(list)
            for row in rows:
                published = read(row.team_id, row.payload) if row.payload is not None else None
                deliveries[row.subscription_id].append(
                    Due(row.id, row.attempts, published, _notice(row), row.traceparent)
                )
        return [
            Claim(
                subscription=row.id,
                owner=row.owner,
                about=row.team_id,
                channel=Channel(row.channel),
                target=row.target,
                secret=row.secret,
                deliveries=tuple(deliveries[row.id]),
            )
            for row in subscriptions
        ]

    async def release(self, subscription: UUID, until: datetime) -> None:
        """Give a claim back, unless it was over and is another member's by now."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_RELEASE, {"id": subscription, "until": until})

    async def sent(self, ids: Collection[UUID], now: datetime) -> None:
        """Remember that these arrived; what was taken back meanwhile is to be forgotten there, too."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_LATE_NOTICE, {"ids": list(ids), "now": now})
            await self._settle(connection, ids, State.SENT, None, now, attempts=1)

    async def drop(self, ids: Collection[UUID], reason: str, now: datetime) -> None:
        """Never send these."""
        async with transient_faults_told(), self._database.begin() as connection:
            await self._settle(connection, ids, State.DROPPED, reason, now, attempts=0)

    async def failed(self, again: Sequence[tuple[UUID, datetime | None]], reason: str, now: datetime) -> None:
        """Note an attempt in vain.

        Args:
            again: pairs of id and when it is tried again; None: it is dead.
            reason: a code.
            now: when.
        """
        given = {
            "ids": [identity for identity, _ in again],
            "due": [moment or now for _, moment in again],
            "dead": [moment is None for _, moment in again],
            "reason": reason,
            "now": now,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_FAILED, given)

    async def gone(self, subscription: UUID, reason: str, now: datetime) -> int:
        """Mute a subscription whose receiver wants nothing more; how many deliveries died with it."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_MUTE, {"id": subscription})
            return (await connection.execute(_GONE, {"id": subscription, "reason": reason, "now": now})).rowcount

    async def dead(self) -> list[DeadDelivery]:
        """Every delivery that is tried no more, the oldest first."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = (await connection.execute(_DEAD)).all()
        return [DeadDelivery(row[0], row[1], row[2], Channel(row[3]), *row[4:]) for row in rows]

    async def replay(self, ids: Sequence[UUID] | None, now: datetime, person: Person) -> int:
        """Try dead deliveries again from the start.

        Args:
            ids: of these; None: all of them.
            now: when.
            person: who asks for it, for the audit.

        Returns:
            How many there were.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            given = {"ids": None if ids is None else list(ids), "now": now}
            replayed = (await connection.execute(_REPLAY, given)).scalars().all()
            for delivery in replayed:
                await note(connection, person, "replayed", f"delivery {delivery}", now)
        return len(replayed)

    async def purge(self, before: datetime) -> None:
        """Delete what was settled before."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_PURGE, {"before": before})

    @staticmethod
    async def _settle(
        connection: AsyncConnection,
        ids: Collection[UUID],
        state: State,
        reason: str | None,
        now: datetime,
        *,
        attempts: int,
    ) -> None:
        given = {"ids": list(ids), "state": state.value, "reason": reason, "now": now, "attempts": attempts}
        await connection.execute(_SETTLE, given)
