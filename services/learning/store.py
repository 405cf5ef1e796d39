"""Readings and period counters in PostgreSQL: one transaction per batch, a replay changes nothing.

The SQL is set-based: a batch costs a handful of statements, however many readings it holds. Locks are always taken in
the order what is kept beside readings (`beside.py`), readings, counters, due pages, and within each by key, so members
cannot deadlock each other.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning import beside
from services.learning.catalogue import UNROUTED
from services.learning.corrections import overlaid
from services.learning.counting import locked, mark_due, recount
from services.learning.readings import deltas, newest, supersedes
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.learning.readings import Reading

_COLUMNS = {
    "feedback_id": "uuid",
    "version": "integer",
    "withdrawn": "boolean",
    "team_id": "text",
    "period": "date",
    "occurred_at": "timestamptz",
    "organisation": "text",
    "service": "text",
    "unit": "text",
    "site": "text",
    "channel": "text",
    "kind": "text",
    "question_type": "text",
    "language": "text",
    "rating": "smallint",
    "sentiment": "smallint",
    "themes": "jsonb",
    "severity": "real",
    "urgent": "boolean",
    "quote_ok": "boolean",
    "segments": "jsonb",
    "media": "jsonb",
    "model_version": "text",
    "measures": "jsonb",
    "uncorrected": "jsonb",
}
_NAMES = ", ".join(_COLUMNS)
_RECORDS = f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given({', '.join(f'{n} {t}' for n, t in _COLUMNS.items())})"
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(_COLUMNS),
    "themes": [],
    "segments": [],
    "media": [],
    "urgent": False,
    "quote_ok": False,
}

# The names are this module's own constants; every value travels as a parameter.
_INSERT = text(
    f"INSERT INTO reading ({_NAMES}) SELECT {_NAMES} FROM {_RECORDS} ORDER BY feedback_id "  # noqa: S608
    "ON CONFLICT (feedback_id) DO NOTHING RETURNING feedback_id"
)
_REPLACE = text(
    "UPDATE reading SET "  # noqa: S608
    + ", ".join(f"{name} = given.{name}" for name in _COLUMNS if name != "feedback_id")
    + f", included_revision = NULL FROM {_RECORDS} WHERE reading.feedback_id = given.feedback_id"
)
_ALL_DUE = text(
    # In the order in which `_mark_due` sorts, so that the two wait for each other instead of deadlocking.
    "INSERT INTO due_page (team_id, period) SELECT team_id, period FROM period_counter WHERE measure = 'responses' "
    "GROUP BY team_id, period "
    'ORDER BY team_id COLLATE "C", period ON CONFLICT (team_id, period) DO NOTHING'
)
_UNROUTED = text(
    "SELECT organisation, service, count(*) AS readings FROM reading WHERE team_id = :team "
    "GROUP BY organisation, service ORDER BY readings DESC, organisation, service NULLS FIRST"
)
_COUNTS = text(
    "SELECT team_id, sum(count)::bigint AS n, count(*) AS periods FROM period_counter "
    "WHERE measure = 'responses' AND count > 0 GROUP BY team_id ORDER BY team_id"
)
_FINISHED = text("SELECT feedback_id, version FROM reading ORDER BY feedback_id")
_TALLY = text(
    "SELECT count(*) AS read, count(*) FILTER (WHERE urgent) AS urgent FROM reading "
    "WHERE feedback_id = ANY(CAST(:ids AS uuid[]))"
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch did.

    Attributes:
        arrived: readings that were not there before.
        replaced: readings that gave way to a higher version or a withdrawal.
        ignored: events that changed nothing: replays, older versions, late versions of what was withdrawn.
        unrouted: readings written now that no team receives.
        voices: how many of those that arrived came through each channel, as the integrations name them.
    """

    arrived: int
    replaced: int
    ignored: int
    unrouted: int
    voices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnroutedGroup:
    """Feedback that no team receives, by where it comes from. For operators; true counts."""

    organisation: str
    service: str | None
    readings: int


