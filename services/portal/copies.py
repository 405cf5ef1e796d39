"""Copies in PostgreSQL of topics that keep one record per page: the newest revision, or nothing once it was removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import text

from services.portal.published import places
from shared.database import transient_faults_told
from shared.held import SummaryHeld
from shared.sources import PageSources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from typing import Literal

    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.consumer import Delivery
    from shared.summaries import LearningSummary

E = TypeVar("E", PageSources, SummaryHeld)


class PageCopy(Generic[E]):
    """The adapter to one such table; every call raises `TransientFault` while PostgreSQL is away.

    Args:
        database: the portal's engine.
        table: where the copy is.
        model: of the topic's values.
    """

    def __init__(self, database: AsyncEngine, table: Literal["page_source", "held_summary"], model: type[E]) -> None:
        self._database = database
        self._model: type[E] = model
        # Of the table's name, which is one of two, and constants only.
        self._keep = text(
            f"INSERT INTO {table} AS kept (team_id, period, revision, payload) "  # noqa: S608
            "SELECT DISTINCT ON (team_id, period) team_id, period, revision, payload "
            "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
            "AS given(team_id text, period date, revision integer, payload jsonb) "
            "ORDER BY team_id, period, revision DESC "
            "ON CONFLICT (team_id, period) DO UPDATE SET revision = EXCLUDED.revision, payload = EXCLUDED.payload "
            "WHERE EXCLUDED.revision > kept.revision"
        )
        self._remove = text(
            f"UPDATE {table} AS kept SET payload = NULL "  # noqa: S608
            "FROM unnest(CAST(:teams AS text[]), CAST(:periods AS date[])) AS gone (team_id, period) "
            "WHERE kept.team_id = gone.team_id AND kept.period = gone.period"
        )
        self._one = text(
            f"SELECT payload::text FROM {table} "  # noqa: S608
            "WHERE team_id = :team AND period = :period AND payload IS NOT NULL"
        )
        self._all = text(f"SELECT payload::text FROM {table} WHERE payload IS NOT NULL ORDER BY team_id, period")  # noqa: S608

    async def on_event(self, deliveries: Sequence[Delivery[E]]) -> None:
        """Keep the newest revision of each page; a replay or an older revision changes nothing."""
        rows = [
            {
                "team_id": event.team_id,
                "period": event.period.isoformat(),
                "revision": event.revision,
                "payload": event.model_dump(mode="json"),
            }
            for event in (delivery.event for delivery in deliveries)
        ]
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(self._keep, {"rows": json.dumps(rows)})

    async def on_removed(self, keys: Sequence[str]) -> None:
        """Forget what is of these pages; the revision stays, so that only a newer one brings anything back.

        Raises:
            ValueError: a key is not `team:period`.
        """
        teams, periods = places(keys)
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(self._remove, {"teams": teams, "periods": periods})

    async def one(self, team_id: str, period: date) -> E | None:
        """What there is of one page."""
        async with transient_faults_told(), self._database.connect() as connection:
            found = (await connection.execute(self._one, {"team": team_id, "period": period})).scalar_one_or_none()
        return None if found is None else self._model.model_validate_json(found)

    async def all(self) -> list[E]:
        """What there is, by team and period."""
        async with transient_faults_told(), self._database.connect() as connection:
            return [self._model.model_validate_json(found) for found in (await connection.execute(self._all)).scalars()]


def of_page(sources: PageSources | None, summary: LearningSummary) -> PageSources | None:
    """The sources, if they are of this very page: those of another revision would be of other quotes.

    Page and sources travel on two topics, and either may arrive first.
    """
    if sources is None or (sources.team_id, sources.period) != (summary.team_id, summary.period):
        return None
    if sources.revision != summary.revision or len(sources.quotes) != len(summary.quotes):
        return None
    return sources
