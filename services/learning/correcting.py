"""Corrections in PostgreSQL: kept, applied to the readings that they are of, and given out as training data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning import beside
from services.learning.corrections import newest, overlaid
from services.learning.counting import locked, mark_due, parsed, recount
from services.learning.readings import deltas
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.learning.corrections import Correction
    from services.learning.readings import Reading

PAGE = 500
"""Examples read together."""

_KEEP = text(
    "INSERT INTO correction (feedback_id, version, number, sentiment, themes, corrected_at) "
    "SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(feedback_id uuid, version integer, "
    "number integer, sentiment smallint, themes jsonb, corrected_at timestamptz) ORDER BY feedback_id "
    "ON CONFLICT (feedback_id) DO UPDATE SET version = EXCLUDED.version, number = EXCLUDED.number, "
    "sentiment = EXCLUDED.sentiment, themes = EXCLUDED.themes, corrected_at = EXCLUDED.corrected_at "
    "WHERE (EXCLUDED.version, EXCLUDED.number) > (correction.version, correction.number) RETURNING feedback_id"
)
_APPLY = text(
    "UPDATE reading SET measures = given.measures, uncorrected = given.uncorrected "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(feedback_id uuid, measures jsonb, uncorrected jsonb) "
    "WHERE reading.feedback_id = given.feedback_id"
)
_EXAMPLES = text(
    "SELECT c.feedback_id, c.sentiment, c.themes, c.corrected_at, r.segments, r.question_type, r.model_version, "
    "r.sentiment AS read_sentiment, r.themes AS read_themes FROM correction AS c "
    "JOIN reading AS r USING (feedback_id, version) "
    "WHERE r.segments <> '[]' AND NOT r.urgent AND c.feedback_id > :after ORDER BY c.feedback_id LIMIT :limit"
)
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class CorrectionChange:
    """What a batch of corrections did.

    Attributes:
        applied: readings that count otherwise now.
        kept: corrections of readings that have not arrived yet: they are applied when those do.
        ignored: replays, older ones, those of edited or withdrawn feedback.
    """

    applied: int
    kept: int
    ignored: int


@dataclass(frozen=True, slots=True)
class Example:
    """One corrected reading, to learn from. Redacted words.

    Attributes:
        sentiment: as corrected, else as read.
        themes: names, as corrected, else as read.
    """

    feedback_id: UUID
    text: str
    question_type: str
    sentiment: int | None
    themes: tuple[str, ...]
    corrected: tuple[str, ...]
    """Which of `sentiment` and `themes` a person gave."""
    model_version: str


class CorrectionStore:
    """The adapter to the table `correction`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def take(self, arriving: Sequence[Correction]) -> CorrectionChange:
        """Keep corrections, correct readings and counters and mark their pages as due, all or nothing.

        A replay changes nothing; withdrawal and edits win over a late correction.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        wanted = newest(arriving)
        if not wanted:
            return CorrectionChange(0, 0, 0)
        async with transient_faults_told(), self._database.begin() as connection:
            await beside.alone(connection)
            ids = [correction.feedback_id for correction in wanted]
            held = {reading.feedback_id: reading for reading in await locked(connection, ids)}
            kept = await _keep(connection, [correction for correction in wanted if _stands(correction, held)])
            gone = [held[feedback_id] for feedback_id in sorted(kept) if _changes(kept[feedback_id], held)]
            come = [overlaid(reading, kept) for reading in gone]
            if come:
                await connection.execute(_APPLY, {"rows": _rows(come)})
                await recount(connection, deltas(gone, come))
                await mark_due(connection, gone, come)
        return CorrectionChange(len(come), len(kept) - len(come), len(arriving) - len(kept))

    async def examples(self) -> AsyncIterator[Example]:
        """Every corrected reading whose words are still kept, by id.

        Raises:
            TransientFault: PostgreSQL is away.
        """
        after: object = _NOBODY
        async with transient_faults_told(), self._database.connect() as connection:
            while True:
                rows = (await connection.execute(_EXAMPLES, {"after": after, "limit": PAGE})).all()
                for row in rows:
                    yield _example(row)
                if len(rows) < PAGE:
                    return
                after = rows[-1].feedback_id


def _stands(correction: Correction, held: dict[UUID, Reading]) -> bool:
    reading = held.get(correction.feedback_id)
    return reading is None or (not reading.withdrawn and reading.version <= correction.version)


def _changes(correction: Correction, held: dict[UUID, Reading]) -> bool:
    reading = held.get(correction.feedback_id)
    return reading is not None and (reading.version == correction.version or reading.uncorrected is not None)


async def _keep(connection: AsyncConnection, corrections: Sequence[Correction]) -> dict[UUID, Correction]:
    """Those that are newer than what is kept, by id."""
    if not corrections:
        return {}
    rows = json.dumps(
        [
            {
                "feedback_id": str(correction.feedback_id),
                "version": correction.version,
                "number": correction.number,
                "sentiment": correction.sentiment,
                "themes": correction.themes,
                "corrected_at": correction.corrected_at.isoformat(),
            }
            for correction in corrections
        ]
    )
    by_id = {correction.feedback_id: correction for correction in corrections}
    return {row.feedback_id: by_id[row.feedback_id] for row in await connection.execute(_KEEP, {"rows": rows})}


def _rows(readings: Sequence[Reading]) -> str:
    return json.dumps(
        [{"feedback_id": str(r.feedback_id), "measures": r.measures, "uncorrected": r.uncorrected} for r in readings]
    )


def _example(row: Any) -> Example:
    themes = parsed(row.themes)
    return Example(
        feedback_id=row.feedback_id,
        text="\n".join(segment["text"] for segment in parsed(row.segments)),
        question_type=row.question_type,
        sentiment=row.read_sentiment if row.sentiment is None else row.sentiment,
        themes=tuple(
            sorted({theme["name"] for theme in parsed(row.read_themes)} if themes is None else {n for n, _ in themes})
        ),
        corrected=tuple(
            name for name, given in (("sentiment", row.sentiment), ("themes", themes)) if given is not None
        ),
        model_version=row.model_version,
    )
