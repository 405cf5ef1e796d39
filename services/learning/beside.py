"""What is kept beside a reading under the same id, corrections and urgent items, and how it goes when that goes.

A reading and what stands beside it arrive on different topics, in any order, at different members. A lock keeps the two
apart: readings are taken under it together, what stands beside them alone. So whoever comes second sees the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning.corrections import Correction
from services.learning.counting import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.learning.readings import Reading

_TOGETHER = text("SELECT pg_advisory_xact_lock_shared(hashtext('heed-beside-' || current_schema()))")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('heed-beside-' || current_schema()))")
_CORRECTIONS = text("SELECT * FROM correction WHERE feedback_id = ANY(CAST(:ids AS uuid[]))")
_FORGET = tuple(
    text(f"DELETE FROM {table} WHERE feedback_id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608 - constants only
    for table in ("correction", "urgent_item")
)
_OUTDATED = text(
    "DELETE FROM correction USING unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS now(id, version) "
    "WHERE correction.feedback_id = now.id AND correction.version < now.version"
)


async def alone(connection: AsyncConnection) -> None:
    """Keep every other transaction of readings, and of what stands beside them, waiting until this one ends."""
    await connection.execute(_ALONE)


async def corrections_of(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Correction]:
    """The corrections of these ids; none comes or goes until the transaction ends."""
    await connection.execute(_TOGETHER)
    rows = await connection.execute(_CORRECTIONS, {"ids": list(ids)})
    return {row.feedback_id: _correction(row) for row in rows}


async def forget(connection: AsyncConnection, replacing: Sequence[Reading]) -> None:
    """Drop what stands beside withdrawn feedback, and corrections of words that were edited since."""
    withdrawn = [reading.feedback_id for reading in replacing if reading.withdrawn]
    if withdrawn:
        for statement in _FORGET:
            await connection.execute(statement, {"ids": withdrawn})
    edited = [reading for reading in replacing if not reading.withdrawn]
    if edited:
        versions = {"ids": [r.feedback_id for r in edited], "versions": [r.version for r in edited]}
        await connection.execute(_OUTDATED, versions)


def _correction(row: Row[Any]) -> Correction:
    themes = parsed(row.themes)
    return Correction(
        feedback_id=row.feedback_id,
        version=row.version,
        number=row.number,
        sentiment=row.sentiment,
        themes=None if themes is None else tuple((name, tone) for name, tone in themes),
        corrected_at=row.corrected_at,
    )