@dataclass(frozen=True, slots=True)
class TeamCount:
    """How much a team has heard. For operators; true counts."""

    n: int
    periods: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Of some pieces of feedback, how many arrived here, withdrawn ones included, and how many went to a person."""

    read: int
    urgent: int


class ReadingStore:
    """The adapter to the tables `reading` and `period_counter`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def take(self, arriving: Sequence[Reading]) -> Change:
        """Write readings and withdrawals, correct the counters and mark their pages as due, all or nothing.

        Any interleaving, repetition or reordering of batches ends in the same rows: a withdrawal wins for ever, then
        the highest version.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        wanted = newest(arriving)
        if not wanted:
            return Change(0, 0, 0, 0)
        async with transient_faults_told(), self._database.begin() as connection:
            corrections = await beside.corrections_of(connection, [reading.feedback_id for reading in wanted])
            wanted = [overlaid(reading, corrections) for reading in wanted]
            rows = await connection.execute(_INSERT, {"rows": _records(wanted)})
            inserted = {row.feedback_id for row in rows}
            come = [reading for reading in wanted if reading.feedback_id in inserted]
            gone, instead = await self._replacements(connection, wanted, inserted)
            if instead:
                await connection.execute(_REPLACE, {"rows": _records(instead)})
            written = [*come, *instead]
            await beside.forget(connection, [r for r in written if r.withdrawn or r.feedback_id in corrections])
            await recount(connection, deltas(gone, written))
            await mark_due(connection, gone, written)
        return Change(
            arrived=len(come),
            replaced=len(instead),
            ignored=len(arriving) - len(written),
            unrouted=sum(reading.team_id == UNROUTED for reading in written),
            voices=Counter(reading.details["channel"] for reading in come if reading.details is not None),
        )

    @staticmethod
    async def _replacements(
        connection: AsyncConnection, wanted: Sequence[Reading], inserted: set[UUID]
    ) -> tuple[list[Reading], list[Reading]]:
        rest = {reading.feedback_id: reading for reading in wanted if reading.feedback_id not in inserted}
        if not rest:
            return [], []
        held = await locked(connection, rest)
        gone = [old for old in held if supersedes(rest[old.feedback_id], old)]
        return gone, [rest[old.feedback_id] for old in gone]

    async def mark_all_due(self) -> None:
        """Have every page looked at again: the catalogue, the wording or the rules may have changed since."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_ALL_DUE)

    async def unrouted(self) -> list[UnroutedGroup]:
        """Where the feedback that no team receives comes from, most first."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(_UNROUTED, {"team": UNROUTED})
            return [UnroutedGroup(row.organisation, row.service, row.readings) for row in rows]

    async def counts(self) -> dict[str, TeamCount]:
        """Responses and periods with at least one, by team id, `unrouted` included."""
        async with transient_faults_told(), self._database.connect() as connection:
            return {row.team_id: TeamCount(row.n, row.periods) for row in await connection.execute(_COUNTS)}

    async def finished(self) -> dict[UUID, int]:
        """The version that was taken, by feedback id, 0 for what was withdrawn."""
        async with transient_faults_told(), self._database.connect() as connection:
            return {row.feedback_id: row.version for row in await connection.execute(_FINISHED)}

    async def tally(self, ids: Iterable[UUID]) -> Tally:
        """How far these pieces of feedback are."""
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await connection.execute(_TALLY, {"ids": list(ids)})).one()
            return Tally(row.read, row.urgent)


def _records(readings: Iterable[Reading]) -> str:
    return json.dumps(
        [
            {
                **_EMPTY,
                **(reading.details or {}),
                "feedback_id": str(reading.feedback_id),
                "version": reading.version,
                "withdrawn": reading.withdrawn,
                "team_id": reading.team_id,
                "period": reading.period.isoformat() if reading.period else None,
                "measures": reading.measures,
                "uncorrected": reading.uncorrected,
            }
            for reading in readings
        ]
    )
