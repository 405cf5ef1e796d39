"""Media in PostgreSQL: what became of each, whose feedback was withdrawn, and a record of what was done to them.

Of what patients say there is something here only while a person has to decide: the event of held media, which goes out
again once somebody has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import text

from services.media.reasons import Reason
from shared.database import transient_faults_told
from shared.media import CleanFile, MediaChecked, MediaUploaded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.media import MediaConsent

State = Literal["held", "released", "refused", "accepted", "rejected", "erased"]
"""As on the receipt, and between them what a person decided: `released` to be checked, `refused`."""

_KNOWN = text(
    "SELECT EXISTS (SELECT FROM withdrawn WHERE feedback_id = :feedback_id) AS withdrawn, "
    "state, version, reason, files FROM (VALUES (1)) AS always LEFT JOIN media ON media_id = :media_id"
)

# Whoever decides about feedback's media, or withdraws it, does so alone: none can pass the other between look and deed.
_ALONE = text(
    "SELECT pg_advisory_xact_lock(key) FROM (SELECT hashtextextended('heed-media-' || id, 0) AS key "
    "FROM unnest(CAST(:ids AS text[])) AS given(id) ORDER BY 1) AS ordered"
)
_DECIDE = text(
    """
    INSERT INTO media
        (media_id, feedback_id, version, state, reason, event, files, received_at, expires_at, decided_at)
    VALUES (:media_id, :feedback_id, :version, :state, :reason, CAST(:event AS jsonb), CAST(:files AS jsonb),
            :received_at, :expires_at, :now)
    ON CONFLICT (media_id) DO UPDATE SET version = excluded.version, state = excluded.state, reason = excluded.reason,
        event = excluded.event, files = excluded.files, received_at = excluded.received_at,
        expires_at = excluded.expires_at, decided_at = excluded.decided_at
    """
)
_AUDIT = text(
    "INSERT INTO audit (at, action, media_id, number, role) VALUES (:now, :action, :media_id, :number, :role)"
)
_WITHDRAW = text(
    "INSERT INTO withdrawn (feedback_id, withdrawn_at) SELECT * FROM unnest(CAST(:ids AS uuid[]), "
    "CAST(:moments AS timestamptz[])) AS given(feedback_id, withdrawn_at) ON CONFLICT DO NOTHING"
)
_OF_FEEDBACK = text(
    "SELECT media_id, feedback_id FROM media WHERE feedback_id = ANY(CAST(:ids AS uuid[])) AND state <> 'erased' "
    "ORDER BY media_id"
)
_ERASE = text(
    """
    WITH erased AS (
        INSERT INTO media (media_id, feedback_id, state, reason, received_at, expires_at, decided_at)
        VALUES (:media_id, :feedback_id, 'erased', :reason, :now, :now, :now)
        ON CONFLICT (media_id) DO UPDATE SET state = 'erased', reason = excluded.reason, event = NULL, files = '[]',
            decided_at = excluded.decided_at
        RETURNING media_id
    )
    INSERT INTO audit (at, action, media_id, number)
    SELECT CAST(:now AS timestamptz), 'erased: ' || CAST(:reason AS text), media_id, CAST(:number AS bigint) FROM erased
    """
)
_EXPIRED = text(
    "SELECT media_id, feedback_id FROM media WHERE state = 'accepted' AND expires_at <= :now "
    "ORDER BY expires_at LIMIT :limit"
)
_OVERDUE = text(
    "SELECT event::text FROM media WHERE event IS NOT NULL AND received_at <= :before ORDER BY received_at LIMIT :limit"
)
_HELD = text(
    "SELECT media_id, feedback_id, reason, received_at, event -> 'consent' AS consent, event ->> 'kind' AS kind "
    "FROM media WHERE state = 'held' ORDER BY received_at, media_id"
)
_RESOLVE = text(
    "UPDATE media SET state = :state, event = jsonb_set(event, '{consent}', CAST(:consent AS jsonb)) "
    "WHERE media_id = :media_id AND event IS NOT NULL RETURNING event::text AS event"
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of media before they are looked at.

    Attributes:
        withdrawn: whether their feedback is; then nothing else counts.
        state: of their newest version that was decided about; None where none was.
        version: of the feedback, 0 where none was.
        reason: of the decision.
        files: that were stored.
    """

    withdrawn: bool
    state: State | None
    version: int
    reason: Reason | None = None
    files: tuple[CleanFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """Media, and the feedback that they belong to."""

    media_id: UUID
    feedback_id: UUID


@dataclass(frozen=True, slots=True)
class HeldMedia:
    """Media that a person has to decide about, without what is in them."""

    media_id: UUID
    feedback_id: UUID
    kind: str
    reason: str
    bystanders: str
    staff: str
    received_at: datetime


class MediaStore:
    """The adapter to schema `media`. Every method raises `TransientFault` while PostgreSQL is away."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def known(self, event: MediaUploaded) -> Known:
        """What is known of an upload."""
        given = {"media_id": event.media_id, "feedback_id": event.feedback.feedback_id}
        async with transient_faults_told(), self._database.connect() as connection:
            row = (await connection.execute(_KNOWN, given)).one()
        reason = Reason(row.reason) if row.reason else None
        files = tuple(CleanFile.model_validate(file) for file in row.files or ())
        return Known(row.withdrawn, row.state, row.version or 0, reason, files)

    async def decide(
        self, event: MediaUploaded, checked: MediaChecked, publish: Callable[[], Awaitable[None]], expires_at: datetime
    ) -> bool:
        """Publish a decision, and write it once that is done: both, or, after a crash, both again.

        Args:
            event: the upload; it is kept where the decision is `held`.
            checked: the decision.
            publish: sends it; what it raises is let through, and nothing is written.
            expires_at: when clean files are to be erased.

        Returns:
            Whether it was; no where the feedback was withdrawn in the meantime.
        """
        given = {
            "media_id": checked.media_id,
            "feedback_id": checked.feedback_id,
            "version": event.feedback.version,
            "state": checked.state,
            "reason": checked.reason,
            "event": event.model_dump_json() if checked.state == "held" else None,
            "files": json.dumps([file.model_dump() for file in checked.files]),
            "received_at": event.feedback.received_at,
            "expires_at": expires_at,
            "now": checked.checked_at,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await _alone(connection, [checked.feedback_id])
            look = {"media_id": checked.media_id, "feedback_id": checked.feedback_id}
            if (await connection.execute(_KNOWN, look)).one().withdrawn:
                return False
            await publish()
            await connection.execute(_DECIDE, given)
            await connection.execute(_AUDIT, _entry(checked, checked.state))
            return True

    async def withdraw(self, withdrawn: Sequence[tuple[UUID, datetime]]) -> list[Media]:
        """Remember for ever that these are withdrawn.

        Returns:
            Their media that are still to be erased.
        """
        ids = [identity for identity, _ in withdrawn]
        async with transient_faults_told(), self._database.begin() as connection:
            await _alone(connection, ids)
            await connection.execute(_WITHDRAW, {"ids": ids, "moments": [moment for _, moment in withdrawn]})
            rows = await connection.execute(_OF_FEEDBACK, {"ids": ids})
            return [Media(row.media_id, row.feedback_id) for row in rows]

    async def erased(self, media: Media, reason: Reason, number: int, now: datetime) -> None:
        """Remember that media were erased, of which so many versions of objects were deleted."""
        given = {
            "media_id": media.media_id,
            "feedback_id": media.feedback_id,
            "reason": reason.value,
            "number": number,
            "now": now,
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_ERASE, given)

    async def deleted(self, media_id: UUID, number: int, now: datetime) -> None:
        """Remember that so many versions of uploaded originals were deleted."""
        given = {"now": now, "action": "deleted originals", "media_id": media_id, "number": number, "role": None}
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_AUDIT, given)

    async def expired(self, now: datetime, limit: int) -> list[Media]:
        """Media whose clean files are past their retention."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(_EXPIRED, {"now": now, "limit": limit})
            return [Media(row.media_id, row.feedback_id) for row in rows]

    async def overdue(self, before: datetime, limit: int) -> list[MediaUploaded]:
        """Uploads that wait for a person since before then."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(_OVERDUE, {"before": before, "limit": limit})
            return [MediaUploaded.model_validate_json(row.event) for row in rows]

    async def forget_audit(self, retention: timedelta, now: datetime) -> None:
        """Delete audit rows older than that."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(text("DELETE FROM audit WHERE at < :before"), {"before": now - retention})

    async def held(self) -> list[HeldMedia]:
        """What waits for a person, the oldest first."""
        async with transient_faults_told(), self._database.connect() as connection:
            return [
                HeldMedia(
                    media_id=row.media_id,
                    feedback_id=row.feedback_id,
                    kind=row.kind,
                    reason=row.reason,
                    bystanders=row.consent["bystanders"],
                    staff=row.consent["staff"],
                    received_at=row.received_at,
                )
                for row in await connection.execute(_HELD)
            ]

    async def resolve(
        self, media_id: UUID, consent: MediaConsent, role: str, now: datetime, *, refused: bool
    ) -> MediaUploaded | None:
        """Write down what a person decided, and who, by role.

        Returns:
            The upload to publish anew; None where these media do not wait, or no longer.
        """
        state: State = "refused" if refused else "released"
        given = {"media_id": media_id, "state": state, "consent": consent.model_dump_json()}
        entry = {"now": now, "action": f"{state} by a person", "media_id": media_id, "number": 0, "role": role}
        async with transient_faults_told(), self._database.begin() as connection:
            row = (await connection.execute(_RESOLVE, given)).one_or_none()
            if row is None:
                return None
            await connection.execute(_AUDIT, entry)
            return MediaUploaded.model_validate_json(row.event)


async def _alone(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    await connection.execute(_ALONE, {"ids": [str(identity) for identity in ids]})


def _entry(checked: MediaChecked, action: str) -> dict[str, Any]:
    told = f"{action}: {checked.reason}" if checked.reason else action
    return {"now": checked.checked_at, "action": told, "media_id": checked.media_id, "number": 0, "role": None}
