"""Recordings in PostgreSQL: what was declared, and how far its files have come."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from shared.database import transient_faults_told
from shared.media import MediaUploaded
from shared.topics import MEDIA_UPLOADED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.gateway.uploads import PreparedUpload
    from shared.media import MediaChecked, UploadedFile

OPEN = frozenset({"waiting_for_upload", "expired"})
"""States in which a recording may be declared anew: nobody was told of it yet."""

ENTER = text(
    "INSERT INTO feedback (feedback_id, receipt, integration_id, version, content_hash, received_at, has_files) "
    "VALUES (:id, :receipt, :integration, 1, :hash, :now, true) ON CONFLICT (feedback_id) DO NOTHING"
)

# Feedback first, then its media: everything locks in this order. The look is a statement of its own: it sees what was
# committed while ours waited for the row.
LOCK = text("SELECT FROM feedback WHERE feedback_id = :id FOR UPDATE")
LOOK = text(
    """
    SELECT f.receipt, f.content_hash, f.withdrawn_at, f.has_files, m.state, m.declared::text AS declared, m.uploaded_at
      FROM feedback f LEFT JOIN media m USING (feedback_id) WHERE f.feedback_id = :id
    """
)

DECLARE = (
    text("UPDATE feedback SET content_hash = :hash, received_at = :now WHERE feedback_id = :id"),
    text(
        """
        INSERT INTO media AS m (media_id, feedback_id, state, declared, declared_at, forms_until)
        VALUES (:media, :id, 'waiting_for_upload', CAST(:event AS jsonb), :now, :until)
        ON CONFLICT (media_id) DO UPDATE
           SET state = excluded.state, declared = excluded.declared, declared_at = excluded.declared_at,
               forms_until = greatest(m.forms_until, excluded.forms_until), sweeps = 0
        """
    ),
)

FOUND = text(
    """
    SELECT m.feedback_id, m.state, m.declared::text AS declared, m.uploaded_at, f.receipt, f.content_hash,
           f.withdrawn_at
      FROM media m JOIN feedback f USING (feedback_id)
     WHERE m.media_id = :media AND (f.integration_id = :integration OR CAST(:integration AS text) IS NULL)
    """
)

COMPLETE = (
    text("UPDATE media SET state = 'uploaded', declared = NULL, uploaded_at = :now WHERE feedback_id = :id"),
    text(
        "INSERT INTO outbox (feedback_id, version, topic, event, traceparent, created_at) "
        "VALUES (:id, 1, :topic, CAST(:event AS jsonb), :traceparent, :now)"
    ),
)

# What was erased stays erased, and of what was withdrawn nothing but its erasure is news.
CHECKED = text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
                             CAST(:moments AS timestamptz[])) AS g (media_id, state, reason, moment)
    ), locked AS (
        SELECT m.media_id FROM media m JOIN feedback f USING (feedback_id) JOIN given g USING (media_id)
         WHERE m.state <> 'erased' AND (g.state = 'erased' OR f.withdrawn_at IS NULL
               AND (m.checked_at IS NULL OR m.checked_at <= g.moment))
         ORDER BY m.media_id FOR NO KEY UPDATE OF m
    )
    UPDATE media m SET state = g.state, reason = g.reason, checked_at = g.moment
      FROM given g JOIN locked USING (media_id) WHERE m.media_id = g.media_id
    """
)

EXPIRE = text(
    """
    WITH gone AS (
        UPDATE media m SET state = 'expired', declared = NULL FROM feedback f
         WHERE f.feedback_id = m.feedback_id AND f.withdrawn_at IS NULL
           AND m.state = 'waiting_for_upload' AND m.declared_at < CAST(:before AS timestamptz)
        RETURNING m.media_id
    )
    INSERT INTO audit (at, action, number, before)
    SELECT CAST(:now AS timestamptz), 'expired uploads', count(*), CAST(:before AS timestamptz) FROM gone
    HAVING count(*) > 0 RETURNING number
    """
)

SWEEPABLE = text(
    """
    SELECT m.media_id FROM media m JOIN feedback f USING (feedback_id)
     WHERE m.sweeps = 0 AND (m.state = 'expired' OR m.state = 'waiting_for_upload' AND f.withdrawn_at IS NOT NULL)
        OR m.sweeps < 2 AND m.forms_until < :settled
           AND (m.state IN ('expired', 'accepted', 'rejected', 'erased') OR f.withdrawn_at IS NOT NULL)
     ORDER BY m.media_id LIMIT :limit
    """
)

# One that was declared anew in the meantime is looked at again when its own time comes.
SWEPT = (
    text(
        """
        UPDATE media m SET sweeps = CASE WHEN m.forms_until < :settled THEN 2 ELSE 1 END,
               state = CASE WHEN m.state IN ('waiting_for_upload', 'expired') AND f.withdrawn_at IS NOT NULL
                       THEN 'erased' ELSE m.state END
          FROM feedback f
         WHERE f.feedback_id = m.feedback_id AND m.media_id = ANY(CAST(:ids AS uuid[]))
           AND (m.state <> 'waiting_for_upload' OR f.withdrawn_at IS NOT NULL)
        """
    ),
    text(
        "INSERT INTO audit (at, action, number, before) "
        "SELECT moment, 'erased uploads', number, moment "
        "FROM (SELECT CAST(:now AS timestamptz), CAST(:number AS bigint)) AS told (moment, number) WHERE number > 0"
    ),
)


