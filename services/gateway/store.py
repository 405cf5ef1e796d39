"""Feedback in PostgreSQL: what was accepted under which receipt, and how far it has come. No patient's words here."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import transient_faults_told
from shared.errors import TransientFault
from shared.events import FeedbackWithdrawn
from shared.topics import FEEDBACK_SUBMITTED, FEEDBACK_WITHDRAWN, MEDIA_UPLOADED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.gateway.feedback import Prepared
    from shared.events import FeedbackAnalysed, FeedbackSummarised

DEADLOCK = "40P01"

ATTEMPTS = 3
"""Tries of a transaction that PostgreSQL ended to resolve a deadlock."""

# One statement for one item and for hundreds. The conflict clause locks the row of an id that is known already, so of
# two members with the same id the second waits and then sees what the first wrote: one of them makes the version.
ACCEPT = text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:receipts AS text[]), CAST(:hashes AS bytea[]),
                             CAST(:events AS text[])) AS g (feedback_id, receipt, content_hash, event)
    ), accepted AS (
        INSERT INTO feedback AS f (feedback_id, receipt, integration_id, version, content_hash, received_at)
        SELECT feedback_id, receipt, CAST(:integration AS text), 1, content_hash, CAST(:now AS timestamptz)
          FROM given ORDER BY feedback_id
        ON CONFLICT (feedback_id) DO UPDATE
           SET version = f.version + 1, content_hash = excluded.content_hash, received_at = excluded.received_at
         WHERE f.withdrawn_at IS NULL AND NOT f.has_files AND f.content_hash <> excluded.content_hash
        RETURNING f.feedback_id, f.receipt, f.version
    ), queued AS (
        INSERT INTO outbox (feedback_id, version, topic, event, traceparent, created_at)
        SELECT feedback_id, version, CAST(:topic AS text),
               jsonb_set(CAST(event AS jsonb), '{version}', to_jsonb(version)),
               CAST(:traceparent AS text), CAST(:now AS timestamptz)
          FROM accepted JOIN given USING (feedback_id)
    )
    SELECT feedback_id, receipt, version FROM accepted
    """
)

KNOWN = text(
    "SELECT feedback_id, receipt, version, withdrawn_at, has_files FROM feedback "
    "WHERE feedback_id = ANY(CAST(:ids AS uuid[]))"
)

RECEIPT = text(
    "SELECT feedback_id, withdrawn_at FROM feedback "
    "WHERE receipt = :receipt AND (integration_id = :integration OR CAST(:integration AS text) IS NULL) FOR UPDATE"
)

ERASE = (
    text("UPDATE feedback SET withdrawn_at = :now, content_hash = '' WHERE feedback_id = :id"),
    # Files that the media service was never told of are the sweeper's to remove.
    text(
        """
        UPDATE media SET declared = NULL, state = CASE
               WHEN state = 'uploaded' AND EXISTS (SELECT FROM outbox WHERE feedback_id = media.feedback_id
                                                   AND topic = :uploaded AND published_at IS NULL)
               THEN 'waiting_for_upload' ELSE state END
         WHERE feedback_id = :id
        """
    ),
    text("DELETE FROM outbox WHERE feedback_id = :id"),
    text("DELETE FROM summarised WHERE feedback_id = :id"),
    text(
        "INSERT INTO outbox (feedback_id, topic, event, created_at) VALUES (:id, :topic, CAST(:event AS jsonb), :now)"
    ),
)

