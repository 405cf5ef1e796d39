"""Theme digests in PostgreSQL: a copy of all `theme-{slug}-digests`, the newest revision of each period."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from services.portal import deliveries_store
from services.portal.subscriptions_subject import of_theme
from shared.database import transient_faults_told
from shared.digests import ThemeDigest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.consumer import Delivery

_KEEP = text(
    "INSERT INTO digest (slug, period, revision, payload, received_at, traceparent) "
    "SELECT slug, period, revision, payload, :now, traceparent "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS given(slug text, period date, revision integer, payload jsonb, traceparent text) ORDER BY slug, period "
    "ON CONFLICT (slug, period) DO UPDATE SET revision = EXCLUDED.revision, payload = EXCLUDED.payload, "
    "received_at = EXCLUDED.received_at, traceparent = EXCLUDED.traceparent "
    "WHERE EXCLUDED.revision > digest.revision RETURNING slug, period"
)
_TAKE_BACK = text(
    "UPDATE digest SET payload = NULL, received_at = :now "
    "FROM unnest(CAST(:slugs AS text[]), CAST(:periods AS date[])) AS gone (slug, period) "
    "WHERE digest.slug = gone.slug AND digest.period = gone.period AND payload IS NOT NULL"
)
_ONE = text("SELECT payload::text FROM digest WHERE slug = :slug AND period = :period AND payload IS NOT NULL")
_REFERENCE = (
    "slug, period, payload ->> 'period_kind' AS kind, CAST(payload ->> 'provisional' AS boolean) AS provisional "
    "FROM digest WHERE payload IS NOT NULL"
)
_NEWEST = text(f"SELECT DISTINCT ON (slug) {_REFERENCE} ORDER BY slug, period DESC")
_PERIODS = text(f"SELECT {_REFERENCE} AND slug = :slug ORDER BY period DESC")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class DigestReference:
    """That a digest is there.

    Attributes:
        period: first day.
        kind: month, quarter or week.
        provisional: whether the period is still open.
    """

    slug: str
    period: date
    kind: str
    provisional: bool


class DigestStore:
    """The adapter to the table `digest`.

    Args:
        database: the portal's engine.
        clock: now.
    """

    def __init__(self, database: AsyncEngine, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    async def on_theme_digest(self, deliveries: Sequence[Delivery[ThemeDigest]]) -> None:
        """Keep the newest revision of each digest and have it delivered; a replay changes nothing.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        newest: dict[tuple[str, date], Delivery[ThemeDigest]] = {}
        for delivery in deliveries:
            digest = (delivery.event.slug, delivery.event.period)
            if digest not in newest or newest[digest].event.revision < delivery.event.revision:
                newest[digest] = delivery
        rows = [
            {
                "slug": delivery.event.slug,
                "period": delivery.event.period.isoformat(),
                "revision": delivery.event.revision,
                "payload": delivery.event.model_dump(mode="json"),
                "traceparent": delivery.traceparent,
            }
            for delivery in newest.values()
        ]
        now = self._clock()
        async with transient_faults_told(), self._database.begin() as connection:
            kept = await connection.execute(_KEEP, {"rows": json.dumps(rows), "now": now})
            await deliveries_store.due(connection, [newest[row.slug, row.period].event for row in kept], now)

    async def on_taken_back(self, keys: Sequence[str]) -> None:
        """Forget what these digests say; their revision stays, so that only a newer one brings a digest back.

        Args:
            keys: `slug:period`.

        Raises:
            ValueError: one is none.
            TransientFault: PostgreSQL is away; nothing was changed.
        """
        parts = [key.partition(":") for key in keys]
        slugs = [slug for slug, _, _ in parts]
        periods = [date.fromisoformat(period) for _, _, period in parts]
        now = self._clock()
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_TAKE_BACK, {"slugs": slugs, "periods": periods, "now": now})
            themes = [of_theme(slug) for slug in slugs]
            await deliveries_store.taken_back(connection, {"teams": themes, "periods": periods, "now": now})

    async def digest(self, slug: str, period: date) -> ThemeDigest | None:
        """One digest, if it is out."""
        async with transient_faults_told(), self._database.connect() as connection:
            found = (await connection.execute(_ONE, {"slug": slug, "period": period})).scalar_one_or_none()
        return None if found is None else ThemeDigest.model_validate_json(found)

    async def newest(self) -> dict[str, DigestReference]:
        """The newest digest of each theme that has one, by slug."""
        async with transient_faults_told(), self._database.connect() as connection:
            return {row.slug: DigestReference(*row) for row in await connection.execute(_NEWEST)}

    async def periods(self, slug: str) -> list[DigestReference]:
        """Every digest of a theme, the newest first."""
        async with transient_faults_told(), self._database.connect() as connection:
            return [DigestReference(*row) for row in await connection.execute(_PERIODS, {"slug": slug})]
