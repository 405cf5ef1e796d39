"""Every team's pages in PostgreSQL: a copy of `learning-summaries`, the newest revision of each period."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from services.portal import deliveries_store
from shared.database import transient_faults_told
from shared.summaries import LearningSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.consumer import Delivery

_KEEP = text(
    "INSERT INTO page (team_id, period, revision, payload, received_at, traceparent) "
    "SELECT team_id, period, revision, payload, :now, traceparent "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS given(team_id text, period date, revision integer, payload jsonb, traceparent text) ORDER BY team_id, period "
    "ON CONFLICT (team_id, period) DO UPDATE SET revision = EXCLUDED.revision, payload = EXCLUDED.payload, "
    "received_at = EXCLUDED.received_at, traceparent = EXCLUDED.traceparent "
    "WHERE EXCLUDED.revision > page.revision RETURNING team_id, period"
)
_TAKE_BACK = text(
    "UPDATE page SET payload = NULL, received_at = :now "
    "FROM unnest(CAST(:teams AS text[]), CAST(:periods AS date[])) AS gone (team_id, period) "
    "WHERE page.team_id = gone.team_id AND page.period = gone.period AND payload IS NOT NULL"
)
_ONE = text("SELECT payload::text FROM page WHERE team_id = :team AND period = :period AND payload IS NOT NULL")
_NEWEST = text(
    "SELECT DISTINCT ON (team_id) team_id, period, payload ->> 'period_kind' AS kind, "
    "CAST(payload ->> 'provisional' AS boolean) AS provisional FROM page "
    "WHERE team_id = ANY(CAST(:teams AS text[])) AND payload IS NOT NULL ORDER BY team_id, period DESC"
)
_PERIODS = text(
    "SELECT team_id, period, payload ->> 'period_kind' AS kind, "
    "CAST(payload ->> 'provisional' AS boolean) AS provisional FROM page "
    "WHERE team_id = :team AND payload IS NOT NULL ORDER BY period DESC"
)
_TEAMS = text("SELECT DISTINCT team_id FROM page WHERE payload IS NOT NULL")


def _now() -> datetime:
    return datetime.now(UTC)


def pages_of(keys: Sequence[str]) -> dict[str, object]:
    """Teams and first days of what such keys name, as a statement takes them.

    Raises:
        ValueError: a key is not `team:period`.
    """
    parts = [key.rpartition(":") for key in keys]
    return {
        "teams": [team for team, _, _ in parts],
        "periods": [date.fromisoformat(period) for _, _, period in parts],
    }


@dataclass(frozen=True, slots=True)
class PageReference:
    """That a page is there.

    Attributes:
        period: first day.
        kind: month, quarter or week.
        provisional: whether the period is still open.
    """

    team_id: str
    period: date
    kind: str
    provisional: bool


class PageStore:
    """The adapter to the table `page`.

    Args:
        database: the portal's engine.
        clock: now.
    """

    def __init__(self, database: AsyncEngine, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    async def on_learning_summary(self, deliveries: Sequence[Delivery[LearningSummary]]) -> None:
        """Keep the newest revision of each page and have it delivered; a replay or an older revision changes nothing.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        newest: dict[tuple[str, date], Delivery[LearningSummary]] = {}
        for delivery in deliveries:
            page = (delivery.event.team_id, delivery.event.period)
            if page not in newest or newest[page].event.revision < delivery.event.revision:
                newest[page] = delivery
        rows = [
            {
                "team_id": delivery.event.team_id,
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
            await deliveries_store.due(connection, [newest[row.team_id, row.period].event for row in kept], now)

    async def on_taken_back(self, keys: Sequence[str]) -> None:
        """Forget what these pages say; their revision stays, so that only a newer one brings a page back.

        Raises:
            ValueError: a key is not `team:period`.
            TransientFault: PostgreSQL is away; nothing was changed.
        """
        given = {**pages_of(keys), "now": self._clock()}
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_TAKE_BACK, given)
            await deliveries_store.taken_back(connection, given)

    async def page(self, team_id: str, period: date) -> LearningSummary | None:
        """One page, if it is out."""
        async with transient_faults_told(), self._database.connect() as connection:
            found = (await connection.execute(_ONE, {"team": team_id, "period": period})).scalar_one_or_none()
        return None if found is None else LearningSummary.model_validate_json(found)

    async def newest(self, team_ids: Sequence[str]) -> dict[str, PageReference]:
        """The newest page of each of these teams that has one."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(_NEWEST, {"teams": list(team_ids)})
            return {row.team_id: PageReference(*row) for row in rows}

    async def periods(self, team_id: str) -> list[PageReference]:
        """Every page of a team, the newest first."""
        async with transient_faults_told(), self._database.connect() as connection:
            return [PageReference(*row) for row in await connection.execute(_PERIODS, {"team": team_id})]

    async def teams(self) -> set[str]:
        """Ids of all teams that have a page."""
        async with transient_faults_told(), self._database.connect() as connection:
            return set((await connection.execute(_TEAMS)).scalars())