class Closed(StrEnum):
    """Why nothing can be uploaded under an id."""

    WITHDRAWN = "withdrawn"
    HAS_NO_FILES = "has_no_files"
    UPLOADED = "uploaded"
    """Complete, and what is declared now differs from what was handed in."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A declaration that is stored; `state` is not `waiting_for_upload` where its files were handed in before."""

    receipt: str
    state: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording as it stands.

    Attributes:
        content_hash: of its declaration; another one, and it was declared anew.
        event: as declared; None where it was handed on, has expired or was withdrawn.
        uploaded_at: when it was completed.
    """

    feedback_id: UUID
    receipt: str
    state: str
    content_hash: bytes
    withdrawn: bool
    event: MediaUploaded | None
    uploaded_at: datetime | None

    @property
    def files(self) -> tuple[UploadedFile, ...]:
        """What is to be uploaded."""
        return self.event.files if self.event else ()


class UploadStore:
    """The media table and what changes beside it in one transaction.

    Every method raises `TransientFault` while the database is away; nothing was written then.
    """

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def declare(
        self, integration: str, given: PreparedUpload, forms_until: datetime, now: datetime
    ) -> Declared | Closed:
        """Remember a declaration, or that it was made again: its time begins anew.

        Args:
            integration: id of who declares.
            given: what was declared. As long as nobody was told of the recording it replaces what was declared before.
            forms_until: when the forms that are about to be handed out end.
            now: the moment of it.
        """
        values = {
            "id": given.feedback_id,
            "media": given.media_id,
            "receipt": secrets.token_urlsafe(18),
            "integration": integration,
            "hash": given.content_hash,
            "event": given.event,
            "until": forms_until,
            "now": now,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            entered = (await _execute(connection, ENTER, values)).rowcount > 0
            await _execute(connection, LOCK, values)
            row = (await _execute(connection, LOOK, values)).mappings().one()
            if closed := _closed(row, given.content_hash):
                return closed
            if row["state"] is not None and row["state"] not in OPEN:
                return Declared(row["receipt"], row["state"], is_new=False)
            for statement in DECLARE:
                await _execute(connection, statement, values)
        return Declared(row["receipt"], "waiting_for_upload", is_new=entered)

    async def find(self, integration: str | None, media: UUID) -> Upload | None:
        """How a recording stands; None where this integration, or where that is None any, declared no such one."""
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await _execute(connection, FOUND, {"media": media, "integration": integration})).mappings().first()
        if row is None:
            return None
        return Upload(
            row["feedback_id"],
            row["receipt"],
            row["state"],
            row["content_hash"],
            row["withdrawn_at"] is not None,
            MediaUploaded.model_validate_json(row["declared"]) if row["declared"] else None,
            row["uploaded_at"],
        )

    async def complete(self, upload: Upload, now: datetime, traceparent: str | None = None) -> bool:
        """Queue the event that its files are there and change its state: one transaction, once.

        Returns:
            Whether it is done; no where the recording is not what `upload` says any more: look again.
        """
        assert upload.event is not None
        event = upload.event.model_copy(update={"uploaded_at": now})
        values = {
            "id": upload.feedback_id,
            "topic": MEDIA_UPLOADED.name,
            "event": event.model_dump_json(exclude_none=True),
            "traceparent": traceparent,
            "now": now,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await _execute(connection, LOCK, values)
            row = (await _execute(connection, LOOK, values)).mappings().one()
            if row["declared"] is None or row["content_hash"] != upload.content_hash:
                return False
            for statement in COMPLETE:
                await _execute(connection, statement, values)
        return True

    async def mark_checked(self, events: Sequence[MediaChecked]) -> None:
        """Remember what the media service says; recordings that are not known here are passed over."""
        in_order = sorted(events, key=lambda event: (event.state == "erased", event.checked_at))
        newest = {event.media_id: event for event in in_order}
        given = {
            "ids": list(newest),
            "states": [event.state for event in newest.values()],
            "reasons": [event.reason for event in newest.values()],
            "moments": [event.checked_at for event in newest.values()],
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(CHECKED, given)

    async def expire(self, before: datetime, now: datetime) -> int:
        """Forget what was declared before that moment and never completed; an audit row says how many.

        Returns:
            How many.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            number: int | None = (await connection.execute(EXPIRE, {"before": before, "now": now})).scalar_one_or_none()
        return number or 0

    async def sweepable(self, settled: datetime, limit: int) -> list[UUID]:
        """Recordings whose quarantine must be empty: at once where they expired or were withdrawn before they were
        handed on, and once more where their last form ended before `settled`, as an upload may take long.
        """
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(SWEEPABLE, {"settled": settled, "limit": limit})
            return [row.media_id for row in rows]

    async def mark_swept(self, media: Sequence[UUID], removed: int, settled: datetime, now: datetime) -> None:
        """Remember that nothing is left of these; an audit row says of how many there was something."""
        values = {"ids": list(media), "number": removed, "settled": settled, "now": now}
        async with transient_faults_told(), self._database.begin() as connection:
            for statement in SWEPT:
                await _execute(connection, statement, values)


def _closed(row: RowMapping, content_hash: bytes) -> Closed | None:
    if row["withdrawn_at"] is not None:
        return Closed.WITHDRAWN
    if not row["has_files"]:
        return Closed.HAS_NO_FILES
    is_handed_on = row["state"] is not None and row["state"] not in OPEN
    return Closed.UPLOADED if is_handed_on and row["content_hash"] != content_hash else None


async def _execute(connection: AsyncConnection, statement: Any, values: dict[str, Any]) -> Any:
    """Execute with those of the values that the statement takes."""
    return await connection.execute(statement, {name: values[name] for name in statement.compile().params})
