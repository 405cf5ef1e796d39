"""Stored words read again by another model: each reading replaced once, whatever is interrupted or repeated.

What the model says of a reading is replaced, never what the feedback is: its version, its team and its period stay, and
so does "urgent", which was decided on words that are not kept. A person's correction stands over the new reading too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning import beside
from services.learning.corrections import overlaid, reread
from services.learning.counting import locked, mark_due, parsed, recount
from services.learning.readings import deltas, measures_of_the_model, segment_row
from shared.database import transient_faults_told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.learning.readings import Reading

_ALONE = text("SELECT pg_try_advisory_lock(hashtext('heed-relearn-' || current_schema()))")
_OTHERS = "NOT withdrawn AND segments <> '[]' AND model_version IS DISTINCT FROM :model"
_LEFT = text(f"SELECT count(*) FROM reading WHERE {_OTHERS}")  # noqa: S608 - constants only
_WORDS = text(
    "SELECT feedback_id, version, question_type, language, quote_ok, segments FROM reading "  # noqa: S608
    f"WHERE {_OTHERS} AND feedback_id > :after ORDER BY feedback_id LIMIT :limit"
)
_STILL = text(
    f"SELECT feedback_id FROM reading WHERE feedback_id = ANY(CAST(:ids AS uuid[])) AND {_OTHERS}"  # noqa: S608
)
_REPLACE = text(
    "UPDATE reading SET sentiment = given.sentiment, themes = given.themes, severity = given.severity, "
    "quote_ok = reading.quote_ok AND given.quote_ok, segments = given.segments, model_version = given.model_version, "
    "measures = given.measures, uncorrected = given.uncorrected FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS "
    "given(feedback_id uuid, sentiment smallint, themes jsonb, severity real, quote_ok boolean, segments jsonb, "
    "model_version text, measures jsonb, uncorrected jsonb) WHERE reading.feedback_id = given.feedback_id"
)
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Before every id."""


@dataclass(frozen=True, slots=True)
class StoredWords:
    """The redacted words of one reading, as another model is to read them.

    Attributes:
        text: what was written.
        spoken: what was said after it, each stretch with the second in which it begins.
    """

    feedback_id: UUID
    version: int
    text: str
    spoken: tuple[tuple[float, str], ...]
    question_type: str
    language: str | None
    quote_ok: bool


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """What another model says of stored words.

    Attributes:
        version: of the feedback whose words were read.
        themes: name and probability.
        segments: redacted text, sentiment, names of themes and first second of each stretch.
    """

    feedback_id: UUID
    version: int
    model_version: str
    sentiment: int | None
    themes: tuple[tuple[str, float], ...]
    severity: float
    quote_ok: bool
    segments: tuple[tuple[str, int, tuple[str, ...], float | None], ...]


class RereadingStore:
    """The adapter to the words in the table `reading`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._holding: AsyncConnection | None = None

    async def alone(self) -> bool:
        """Take the lock of this work until `close`; False while another run has it.

        Raises:
            TransientFault: PostgreSQL is away.
        """
        async with transient_faults_told():
            self._holding = await self._database.connect()
            return bool((await self._holding.execute(_ALONE)).scalar_one())

    async def close(self) -> None:
        """Give the lock back."""
        if self._holding is not None:
            await self._holding.invalidate()  # the lock is the session's: it must not go back into a pool
            await self._holding.close()
            self._holding = None

    async def left(self, model: str) -> int:
        """How many readings with words are of another model."""
        async with transient_faults_told(), self._database.connect() as connection:
            return int((await connection.execute(_LEFT, {"model": model})).scalar_one())

    async def words(self, model: str, after: object, limit: int) -> list[StoredWords]:
        """The next readings of another model, in order of id."""
        given = {"model": model, "after": after, "limit": limit}
        async with transient_faults_told(), self._database.connect() as connection:
            return [_stored(row) for row in await connection.execute(_WORDS, given)]

    async def take(self, readings: Sequence[ReadAgain]) -> int:
        """Replace readings, correct the counters and mark their pages as due, all or nothing; how many there were.

        One that was edited, withdrawn, forgotten or read by that model meanwhile is left as it is.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        given = {reading.feedback_id: reading for reading in readings}
        if not given:
            return 0
        async with transient_faults_told(), self._database.begin() as connection:
            corrections = await beside.corrections_of(connection, given)
            held = await locked(connection, given)
            of_another = {"ids": list(given), "model": readings[0].model_version}
            still = {row.feedback_id for row in await connection.execute(_STILL, of_another)}
            gone = [r for r in held if r.feedback_id in still and r.version == given[r.feedback_id].version]
            come = [overlaid(_read_again(old, given[old.feedback_id]), corrections) for old in gone]
            if come:
                await connection.execute(_REPLACE, {"rows": _rows(come, given)})
                await recount(connection, deltas(gone, come))
                await mark_due(connection, gone, come)
        return len(come)


def _read_again(old: Reading, given: ReadAgain) -> Reading:
    """The reading as the other model alone would have it."""
    as_read = old.as_read
    if ("urgent", "") in as_read:
        return replace(old, measures=as_read, uncorrected=None)
    found = measures_of_the_model(
        given.model_version,
        given.sentiment,
        [name for name, _ in given.themes],
        [(label, names) for _, label, names, _ in given.segments],
        has_words=("read", "") in as_read,
    )
    return replace(old, measures=reread(as_read, found), uncorrected=None)


def _rows(come: Sequence[Reading], given: dict[UUID, ReadAgain]) -> str:
    return json.dumps([_row(reading, given[reading.feedback_id]) for reading in come])


def _row(reading: Reading, given: ReadAgain) -> dict[str, Any]:
    return {
        "feedback_id": str(reading.feedback_id),
        "sentiment": given.sentiment,
        "themes": [{"name": name, "probability": probability} for name, probability in given.themes],
        "severity": given.severity,
        "quote_ok": given.quote_ok,
        "segments": [segment_row(*segment) for segment in given.segments],
        "model_version": given.model_version,
        "measures": reading.measures,
        "uncorrected": reading.uncorrected,
    }


def _stored(row: Any) -> StoredWords:
    segments = parsed(row.segments)
    return StoredWords(
        feedback_id=row.feedback_id,
        version=row.version,
        text="\n".join(segment["text"] for segment in segments if "start_seconds" not in segment),
        spoken=tuple((each["start_seconds"], each["text"]) for each in segments if "start_seconds" in each),
        question_type=row.question_type or "nonspecific",
        language=row.language,
        quote_ok=row.quote_ok,
    )