# Rows are locked in the order of their ids everywhere, so that batches that share rows wait instead of deadlocking.
MARK_READ = text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:moments AS timestamptz[]))
            AS g (feedback_id, version, moment)
    ), locked AS (
        SELECT feedback_id FROM feedback WHERE feedback_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY feedback_id FOR NO KEY UPDATE
    )
    UPDATE feedback f SET read_version = g.version, read_at = g.moment
      FROM given g JOIN locked USING (feedback_id)
     WHERE f.feedback_id = g.feedback_id AND (f.read_version IS NULL OR f.read_version < g.version)
    """
)

# FOR SHARE waits for a withdrawal that has begun and then looks at the row again; a weaker lock passes an update of
# columns that are no key, and the rows would come after the withdrawal's DELETE, for good.
MARK_SUMMARISED = text(
    """
    WITH locked AS (
        SELECT feedback_id, received_at FROM feedback
         WHERE feedback_id = ANY(CAST(:ids AS uuid[])) AND withdrawn_at IS NULL
         ORDER BY feedback_id FOR SHARE
    ), added AS (
        INSERT INTO summarised (feedback_id, team_id, period)
        SELECT g.feedback_id, g.team_id, g.period
          FROM unnest(CAST(:ids AS uuid[]), CAST(:teams AS text[]), CAST(:periods AS date[]))
               AS g (feedback_id, team_id, period)
          JOIN locked USING (feedback_id)
         ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING
        RETURNING feedback_id
    )
    SELECT received_at FROM added JOIN locked USING (feedback_id)
    """
)

JOURNEY = text(
    """
    SELECT f.feedback_id, f.version, f.received_at, f.read_version, f.read_at, f.withdrawn_at, s.team_id, s.period,
           m.media_id, m.state AS media_state, m.reason AS media_reason
      FROM feedback f LEFT JOIN summarised s USING (feedback_id) LEFT JOIN media m USING (feedback_id)
     WHERE f.receipt = :receipt AND (f.integration_id = :integration OR CAST(:integration AS text) IS NULL)
     ORDER BY s.period, s.team_id
    """
)


class Refusal(StrEnum):
    """Why feedback is not taken under its id."""

    WITHDRAWN = "withdrawn"
    HAS_FILES = "has_files"
    """A recording was declared under it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submission became. `duplicate`: the same content was there already, and no event was made."""

    feedback_id: UUID
    receipt: str
    version: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class MediaJourney:
    """How far a recording's files have come; `reason` is a code."""

    media_id: UUID
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Journey:
    """How far one piece of feedback has come."""

    receipt: str
    feedback_id: UUID
    version: int
    received_at: datetime
    read_version: int | None
    read_at: datetime | None
    withdrawn_at: datetime | None
    summarised: tuple[tuple[str, date], ...]
    media: MediaJourney | None = None

    @property
    def state(self) -> str:
        """`received`, `read`, `summarised` or `withdrawn`; an edit that is not read yet is `received` again."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        if self.read_version is not None and self.read_version < self.version:
            return "received"
        if self.summarised:
            return "summarised"
        return "read" if self.read_at is not None else "received"


class FeedbackStore:
    """The feedback table and what changes beside it in one transaction.

    Every method raises `TransientFault` while the database is away; nothing was written then.
    """

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self._statements = database.execution_options(isolation_level="AUTOCOMMIT")

    async def accept(
        self, integration: str, given: Sequence[Prepared], now: datetime, traceparent: str | None = None
    ) -> list[Accepted | Refusal]:
        """Write submissions and their outbox rows in one transaction.

        The same id may stand in `given` several times: the versions follow that order.

        Returns:
            One answer for each, in order.
        """
        common = {
            "integration": integration,
            "topic": FEEDBACK_SUBMITTED.name,
            "traceparent": traceparent,
            "now": now,
        }
        attempt = 1
        while True:
            try:
                return await self._accept_all(given, common)
            except TransientFault as fault:
                if attempt == ATTEMPTS or not _is_deadlock(fault.__cause__):
                    raise
                attempt += 1

    async def _accept_all(self, given: Sequence[Prepared], common: Mapping[str, object]) -> list[Accepted | Refusal]:
        rounds = in_rounds(given)
        if len(rounds) == 1:
            # One statement is a transaction by itself; BEGIN and COMMIT would be two more round trips for each item.
            async with transient_faults_told(), self._statements.connect() as connection:
                return await _accept_distinct(connection, given, common)
        answers: dict[int, Accepted | Refusal] = {}
        async with transient_faults_told(), self._database.begin() as connection:
            for places in rounds:
                accepted = await _accept_distinct(connection, [given[place] for place in places], common)
                answers |= zip(places, accepted, strict=True)
        return [answers[place] for place in range(len(given))]

    async def withdraw(self, integration: str | None, receipt: str, now: datetime) -> tuple[UUID, datetime] | None:
        """Forget the raw payloads, remember the withdrawal, and queue its event: one transaction, once.

        Args:
            integration: who asks; None: whoever holds the receipt.

        Returns:
            The feedback's id and when it was withdrawn; None where this integration has no such receipt.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            given = {"receipt": receipt, "integration": integration}
            row = (await connection.execute(RECEIPT, given)).mappings().first()
            if row is None:
                return None
            if row["withdrawn_at"] is not None:
                return row["feedback_id"], row["withdrawn_at"]
            identity = row["feedback_id"]
            event = FeedbackWithdrawn(feedback_id=identity, withdrawn_at=now).model_dump_json()
            values = {
                "id": identity,
                "topic": FEEDBACK_WITHDRAWN.name,
                "uploaded": MEDIA_UPLOADED.name,
                "event": event,
                "now": now,
            }
            # After the row is locked, in statements of their own: only now is every version's payload visible.
            for statement in ERASE:
                await connection.execute(statement, {name: values[name] for name in statement.compile().params})
            return identity, now

    async def journey(self, integration: str | None, receipt: str) -> Journey | None:
        """Where feedback has got to; None where this integration, or where that is None any, has no such receipt."""
        async with transient_faults_told(), self._database.connect() as connection:
            given = {"receipt": receipt, "integration": integration}
            rows = (await connection.execute(JOURNEY, given)).mappings().all()
        if not rows:
            return None
        first = rows[0]
        return Journey(
            receipt,
            first["feedback_id"],
            first["version"],
            first["received_at"],
            first["read_version"],
            first["read_at"],
            first["withdrawn_at"],
            tuple((row["team_id"], row["period"]) for row in rows if row["team_id"] is not None),
            MediaJourney(first["media_id"], first["media_state"], first["media_reason"]) if first["media_id"] else None,
        )

    async def mark_read(self, events: Sequence[FeedbackAnalysed]) -> None:
        """Remember which version was read; ids that came to Kafka by another way are passed over."""
        newest: dict[UUID, FeedbackAnalysed] = {}
        for event in events:
            known = newest.get(event.feedback_id)
            if known is None or known.version < event.version:
                newest[event.feedback_id] = event
        given = {
            "ids": list(newest),
            "versions": [event.version for event in newest.values()],
            "moments": [event.analysed_at for event in newest.values()],
        }
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(MARK_READ, given)

    async def mark_summarised(self, events: Sequence[FeedbackSummarised]) -> list[datetime]:
        """Remember which summaries include what; unknown and withdrawn ids are passed over.

        Returns:
            When each piece was received that is newly part of a summary.
        """
        rows = {(identity, event.team_id, event.period) for event in events for identity in event.feedback_ids}
        given = {
            "ids": [identity for identity, _, _ in rows],
            "teams": [team for _, team, _ in rows],
            "periods": [period for _, _, period in rows],
        }
        async with transient_faults_told(), self._database.begin() as connection:
            return list((await connection.execute(MARK_SUMMARISED, given)).scalars())


