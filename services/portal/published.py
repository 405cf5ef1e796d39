"""What is published period by period, in PostgreSQL: a copy of its topic, the newest revision of each period."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from sqlalchemy import text

from services.portal import deliveries_store
from services.portal.subscriptions_subject import of_theme
from shared.database import transient_faults_told
from shared.digests import ThemeDigest
from shared.summaries import LearningSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.consumer import Delivery

P = TypeVar("P", LearningSummary, ThemeDigest)


def _now() -> datetime:
    return datetime.now(UTC)


def places(keys: Sequence[str]) -> tuple[list[str], list[date]]:
    """Whose, and the first days of what such keys name, side by side.

    Raises:
        ValueError: a key is not `owner:period`.
    """
    parts = [key.rpartition(":") for key in keys]
    return [owner for owner, _, _ in parts], [date.fromisoformat(period) for _, _, period in parts]


@dataclass(frozen=True, slots=True)
class Reference:
    """That something is published.

    Attributes:
        owner: whose it is: a team's id, a theme's slug.
        period: first day.
        kind: month, quarter or week.
        provisional: whether the period is still open.
    """

    owner: str
    period: date
    kind: str
    provisional: bool


@dataclass(frozen=True, slots=True)
class Shelf(Generic[P]):
    """Where one kind of it is kept.

    Attributes:
        table: its name.
        owner: the column that says whose it is; of the event, too.
        model: of the topic's values.
        about: what a subscription to an owner's is about.
    """

    table: Literal["page", "digest"]
    owner: Literal["team_id", "slug"]
    model: type[P]
    about: Callable[[str], str]


PAGES = Shelf("page", "team_id", LearningSummary, str)
"""Every team's pages: a copy of `learning-summaries`."""

DIGESTS = Shelf("digest", "slug", ThemeDigest, of_theme)
"""A copy of all `theme-{slug}-digests`."""


class PublishedStore(Generic[P]):
    """The adapter to one shelf; every call raises `TransientFault` while PostgreSQL is away.

    Args:
        database: the portal's engine.
        shelf: which.
        clock: now.
    """

    def __init__(self, database: AsyncEngine, shelf: Shelf[P], clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._shelf: Shelf[P] = shelf
        self._clock = clock
        # Of the shelf's names, which are constants, and nothing else.
        table, owner = shelf.table, shelf.owner
        self._keep = text(
            f"INSERT INTO {table} ({owner}, period, revision, payload, received_at, traceparent) "  # noqa: S608
            f"SELECT {owner}, period, revision, payload, :now, traceparent "
            "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
            f"AS given({owner} text, period date, revision integer, payload jsonb, traceparent text) "
            f"ORDER BY {owner}, period "
            f"ON CONFLICT ({owner}, period) DO UPDATE SET revision = EXCLUDED.revision, payload = EXCLUDED.payload, "
            "received_at = EXCLUDED.received_at, traceparent = EXCLUDED.traceparent "
            f"WHERE EXCLUDED.revision > {table}.revision RETURNING {owner}, period"
        )
        self._take_back = text(
            f"UPDATE {table} SET payload = NULL, received_at = :now "  # noqa: S608
            "FROM unnest(CAST(:owners AS text[]), CAST(:periods AS date[])) AS gone (owner, period) "
            f"WHERE {table}.{owner} = gone.owner AND {table}.period = gone.period AND payload IS NOT NULL"
        )
        there = f"FROM {table} WHERE payload IS NOT NULL"
        reference = (
            f"{owner}, period, payload ->> 'period_kind' AS kind, "
            f"CAST(payload ->> 'provisional' AS boolean) AS provisional {there}"
        )
        self._one = text(f"SELECT payload::text {there} AND {owner} = :owner AND period = :period")
        self._newest = text(
            f"SELECT DISTINCT ON ({owner}) {reference} AND (CAST(:owners AS text[]) IS NULL OR {owner} = ANY(:owners)) "
            f"ORDER BY {owner}, period DESC"
        )
        self._periods = text(f"SELECT {reference} AND {owner} = :owner ORDER BY period DESC")
        self._owners = text(f"SELECT DISTINCT {owner} {there}")

    async def on_published(self, deliveries: Sequence[Delivery[P]]) -> None:
        """Keep the newest revision of each and have it delivered; a replay or an older revision changes nothing."""
        newest: dict[tuple[str, date], Delivery[P]] = {}
        for delivery in deliveries:
            place = (getattr(delivery.event, self._shelf.owner), delivery.event.period)
            if place not in newest or newest[place].event.revision < delivery.event.revision:
                newest[place] = delivery
        rows = [
            {
                self._shelf.owner: owner,
                "period": period.isoformat(),
                "revision": delivery.event.revision,
                "payload": delivery.event.model_dump(mode="json"),
                "traceparent": delivery.traceparent,
            }
            for (owner, period), delivery in newest.items()
        ]
        now = self._clock()
        async with transient_faults_told(), self._database.begin() as connection:
            kept = await connection.execute(self._keep, {"rows": json.dumps(rows), "now": now})
            await deliveries_store.due(connection, [newest[owner, period].event for owner, period in kept], now)

    async def on_taken_back(self, keys: Sequence[str]) -> None:
        """Forget what these say; their revision stays, so that only a newer one brings anything back.

        Raises:
            ValueError: a key is not `owner:period`.
        """
        owners, periods = places(keys)
        now = self._clock()
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(self._take_back, {"owners": owners, "periods": periods, "now": now})
            about = [self._shelf.about(owner) for owner in owners]
            await deliveries_store.taken_back(connection, {"teams": about, "periods": periods, "now": now})

    async def one(self, owner: str, period: date) -> P | None:
        """What is out of one period."""
        async with transient_faults_told(), self._database.connect() as connection:
            found = (await connection.execute(self._one, {"owner": owner, "period": period})).scalar_one_or_none()
        return None if found is None else self._shelf.model.model_validate_json(found)

    async def newest(self, owners: Sequence[str] | None = None) -> dict[str, Reference]:
        """The newest of each of these owners that has any; None: of all."""
        given = {"owners": None if owners is None else list(owners)}
        async with transient_faults_told(), self._database.connect() as connection:
            return {found[0]: Reference(*found) for found in await connection.execute(self._newest, given)}

    async def periods(self, owner: str) -> list[Reference]:
        """Everything of one owner, the newest first."""
        async with transient_faults_told(), self._database.connect() as connection:
            return [Reference(*found) for found in await connection.execute(self._periods, {"owner": owner})]

    async def owners(self) -> set[str]:
        """Everybody of whom there is any."""
        async with transient_faults_told(), self._database.connect() as connection:
            return set((await connection.execute(self._owners)).scalars())
