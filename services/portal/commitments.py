"""What teams try, in PostgreSQL: every revision of every commitment, and the event of each in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.portal.audit import note
from services.portal.outbox import queue
from shared.commitments import CommitmentRecorded
from shared.database import transient_faults_told
from shared.topics import COMMITMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.portal.people import Person

_COLUMNS = (
    "commitment_id, revision, team_id, period, theme, state, what, because, role, people_told, since, recorded_at"
)
# A revision is the next of its commitment and of the same page, or it is not written: two people who changed the same
# one at a time do not overwrite each other, and no id of another team's commitment can be taken over.
_RECORD = text(
    f"INSERT INTO commitment ({_COLUMNS}) "  # noqa: S608 - constants only
    "SELECT new.* FROM (VALUES (CAST(:commitment_id AS uuid), CAST(:revision AS integer), CAST(:team_id AS text), "
    "CAST(:period AS date), CAST(:theme AS text), CAST(:state AS text), CAST(:what AS text), CAST(:because AS text), "
    "CAST(:role AS text), CAST(:people_told AS boolean), CAST(:since AS date), CAST(:recorded_at AS timestamptz))) "
    f"AS new ({_COLUMNS}) WHERE revision = 1 OR EXISTS (SELECT FROM commitment AS before WHERE "
    "before.commitment_id = new.commitment_id AND before.revision = new.revision - 1 AND before.team_id = new.team_id "
    "AND before.period = new.period AND before.theme = new.theme) ON CONFLICT "
    "(commitment_id, revision) DO NOTHING RETURNING 1"
)
_SAME = text(f"SELECT {_COLUMNS} FROM commitment WHERE commitment_id = :id AND revision = :revision")  # noqa: S608
_NEWEST = text(
    f"SELECT DISTINCT ON (commitment_id) {_COLUMNS} FROM commitment "  # noqa: S608
    "WHERE team_id = :team AND (CAST(:period AS date) IS NULL OR period = :period) "
    "AND (CAST(:id AS uuid) IS NULL OR commitment_id = :id) ORDER BY commitment_id, revision DESC"
)
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM commitment WHERE team_id = :team AND commitment_id = :id "  # noqa: S608
    "ORDER BY revision DESC"
)


class CommitmentStore:
    """The adapter to the table `commitment`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def record(self, person: Person, event: CommitmentRecorded) -> bool:
        """Write a revision, its event and its audit row, all or nothing; the same form sent twice writes once.

        Returns:
            Whether it stands; False: somebody else wrote this revision first.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            written = (await connection.execute(_RECORD, _row(event))).one_or_none()
            if written is None:
                given = {"id": event.commitment_id, "revision": event.revision}
                same = (await connection.execute(_SAME, given)).one_or_none()
                return same is not None and _is_same(_event(same), event)
            await queue(connection, COMMITMENTS, event, event.recorded_at)
            what = f"commitment {event.key()} revision {event.revision}"
            await note(connection, person, "recorded", what, event.recorded_at)
        return True

    async def newest(self, team_id: str, period: date | None = None) -> list[CommitmentRecorded]:
        """A team's commitments as they stand, the latest first; of one page's, or of all.

        Raises:
            TransientFault: PostgreSQL is away.
        """
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(_NEWEST, {"team": team_id, "period": period, "id": None})
            found = [_event(row) for row in rows]
        return sorted(found, key=lambda made: (made.since, made.recorded_at), reverse=True)

    async def history(self, team_id: str, commitment_id: UUID) -> list[CommitmentRecorded]:
        """Every revision of one of a team's commitments, the newest first; none, if it is not that team's.

        Raises:
            TransientFault: PostgreSQL is away.
        """
        async with transient_faults_told(), self._database.connect() as connection:
            return [_event(row) for row in await connection.execute(_HISTORY, {"team": team_id, "id": commitment_id})]


def _row(event: CommitmentRecorded) -> Mapping[str, object]:
    given = event.model_dump()
    return {**given, "what": given.pop("text")}


def _event(row: Row[Any]) -> CommitmentRecorded:
    given = dict(row._mapping)
    return CommitmentRecorded(text=given.pop("what"), **given)


def _is_same(kept: CommitmentRecorded, sent: CommitmentRecorded) -> bool:
    return kept.model_copy(update={"recorded_at": sent.recorded_at}) == sent
