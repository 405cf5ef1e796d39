"""What teams said they try, in PostgreSQL: for section 7 of the page that it answers, and of every later one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.database import transient_faults_told
from shared.summaries import Commitment
from shared.themes import words_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.commitments import CommitmentRecorded
    from shared.consumer import Delivery

_KEEP = text(
    "WITH kept AS (INSERT INTO commitment AS c "
    "(commitment_id, revision, team_id, period, theme, state, because, role, people_told, since) "
    "SELECT commitment_id, revision, team_id, period, theme, state, because, role, people_told, since "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(commitment_id uuid, revision integer, team_id text, "
    "period date, theme text, state text, because text, role text, people_told boolean, since date) "
    "ORDER BY commitment_id ON CONFLICT (commitment_id) DO UPDATE SET revision = EXCLUDED.revision, "
    "team_id = EXCLUDED.team_id, period = EXCLUDED.period, theme = EXCLUDED.theme, state = EXCLUDED.state, "
    "because = EXCLUDED.because, role = EXCLUDED.role, people_told = EXCLUDED.people_told, since = EXCLUDED.since "
    "WHERE EXCLUDED.revision > c.revision RETURNING c.team_id, c.period) "
    "INSERT INTO due_page (team_id, period) SELECT page.team_id, page.period FROM page "
    "JOIN kept ON kept.team_id = page.team_id AND kept.period <= page.period "
    # In the order in which others mark pages, so that they wait for each other instead of deadlocking.
    'GROUP BY 1, 2 ORDER BY page.team_id COLLATE "C", page.period '
    "ON CONFLICT (team_id, period) DO UPDATE SET changed_at = clock_timestamp()"
)
_OF_TEAMS = text(
    "SELECT team_id, period, theme, state, because, role, people_told, since FROM commitment "
    "WHERE team_id = ANY(CAST(:teams AS text[])) ORDER BY since DESC, commitment_id"
)


class CommitmentStore:
    """The adapter to the table `commitment`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def on_commitment_recorded(self, deliveries: Sequence[Delivery[CommitmentRecorded]]) -> None:
        """Keep the newest revision of each and have its pages written anew; a replay changes nothing.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        newest: dict[str, CommitmentRecorded] = {}
        for event in sorted((delivery.event for delivery in deliveries), key=lambda event: event.revision):
            newest[str(event.commitment_id)] = event
        fields = {"commitment_id", "revision", "team_id", "period", "theme", "state", "because", "role", "people_told"}
        rows = [event.model_dump(mode="json", include={*fields, "since"}) for event in newest.values()]
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_KEEP, {"rows": json.dumps(rows)})


async def commitments_of(
    connection: AsyncConnection, pairs: Sequence[tuple[str, date]]
) -> dict[tuple[str, date], tuple[Commitment, ...]]:
    """For each page what its team said it tries, in answer to it or to an earlier one, the newest first."""
    found = (await connection.execute(_OF_TEAMS, {"teams": sorted({team for team, _ in pairs})})).all()
    return {
        (team, period): tuple(
            Commitment(
                theme=row.theme,
                label=words_for(row.theme).better,
                state=row.state,
                because=row.because,
                role=row.role,
                since=row.since,
                people_told=row.people_told,
            )
            for row in found
            if row.team_id == team and row.period <= period
        )
        for team, period in pairs
    }
