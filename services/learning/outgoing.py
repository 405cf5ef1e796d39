"""What waits to be sent, under a lock that one member holds at a time: selecting, sending and marking are one thing.

Without the lock, a member that selected revision 1 may send it after another has sent revision 2: on a compacted topic
the older one, with words that were withdrawn since, would stay the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning.counting import parsed
from shared.events import FeedbackSummarised
from shared.summaries import LearningSummary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('heed-send-' || current_schema()))")
_UNPUBLISHED = "held = '{}' AND published_revision IS DISTINCT FROM revision"
_PAGES = text(
    "SELECT payload, traceparent FROM page "  # noqa: S608 - constants only
    f"WHERE {_UNPUBLISHED} AND team_id <> ALL(CAST(:without AS text[])) "
    "ORDER BY team_id, period LIMIT :limit"
)
_FIRST_PAGES = text(
    "SELECT DISTINCT ON (team_id) payload FROM page "  # noqa: S608 - constants only
    f"WHERE {_UNPUBLISHED} AND team_id = ANY(CAST(:teams AS text[])) ORDER BY team_id, period"
)
_GIVEN = (
    "unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), CAST(:numbers AS integer[])) "
    "AS given(team_id, period, number)"
)
_TO_TAKE_BACK = text(
    "SELECT payload FROM page WHERE takes_back AND held <> '{}' AND published_revision IS NOT NULL "
    "AND team_id <> ALL(CAST(:without AS text[])) ORDER BY team_id, period LIMIT :limit"
)
_TAKEN_BACK = text(
    f"UPDATE page SET published_revision = NULL, takes_back = false FROM {_GIVEN} "  # noqa: S608 - constants only
    "WHERE page.team_id = given.team_id AND page.period = given.period"
)
_PUBLISHED = text(
    "UPDATE page SET published_revision = given.number, takes_back = takes_back AND revision <> given.number "  # noqa: S608
    f"FROM {_GIVEN} "
    "WHERE page.team_id = given.team_id AND page.period = given.period"
)
_HOLD = text(
    "UPDATE page SET held = ARRAY[CAST(:reason AS text)] "
    "WHERE team_id = :team AND period = :period AND revision = :revision"
)
# A receipt may say "part of a summary" once that summary is out, in this revision or a later one.
_PARTS = text(
    "SELECT i.team_id, i.period, i.part, i.revision, i.feedback_ids, i.included_at "
    "FROM included_part AS i JOIN page AS p USING (team_id, period) "
    "WHERE NOT i.published AND p.published_revision >= i.revision ORDER BY i.team_id, i.period, i.part LIMIT :limit"
)
_PARTS_SENT = text(
    f"UPDATE included_part AS i SET published = true FROM {_GIVEN} "  # noqa: S608 - constants only
    "WHERE i.team_id = given.team_id AND i.period = given.period AND i.part = given.number"
)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A page to be sent, and the trace that it is part of."""

    summary: LearningSummary
    traceparent: str | None


class Outgoing:
    """Pages and lists to be sent, in the one transaction that also marks them; see `PageStore.sending`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def alone(self) -> bool:
        """Take the lock until the transaction ends; False while another member has it."""
        return bool((await self._connection.execute(_ALONE)).scalar_one())

    async def pages(self, limit: int, without: Collection[str] = ()) -> list[Unsent]:
        """Pages whose newest revision has not gone out and is not held, but for those of some teams."""
        rows = await self._connection.execute(_PAGES, {"limit": limit, "without": list(without)})
        return [Unsent(summary_of(row.payload), row.traceparent) for row in rows]

    async def to_take_back(self, limit: int, without: Collection[str] = ()) -> list[LearningSummary]:
        """Held pages whose team still has a revision with what was taken away since, but for those of some teams."""
        return await self._summaries(_TO_TAKE_BACK, {"limit": limit, "without": list(without)})

    async def mark_taken_back(self, summary: LearningSummary) -> None:
        """Remember that no revision of this page is out any more."""
        await self._connection.execute(_TAKEN_BACK, _columns([(summary.team_id, summary.period, summary.revision)]))

    async def first_pages(self, teams: Collection[str]) -> list[LearningSummary]:
        """Of each of these teams, the first such page, if it has one."""
        return await self._summaries(_FIRST_PAGES, {"teams": list(teams)})

    async def mark_published(self, summaries: Sequence[LearningSummary]) -> None:
        """Remember that these revisions are out; a newer one written meanwhile stays unpublished."""
        given = [(summary.team_id, summary.period, summary.revision) for summary in summaries]
        await self._connection.execute(_PUBLISHED, _columns(given))

    async def hold(self, summary: LearningSummary, reason: str) -> None:
        """Keep a revision from being sent; a newer one written meanwhile is not held."""
        given = {"team": summary.team_id, "period": summary.period, "revision": summary.revision, "reason": reason}
        await self._connection.execute(_HOLD, given)

    async def parts(self, limit: int) -> list[FeedbackSummarised]:
        """Lists of included feedback that have not gone out, while their page has."""
        rows = await self._connection.execute(_PARTS, {"limit": limit})
        return [
            FeedbackSummarised(
                team_id=row.team_id,
                period=row.period,
                revision=row.revision,
                part=row.part,
                feedback_ids=tuple(row.feedback_ids),
                summarised_at=row.included_at,
            )
            for row in rows
        ]

    async def mark_sent(self, parts: Sequence[FeedbackSummarised]) -> None:
        """Remember that these lists are out."""
        await self._connection.execute(
            _PARTS_SENT, _columns([(part.team_id, part.period, part.part) for part in parts])
        )

    async def _summaries(self, statement: Any, given: Mapping[str, object]) -> list[LearningSummary]:
        return [summary_of(row.payload) for row in await self._connection.execute(statement, given)]


def summary_of(payload: object) -> LearningSummary:
    """A stored page."""
    return LearningSummary.model_validate(parsed(payload))


def _columns(given: Sequence[tuple[str, object, int]]) -> dict[str, object]:
    return {
        "teams": [team for team, _, _ in given],
        "periods": [period for _, period, _ in given],
        "numbers": [number for _, _, number in given],
    }
