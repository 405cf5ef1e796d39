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
from shared.held import SummaryHeld
from shared.sources import PageSources
from shared.summaries import LearningSummary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.sources import QuoteSource

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('heed-send-' || current_schema()))")
UNPUBLISHED = (
    "held = '{}' AND (published_revision IS DISTINCT FROM revision "
    # Written before sources were kept, and out without them. In this order: rarely has a row's sources to be looked at.
    "OR (sources_revision IS DISTINCT FROM revision AND sources ->> 'revision' = CAST(revision AS text)))"
)
_PAGES = text(
    "SELECT revision, payload, sources, traceparent FROM page "  # noqa: S608 - constants only
    f"WHERE {UNPUBLISHED} AND team_id <> ALL(CAST(:without AS text[])) "
    "ORDER BY team_id, period LIMIT :limit"
)
_FIRST_PAGES = text(
    "SELECT DISTINCT ON (team_id) revision, payload, sources, traceparent FROM page "  # noqa: S608 - constants only
    f"WHERE {UNPUBLISHED} AND team_id = ANY(CAST(:teams AS text[])) ORDER BY team_id, period"
)
_GIVEN = (
    "unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), CAST(:numbers AS integer[])) "
    "AS given(team_id, period, number)"
)
_TO_TAKE_BACK = text(
    "SELECT revision, payload, sources, traceparent FROM page "
    "WHERE takes_back AND held <> '{}' AND published_revision IS NOT NULL "
    "AND team_id <> ALL(CAST(:without AS text[])) ORDER BY team_id, period LIMIT :limit"
)
_TAKEN_BACK = text(
    "UPDATE page SET published_revision = NULL, sources_revision = NULL, takes_back = false "  # noqa: S608
    f"FROM {_GIVEN} "
    "WHERE page.team_id = given.team_id AND page.period = given.period"
)
_PUBLISHED = text(
    "UPDATE page SET published_revision = given.number, "
    "sources_revision = CASE WHEN given.with_sources THEN given.number END, "
    "takes_back = takes_back AND revision <> given.number "
    "FROM unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), CAST(:numbers AS integer[]), "
    "CAST(:with_sources AS boolean[])) AS given(team_id, period, number, with_sources) "
    "WHERE page.team_id = given.team_id AND page.period = given.period"
)
_HOLD = text(
    "UPDATE page SET held = ARRAY[CAST(:reason AS text)], held_since = COALESCE(held_since, clock_timestamp()) "
    "WHERE team_id = :team AND period = :period AND revision = :revision"
)
HOLDING_CHANGED = "held_told IS DISTINCT FROM CASE WHEN held <> '{}' THEN revision END"
_HOLDINGS = text(
    "SELECT team_id, period, revision, payload, held, held_since FROM page "  # noqa: S608 - constants only
    f"WHERE {HOLDING_CHANGED} ORDER BY team_id, period LIMIT :limit"
)
_TOLD = text(
    f"UPDATE page SET held_told = given.number FROM {_GIVEN} "  # noqa: S608 - constants only
    "WHERE page.team_id = given.team_id AND page.period = given.period"
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
    """A page to be sent.

    Attributes:
        sources: go with it; None: it was written before they were kept.
        traceparent: of the trace that it is part of.
    """

    summary: LearningSummary
    sources: PageSources | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What is to be told of a page: that it is held, or that it is no more.

    Attributes:
        event: None: it is no more.
    """

    team_id: str
    period: date
    event: SummaryHeld | None


class Outgoing:
    """Pages and lists to be sent, in the one transaction that also marks them; see `PageStore.sending`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def alone(self) -> bool:
        """Take the lock until the transaction ends; False while another member has it."""
        return bool((await self._connection.execute(_ALONE)).scalar_one())

    async def pages(self, limit: int, without: Collection[str] = ()) -> list[Unsent]:
        """Pages whose newest revision has not gone out and is not held, but for those of some teams."""
        return await self._unsent(_PAGES, {"limit": limit, "without": list(without)})

    async def to_take_back(self, limit: int, without: Collection[str] = ()) -> list[Unsent]:
        """Held pages whose team still has a revision with what was taken away since, but for those of some teams."""
        return await self._unsent(_TO_TAKE_BACK, {"limit": limit, "without": list(without)})

    async def mark_taken_back(self, summary: LearningSummary) -> None:
        """Remember that no revision of this page is out any more."""
        await self._connection.execute(_TAKEN_BACK, _columns([(summary.team_id, summary.period, summary.revision)]))

    async def first_pages(self, teams: Collection[str]) -> list[Unsent]:
        """Of each of these teams, the first such page, if it has one."""
        return await self._unsent(_FIRST_PAGES, {"teams": list(teams)})

    async def mark_published(self, pages: Sequence[Unsent]) -> None:
        """Remember that these revisions are out; a newer one written meanwhile stays unpublished."""
        given = _columns([(page.summary.team_id, page.summary.period, page.summary.revision) for page in pages])
        with_sources = [page.sources is not None for page in pages]
        await self._connection.execute(_PUBLISHED, {**given, "with_sources": with_sources})

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

    async def holdings(self, limit: int) -> list[Holding]:
        """Pages that are held, or no more, in a revision of which nobody was told."""
        rows = await self._connection.execute(_HOLDINGS, {"limit": limit})
        return [Holding(row.team_id, row.period, _held(row)) for row in rows]

    async def mark_told(self, holdings: Sequence[Holding]) -> None:
        """Remember of which revision it was told that it is held; None: that it is no more."""
        given = [(each.team_id, each.period, each.event.revision if each.event else None) for each in holdings]
        await self._connection.execute(_TOLD, _columns(given))

    async def _unsent(self, statement: Any, given: Mapping[str, object]) -> list[Unsent]:
        return [
            Unsent(summary_of(row.payload), _page_sources(row.sources, row.revision), row.traceparent)
            for row in await self._connection.execute(statement, given)
        ]


def summary_of(payload: object) -> LearningSummary:
    """A stored page."""
    return LearningSummary.model_validate(parsed(payload))


def sources_of(stored: object, revision: int) -> tuple[QuoteSource, ...] | None:
    """The sources of a stored page's quotes, if they are of this revision."""
    made = _page_sources(stored, revision)
    return None if made is None else made.quotes


def _page_sources(stored: object, revision: int) -> PageSources | None:
    if stored is None:
        return None
    made = PageSources.model_validate(parsed(stored))
    return made if made.revision == revision else None


def _held(row: Any) -> SummaryHeld | None:
    if not row.held:
        return None
    summary = summary_of(row.payload)
    return SummaryHeld(
        team_id=row.team_id,
        team_name=summary.team_name,
        period=row.period,
        period_kind=summary.period_kind,
        revision=row.revision,
        reasons=tuple(row.held),
        held_at=row.held_since or summary.generated_at,
    )


def _columns(given: Sequence[tuple[str, object, int | None]]) -> dict[str, object]:
    return {
        "teams": [team for team, _, _ in given],
        "periods": [period for _, period, _ in given],
        "numbers": [number for _, _, number in given],
    }