async def _accept_distinct(
    connection: AsyncConnection, given: Sequence[Prepared], common: Mapping[str, object]
) -> list[Accepted | Refusal]:
    """Accept submissions whose ids all differ."""
    parameters = {
        "ids": [item.feedback_id for item in given],
        "receipts": [secrets.token_urlsafe(18) for _ in given],
        "hashes": [item.content_hash for item in given],
        "events": [item.event for item in given],
        **common,
    }
    new = {row.feedback_id: row for row in await connection.execute(ACCEPT, parameters)}
    if len(new) == len(given):
        return [_accepted(new[item.feedback_id], duplicate=False) for item in given]
    # A statement of its own: it sees what another member committed while ours waited for the row.
    ids = [item.feedback_id for item in given if item.feedback_id not in new]
    known = {row.feedback_id: row for row in await connection.execute(KNOWN, {"ids": ids})}
    return [
        _accepted(new[item.feedback_id], duplicate=False)
        if item.feedback_id in new
        else _known(known[item.feedback_id])
        for item in given
    ]


def _accepted(row: Row[Any], *, duplicate: bool) -> Accepted:
    return Accepted(row.feedback_id, row.receipt, row.version, duplicate)


def _known(row: Row[Any]) -> Accepted | Refusal:
    if row.withdrawn_at is not None:
        return Refusal.WITHDRAWN
    return Refusal.HAS_FILES if row.has_files else _accepted(row, duplicate=True)


def in_rounds(given: Sequence[Prepared]) -> list[list[int]]:
    """Places grouped so that no group holds an id twice: the n-th mention of an id is in the n-th group."""
    mentions: dict[UUID, int] = defaultdict(int)
    rounds: list[list[int]] = []
    for place, item in enumerate(given):
        turn = mentions[item.feedback_id]
        mentions[item.feedback_id] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(place)
    return rounds


def _is_deadlock(error: BaseException | None) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == DEADLOCK
