"""Counts everything by another kind of period, when an installation's setting changes: rare, and dear.

What was published under the old periods and is none of the new ones is taken back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import text

from services.learning import beside
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.learning.periods import PeriodKind

log = logging.getLogger(__name__)

PARTS = 256
"""Parts, by the first byte of the id, in which readings are counted anew: each must end within the statement limit."""

_KIND = text("SELECT kind FROM counted_by FOR UPDATE")
_DIGESTS_DUE = text("INSERT INTO due_digest (period) SELECT DISTINCT period FROM digest ON CONFLICT DO NOTHING")
_SET_KIND = text("UPDATE counted_by SET kind = :kind")
_EMPTY = text("DELETE FROM period_counter")
_PART = "feedback_id >= CAST(:first AS uuid) AND (CAST(:after AS uuid) IS NULL OR feedback_id < CAST(:after AS uuid))"
_MOVE = text(
    "UPDATE reading SET period = date_trunc(:kind, occurred_at AT TIME ZONE 'Europe/London')::date, "  # noqa: S608
    f"included_revision = NULL WHERE NOT withdrawn AND {_PART}"
)
_COUNT = text(
    "INSERT INTO period_counter (team_id, period, measure, value, count) "  # noqa: S608 - constants only
    "SELECT team_id, period, m ->> 0, m ->> 1, count(*) FROM reading, jsonb_array_elements(measures) AS m "
    f"WHERE NOT withdrawn AND {_PART} GROUP BY 1, 2, 3, 4 "
    "ON CONFLICT (team_id, period, measure, value) DO UPDATE SET count = period_counter.count + EXCLUDED.count"
)
_PARTS_GONE = text("DELETE FROM included_part")
_DUE = text(
    "INSERT INTO due_page (team_id, period, removes) SELECT team_id, period, true FROM "
    "(SELECT team_id, period FROM period_counter WHERE measure = 'responses' AND count > 0 "
    "UNION SELECT team_id, period FROM page) AS due "
    'ORDER BY team_id COLLATE "C", period ON CONFLICT (team_id, period) DO UPDATE SET removes = true'
)


async def count_by(database: AsyncEngine, kind: PeriodKind) -> bool:
    """Have readings, counters and pages stand by this kind of period; whether that changed anything.

    Raises:
        TransientFault: PostgreSQL is away; nothing was changed.
    """
    async with transient_faults_told(), database.begin() as connection:
        if (await connection.execute(_KIND)).scalar_one() == kind:
            return False
        log.warning("counting everything anew: a page now covers a %s", kind)
        await beside.alone(connection)
        await connection.execute(_EMPTY)
        for number in range(PARTS):
            first, after = _uuid(number), _uuid(number + 1) if number + 1 < PARTS else None
            await connection.execute(_MOVE, {"kind": kind, "first": first, "after": after})
            await connection.execute(_COUNT, {"first": first, "after": after})
        await connection.execute(_PARTS_GONE)
        await connection.execute(_DUE)
        await connection.execute(_DIGESTS_DUE)
        await connection.execute(_SET_KIND, {"kind": kind})
    return True


def _uuid(first_byte: int) -> str:
    return f"{first_byte:02x}000000-0000-0000-0000-000000000000"
