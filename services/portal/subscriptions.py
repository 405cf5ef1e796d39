"""Subscriptions in PostgreSQL: who is told about what, how, and how often. Targets are sealed, tokens hashed.

The column `team_id` holds what a subscription is about; see `subscriptions_subject`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import text

from services.portal import sessions
from services.portal.audit import note
from services.portal.channels import Channel, shown
from services.portal.deliveries import Frequency, next_digest
from services.portal.people import Person
from services.portal.subscriptions_subject import noted, read, theme_of
from shared.database import transient_faults_told
from shared.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.portal.subscriptions_sealing import Seals
    from services.portal.subscriptions_subject import Published

MOST_SUBSCRIPTIONS = 50
"""Of one person."""

_NUMBER = text("SELECT count(*) FROM subscription WHERE owner = :owner")
_ADD = text(
    """
    INSERT INTO subscription
           (id, owner, team_id, channel, frequency, shown, target, secret, fingerprint, feed_token_hash, since,
            busy_until)
    VALUES (:id, :owner, :about, :channel, :frequency, :shown, :target, :secret, :fingerprint, :feed_token_hash, :now,
            CASE WHEN CAST(:is_theme AS boolean) THEN CAST('infinity' AS timestamptz) END)
        ON CONFLICT (owner, team_id, channel, fingerprint) DO NOTHING RETURNING id
    """
)
_MINE = text(
    """
    SELECT s.id, s.team_id, s.channel, s.frequency, s.shown, s.muted, s.since,
           d.waiting, d.dead, d.reason, d.sent_at
      FROM subscription s CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
                  count(*) FILTER (WHERE state = 'dead') AS dead,
                  max(reason) FILTER (WHERE state IN ('waiting', 'dead')) AS reason,
                  max(settled_at) FILTER (WHERE state = 'sent') AS sent_at
             FROM delivery WHERE subscription_id = s.id) d
     WHERE s.owner = :owner ORDER BY s.team_id, s.since, s.id
    """
)
_CHANGE = text(
    "UPDATE subscription SET frequency = :frequency, muted = :muted WHERE id = :id AND owner = :owner RETURNING team_id"
)
_DROP_MUTED = text(
    "UPDATE delivery SET state = 'dropped', reason = 'muted', settled_at = :now "
    "WHERE subscription_id = :id AND state = 'waiting'"
)
_DUE_ANEW = text("UPDATE delivery SET due_at = :due WHERE subscription_id = :id AND state = 'waiting' AND attempts = 0")
_REMOVE = text("DELETE FROM subscription WHERE id = :id AND owner = :owner RETURNING team_id")
_UNSUBSCRIBE = text("DELETE FROM subscription WHERE id = :id RETURNING owner, team_id")
_ABOUT = text("SELECT team_id FROM subscription WHERE id = :id")
_FEED = text("SELECT id, owner, team_id, since FROM subscription WHERE feed_token_hash = :hash AND NOT muted")
_FEED_PAGES = text(
    "SELECT payload::text AS payload FROM page WHERE team_id = :about AND payload IS NOT NULL "
    "ORDER BY period DESC LIMIT :limit"
)
_FEED_DIGESTS = text(
    "SELECT payload::text AS payload FROM digest WHERE slug = :slug AND payload IS NOT NULL "
    "ORDER BY period DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription that somebody asks for; every part was checked.

    Attributes:
        about: a team or a theme; see `subscriptions_subject`, here and below.
        target: address or URL; empty for a feed.
        secret: what a webhook is signed with.
        feed_token: what opens a feed.
    """

    about: str
    channel: Channel
    frequency: Frequency
    target: str = ""
    secret: str | None = None
    feed_token: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its owner sees it.

    Attributes:
        shown: what may be told of the target.
        waiting: deliveries to come.
        dead: deliveries that are tried no more.
        reason: why the last attempt failed, as a code.
        sent_at: when something last arrived.
    """

    id: UUID
    about: str
    channel: Channel
    frequency: Frequency
    shown: str
    muted: bool
    since: datetime
    waiting: int
    dead: int
    reason: str | None
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Feed:
    """A subscription that is a feed."""

    id: UUID
    owner: str
    about: str
    since: datetime


class SubscriptionStore:
    """The adapter to the table `subscription`. Every call raises `TransientFault` while PostgreSQL is away."""

    def __init__(self, database: AsyncEngine, seals: Seals) -> None:
        self._database = database
        self._seals = seals

    async def add(self, person: Person, wanted: Wanted, now: datetime) -> UUID:
        """Subscribe. It gets what is written from now on.

        Raises:
            UsageError: the person has this one already, or too many.
        """
        identity = uuid4()
        given = {
            "id": identity,
            "owner": person.subject,
            "about": wanted.about,
            "is_theme": theme_of(wanted.about) is not None,
            "channel": wanted.channel.value,
            "frequency": wanted.frequency.value,
            "shown": shown(wanted.channel, wanted.target),
            "target": self._seals.seal(wanted.target, identity) if wanted.target else None,
            "secret": self._seals.seal(wanted.secret, identity) if wanted.secret else None,
            "fingerprint": self._seals.fingerprint(wanted.target),
            "feed_token_hash": sessions.hashed(wanted.feed_token) if wanted.feed_token else None,
            "now": now,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            number = (await connection.execute(_NUMBER, {"owner": person.subject})).scalar_one()
            if number >= MOST_SUBSCRIPTIONS:
                raise UsageError(f"you have {number} subscriptions; end one that you no longer need")
            if (await connection.execute(_ADD, given)).first() is None:
                raise UsageError("you have this subscription already; it is in the list")
            await note(connection, person, "subscribed", _told(identity, wanted.about), now)
        return identity

    async def of(self, person: Person) -> list[Subscription]:
        """A person's own."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = (await connection.execute(_MINE, {"owner": person.subject})).all()
        return [Subscription(row[0], row[1], Channel(row[2]), Frequency(row[3]), *row[4:]) for row in rows]

    async def change(
        self, person: Person, subscription: UUID, frequency: Frequency, now: datetime, *, muted: bool
    ) -> bool:
        """Change how often, or whether, something is sent; no where the person has no such subscription.

        What waited while it was being muted is never sent.
        """
        given = {"id": subscription, "owner": person.subject, "frequency": frequency.value, "muted": muted}
        async with transient_faults_told(), self._database.begin() as connection:
            found = (await connection.execute(_CHANGE, given)).first()
            if found is None:
                return False
            if muted:
                await connection.execute(_DROP_MUTED, {"id": subscription, "now": now})
            else:
                due = {"id": subscription, "due": next_digest(frequency, now)}
                await connection.execute(_DUE_ANEW, due)
            await note(connection, person, "changed subscription", _told(subscription, found.team_id), now)
        return True

    async def remove(self, person: Person, subscription: UUID, now: datetime) -> bool:
        """End a person's own subscription, and what waited of it; no where there is none."""
        async with transient_faults_told(), self._database.begin() as connection:
            found = (await connection.execute(_REMOVE, {"id": subscription, "owner": person.subject})).first()
            if found is not None:
                await note(connection, person, "unsubscribed", _told(subscription, found.team_id), now)
        return found is not None

    async def about(self, token: str) -> str | None:
        """What the subscription is about that a link ends; None where there is none."""
        identity = self._seals.linked(token)
        if identity is None:
            return None
        async with transient_faults_told(), self._database.connect() as connection:
            about: str | None = (await connection.execute(_ABOUT, {"id": identity})).scalar_one_or_none()
        return about

    async def unsubscribe(self, token: str, now: datetime) -> bool:
        """End the subscription of a link; no where the link was not made here. Again: nothing changes."""
        identity = self._seals.linked(token)
        if identity is None:
            return False
        async with transient_faults_told(), self._database.begin() as connection:
            found = (await connection.execute(_UNSUBSCRIBE, {"id": identity})).first()
            if found is not None:
                await _note_link(connection, found.owner, _told(identity, found.team_id), now)
        return True

    async def feed(self, token: str) -> Feed | None:
        """The feed that a token opens; None for a wrong token, or while it is muted."""
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await connection.execute(_FEED, {"hash": sessions.hashed(token)})).one_or_none()
        return None if row is None else Feed(*row)

    async def feed_pages(self, about: str, limit: int) -> list[Published]:
        """A team's newest pages, or a theme's newest digests."""
        slug = theme_of(about)
        pages = _FEED_PAGES if slug is None else _FEED_DIGESTS
        given = {"limit": limit, **({"about": about} if slug is None else {"slug": slug})}
        async with transient_faults_told(), self._database.connect() as connection:
            return [read(about, row.payload) for row in await connection.execute(pages, given)]


async def _note_link(connection: AsyncConnection, owner: str, what: str, now: datetime) -> None:
    await note(connection, Person(owner, frozenset(), frozenset()), "unsubscribed by link", what, now)


def _told(subscription: UUID, about: str) -> str:
    return f"subscription {subscription} {noted(about)}"
