"""What every change of readings does to the rows around them: lock, count anew, mark pages as due.

All inside the caller's transaction, and always in this order.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning.readings import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.learning.readings import CounterKey, Measure

_LOCK = text(
    "SELECT feedback_id, version, withdrawn, team_id, period, measures, uncorrected FROM reading "
    "WHERE feedback_id = ANY(CAST(:ids AS uuid[])) ORDER BY feedback_id FOR UPDATE"
)
_COUNT = text(
    "INSERT INTO period_counter (team_id, period, measure, value, count) "
    "SELECT * FROM unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), CAST(:measures AS text[]), "
    "CAST(:values AS text[]), CAST(:counts AS bigint[])) "
    "ON CONFLICT (team_id, period, measure, value) DO UPDATE SET count = period_counter.count + EXCLUDED.count"
)
_DUE = text(
    # A period is a point on the charts of those after it, for four years at most (`periods.REMEMBERED`).
    "WITH touched AS (SELECT * FROM unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), "
    "CAST(:removes AS boolean[]), CAST(:traces AS text[])) AS t(team_id, period, removes, traceparent)), "
    "first AS (SELECT team_id, min(period) AS period FROM touched GROUP BY team_id) "
    "INSERT INTO due_page (team_id, period, removes, traceparent) "
    "SELECT team_id, period, bool_or(removes), max(traceparent) FROM "
    "(SELECT * FROM touched UNION ALL SELECT c.team_id, c.period, false, NULL FROM first "
    "JOIN period_counter AS c ON c.team_id = first.team_id AND c.period > first.period "
    "AND c.period <= first.period + interval '4 years' AND c.measure = 'responses') AS due "
    'GROUP BY team_id, period ORDER BY team_id COLLATE "C", period '
    "ON CONFLICT (team_id, period) DO UPDATE SET changed_at = clock_timestamp(), "
    "removes = due_page.removes OR EXCLUDED.removes, "
    # A page goes out in the trace of one of those that changed it, the latest: more would be links to nowhere.
    "traceparent = COALESCE(EXCLUDED.traceparent, due_page.traceparent)"
)


async def locked(connection: AsyncConnection, ids: Iterable[UUID]) -> list[Reading]:
    """The readings of these ids that are there, locked until the transaction ends."""
    return [_reading(row) for row in await connection.execute(_LOCK, {"ids": list(ids)})]


async def recount(connection: AsyncConnection, change: Mapping[CounterKey, int]) -> None:
    """Add to the counters."""
    if not change:
        return
    teams, periods, measures, values = zip(*change, strict=True)
    await connection.execute(
        _COUNT,
        {
            "teams": list(teams),
            "periods": list(periods),
            "measures": list(measures),
            "values": list(values),
            "counts": list(change.values()),
        },
    )


async def mark_due(connection: AsyncConnection, gone: Iterable[Reading], come: Iterable[Reading]) -> None:
    """Have the pages of these readings' periods, and of their teams' later ones, looked at again.

    Args:
        connection: in the transaction that changes the readings.
        gone: readings as they were; a page that counts or quotes them must not stay out.
        come: readings as they are now.
    """
    removes: dict[tuple[str, date], bool] = {}
    traces: dict[tuple[str, date], str | None] = {}
    for readings, takes_away in ((come, False), (gone, True)):
        for reading in readings:
            if reading.team_id is not None and reading.period is not None:
                pair = (reading.team_id, reading.period)
                removes[pair] = removes.get(pair, False) or takes_away
                traces[pair] = reading.traceparent or traces.get(pair)
    if removes:
        pairs = sorted(removes)
        await connection.execute(
            _DUE,
            {
                "teams": [team for team, _ in pairs],
                "periods": [period for _, period in pairs],
                "removes": [removes[pair] for pair in pairs],
                "traces": [traces[pair] for pair in pairs],
            },
        )


def parsed(value: Any) -> Any:
    """A jsonb column of a textual statement arrives as text or parsed, as the driver likes."""
    return json.loads(value) if isinstance(value, str) else value


def _reading(row: Row[Any]) -> Reading:
    return Reading(
        feedback_id=row.feedback_id,
        version=row.version,
        withdrawn=row.withdrawn,
        team_id=row.team_id,
        period=row.period,
        measures=_measures(row.measures),
        uncorrected=None if row.uncorrected is None else _measures(row.uncorrected),
    )


def _measures(value: Sequence[Sequence[str]] | str) -> tuple[Measure, ...]:
    return tuple((measure, name) for measure, name in parsed(value))
