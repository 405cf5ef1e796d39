"""Reads stored words again with the model of this installation: here alone are both a reader and readings at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.analysis.reader import Reading, Submission
from services.analysis.segments import Cue
from services.learning.rereading import NOBODY, ReadAgain, RereadingStore
from shared.errors import HeedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.analysis.reader import Reader
    from services.learning.rereading import StoredWords

AT_ONCE = 256
"""Readings replaced in one transaction: what an interruption repeats at most."""


async def relearn(database: AsyncEngine, reader: Reader, progress: Callable[[int, int], None]) -> int:
    """Have every stored reading of another model read by this one.

    It may be stopped at any moment and started again: what was replaced stays replaced, and nothing counts twice.

    Args:
        database: the learning service's.
        reader: the model to read with.
        progress: told how many are read, and of how many.

    Returns:
        How many readings were replaced.

    Raises:
        HeedError: another run is at it.
        TransientFault: PostgreSQL is away.
    """
    store = RereadingStore(database)
    try:
        if not await store.alone():
            raise HeedError("another `heed relearn` is at work; wait for it or stop it")
        total, replaced, looked = await store.left(reader.model_version), 0, 0
        after: UUID | str = NOBODY
        while words := await store.words(reader.model_version, after, AT_ONCE):
            replaced += await store.take(_read(reader, words))
            after = words[-1].feedback_id
            looked += len(words)
            progress(looked, total)
        return replaced
    finally:
        await store.close()


def _read(reader: Reader, words: Sequence[StoredWords]) -> list[ReadAgain]:
    """What the model says of each; one that it cannot read keeps its old reading."""
    results = reader.read(
        [
            Submission(
                id=str(stored.feedback_id),
                text=stored.text,
                # Where a stretch ends is not kept, and not asked for.
                cues=tuple(Cue(start, start, said) for start, said in stored.spoken),
                question_type=stored.question_type,
                consent_to_quote=stored.quote_ok,
                language=stored.language,
            )
            for stored in words
        ]
    )
    return [
        _again(stored, result) for stored, result in zip(words, results, strict=True) if isinstance(result, Reading)
    ]


def _again(stored: StoredWords, result: Reading) -> ReadAgain:
    whole = result.impression
    return ReadAgain(
        feedback_id=stored.feedback_id,
        version=stored.version,
        model_version=result.model_version,
        sentiment=whole.label if whole else None,
        themes=whole.themes if whole else (),
        severity=result.severity,
        quote_ok=result.quote_ok,
        segments=tuple(
            (
                segment.text,
                segment.impression.label,
                tuple(name for name, _ in segment.impression.themes),
                segment.start_seconds,
            )
            for segment in result.segments
        ),
    )
