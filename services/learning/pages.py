"""Pages in PostgreSQL: what is due, what was written, what has gone out. Everything else follows from these rows.

One row per team and period holds the newest revision only: an older one could hold words that were withdrawn since. The
ids of feedback that a page newly includes wait in parts beside it until `feedback-summarised` has them.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning.committing import commitments_of
from services.learning.outgoing import HOLDING_CHANGED, UNPUBLISHED, Outgoing, sources_of, summary_of
from services.learning.periods import earliest
from services.learning.quote_sources import stretches
from services.learning.quotes import Candidate
from shared.database import transient_faults_told
from shared.sources import PageSources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.learning.periods import PeriodKind
    from services.learning.readings import Measure
    from shared.sources import QuoteSource
    from shared.summaries import Commitment, LearningSummary

PART = 1_000
"""Ids in one `feedback-summarised` event at most."""

CANDIDATES = 60
"""Quotable readings looked at per page: an arbitrary but constant choice, so that a page's cost has a bound."""

_CLAIM = text(
    "SELECT team_id, period, removes, traceparent FROM due_page "
    "WHERE (SELECT max(changed_at) FROM due_page) <= clock_timestamp() - make_interval(secs => :quiet) "
    "OR since <= clock_timestamp() - make_interval(secs => :max_delay) "
    "ORDER BY team_id, period LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_CLOSING = text(
    "INSERT INTO due_page (team_id, period) SELECT team_id, period FROM page WHERE closes_at <= :now "
    'ORDER BY team_id COLLATE "C", period ON CONFLICT (team_id, period) DO NOTHING'
)
_PAIRS = "unnest(CAST(:teams AS text[]), CAST(:periods AS date[])) AS wanted(team_id, period)"
_PAIRS_CLOSING = (
    "unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), CAST(:closings AS timestamptz[])) "
    "AS wanted(team_id, period, closes_at)"
)
_PAIRS_INCLUDING = (
    "unnest(CAST(:teams AS text[]), CAST(:periods AS date[]), CAST(:includings AS boolean[])) "
    "AS wanted(team_id, period, including)"
)
_COUNTERS = text(
    # Each team's once, however many of its pages are due: those of its periods and all that they look back on.
    "SELECT c.team_id, c.period, c.measure, c.value, c.count AS n "
    "FROM unnest(CAST(:teams AS text[]), CAST(:firsts AS date[]), CAST(:lasts AS date[])) AS t(team_id, first, last) "
    "JOIN period_counter AS c ON c.team_id = t.team_id AND c.period BETWEEN t.first AND t.last "
    "WHERE c.count <> 0 ORDER BY c.team_id, c.period"
)
_QUOTABLE = text(
    f"SELECT wanted.team_id, wanted.period, r.* FROM {_PAIRS} "  # noqa: S608 - constants only
    # Measures and media as text: they are parsed for the few that are quoted.
    "CROSS JOIN LATERAL (SELECT feedback_id, version, segments, "
    "CAST(measures AS text) AS measures, CAST(media AS text) AS media FROM reading "
    "WHERE reading.team_id = wanted.team_id AND reading.period = wanted.period AND quote_ok AND NOT withdrawn "
    # What a person corrected is not quoted under the themes that the model gave it.
    "AND uncorrected IS NULL ORDER BY feedback_id LIMIT :candidates) AS r ORDER BY r.feedback_id"
)
_NEWEST = text(
    f"SELECT p.team_id, p.period, p.revision, p.payload, p.sources, p.held FROM {_PAIRS} "  # noqa: S608
    "JOIN page AS p USING (team_id, period)"
)
_WRITE = text(
    "INSERT INTO page (team_id, period, revision, payload, sources, held, held_since, written_at, traceparent) "
    "SELECT team_id, period, revision, payload, sources, ARRAY(SELECT jsonb_array_elements_text(held)), "
    "CASE WHEN held <> '[]' THEN written_at END, written_at, traceparent "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(team_id text, period date, revision integer, "
    "payload jsonb, sources jsonb, held jsonb, written_at timestamptz, traceparent text) "
    "ON CONFLICT (team_id, period) DO UPDATE SET revision = EXCLUDED.revision, payload = EXCLUDED.payload, "
    "sources = EXCLUDED.sources, held = EXCLUDED.held, "
    "held_since = CASE WHEN EXCLUDED.held <> '{}' THEN COALESCE(page.held_since, EXCLUDED.held_since) END, "
    "written_at = EXCLUDED.written_at, traceparent = EXCLUDED.traceparent"
)
_TAKE_BACK = text(
    # What is out says what was taken away. It is replaced by this revision; should that be held, it is taken back.
    f"UPDATE page SET takes_back = true FROM {_PAIRS} "  # noqa: S608 - constants only
    "WHERE page.team_id = wanted.team_id AND page.period = wanted.period AND published_revision IS NOT NULL "
    "AND (held <> '{}' OR published_revision <> revision)"
)
_CLOSES = text(
    f"UPDATE page SET closes_at = wanted.closes_at FROM {_PAIRS_CLOSING} "  # noqa: S608 - constants only
    "WHERE page.team_id = wanted.team_id AND page.period = wanted.period "
    "AND page.closes_at IS DISTINCT FROM wanted.closes_at"
)
_INCLUDE = text(
    # A reading that another transaction has locked is skipped; `_DONE` leaves its page due.
    f"WITH unlocked AS (SELECT feedback_id, revision, parts FROM {_PAIRS} "  # noqa: S608 - constants only
    "JOIN page USING (team_id, period) JOIN reading USING (team_id, period) "
    "WHERE included_revision IS NULL AND NOT withdrawn FOR UPDATE OF reading SKIP LOCKED), "
    "included AS (UPDATE reading SET included_revision = revision FROM unlocked "
    "WHERE reading.feedback_id = unlocked.feedback_id "
    "RETURNING reading.feedback_id, team_id, period, revision, parts), "
    "numbered AS (SELECT *, parts "
    "+ (row_number() OVER (PARTITION BY team_id, period ORDER BY feedback_id) - 1) / :size AS part FROM included), "
    "listed AS (INSERT INTO included_part (team_id, period, part, revision, feedback_ids, included_at) "
    "SELECT team_id, period, part, revision, array_agg(feedback_id ORDER BY feedback_id), :now "
    "FROM numbered GROUP BY team_id, period, part, revision RETURNING team_id, period, part) "
    "UPDATE page SET parts = latest.part + 1 "
    "FROM (SELECT team_id, period, max(part) AS part FROM listed GROUP BY team_id, period) AS latest "
    "WHERE page.team_id = latest.team_id AND page.period = latest.period"
)
_DIGESTS_DUE = text(
    # An update, not nothing, where it is due already: it waits for whoever writes these digests now, from older counts.
    "INSERT INTO due_digest (period) SELECT DISTINCT unnest(CAST(:periods AS date[])) AS period ORDER BY period "
    "ON CONFLICT (period) DO UPDATE SET since = due_digest.since"
)
_DONE = text(
    # Not where `_INCLUDE` skipped a reading: whoever has it locked may change nothing, as a replay, and mark nothing.
    f"DELETE FROM due_page USING {_PAIRS_INCLUDING} "  # noqa: S608 - constants only
    "WHERE due_page.team_id = wanted.team_id AND due_page.period = wanted.period "
    "AND NOT (wanted.including AND EXISTS (SELECT FROM reading WHERE reading.team_id = wanted.team_id "
    "AND reading.period = wanted.period AND included_revision IS NULL AND NOT withdrawn))"
)
_PENDING = text(
    "SELECT (SELECT count(*) FROM due_page) "  # noqa: S608 - constants only
    f"+ (SELECT count(*) FROM page WHERE {UNPUBLISHED}) "
    f"+ (SELECT count(*) FROM page WHERE {HOLDING_CHANGED}) "
    "+ (SELECT count(*) FROM page WHERE takes_back AND held <> '{}' AND published_revision IS NOT NULL) "
    "+ (SELECT count(*) FROM included_part AS i JOIN page AS p USING (team_id, period) "
    "WHERE NOT i.published AND (p.held = '{}' OR p.published_revision >= i.revision))"
)
_LIST = text(
    "SELECT payload, held, published_revision FROM page "
    "WHERE (CAST(:team AS text) IS NULL OR team_id = :team) "
    "AND (CAST(:held AS boolean) IS NULL OR (held <> '{}') = :held) ORDER BY team_id, period"
)
_REPUBLISH = text(
    "UPDATE page SET published_revision = NULL, held_told = NULL "
    "WHERE published_revision IS NOT NULL OR held_told IS NOT NULL"
)
_RESEND_PARTS = text("UPDATE included_part SET published = false WHERE published")

Pair = tuple[str, "date"]
"""A team's id and the first day of a period."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a page is written from.

    Attributes:
        counts: the period's own counters.
        history: counters of the team's earlier periods, in order, as far back as its charts look
            (`periods.REMEMBERED`); a period without any feedback is not in it.
        commitments: what the team said it tries, the newest first.
    """

    team_id: str
    period: date
    counts: Mapping[Measure, int]
    candidates: Sequence[Candidate]
    history: Mapping[date, Mapping[Measure, int]] = field(default_factory=dict)
    commitments: Sequence[Commitment] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A written page.

    Attributes:
        held: the rules that keep it from being published.
        sources: of `summary.quotes`, in that order; None: it was written before sources were kept.
    """

    summary: LearningSummary
    held: tuple[str, ...] = ()
    published: bool = False
    sources: tuple[QuoteSource, ...] | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """What came of one page that was due.

    Attributes:
        include: whether its feedback may be told to be part of a summary.
        changed: whether it differs from the newest revision, so that a new one is due.
        adds_sources: whether it is the newest revision, which had no sources yet: they go out with it once more.
        closes_at: when its period closes, so that it is due again; None once it has.
    """

    page: Page
    include: bool
    changed: bool
    adds_sources: bool = False
    closes_at: datetime | None = None


class PageStore:
    """The adapter to the tables `due_page`, `page` and `included_part`.

    Args:
        database: the service's.
        kind: of the periods that readings are counted by.
    """

    def __init__(self, database: AsyncEngine, kind: PeriodKind = "month") -> None:
        self._database = database
        self._kind = kind

    async def write_due(
        self,
        write: Callable[[Material, Page | None], Writing],
        *,
        quiet: float,
        max_delay: float,
        limit: int,
        now: datetime,
    ) -> list[Writing]:
        """Take some pages that are due, have each written, and keep what changed; all or nothing.

        Other members skip the pages that this one is at. Feedback that arrives meanwhile waits for the transaction
        and then marks its page as due again.

        Args:
            write: makes a page from its material and the newest revision, if there is one.
            quiet: seconds without a change of any page's readings after which all are due; 0: at once.
            max_delay: seconds after its own first change from which a page is due all the same.
            limit: pages at most.
            now: when the newly included feedback is said to be included.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_CLOSING, {"now": now})
            due = {"quiet": quiet, "max_delay": max_delay, "limit": limit}
            claimed = {(row.team_id, row.period): row for row in await connection.execute(_CLAIM, due)}
            pairs = list(claimed)
            if not pairs:
                return []
            wanted = _columns(pairs)
            material = await _material(connection, pairs, wanted, self._kind)
            newest = await _newest(connection, wanted)
            # Pages take milliseconds of computing each: in a thread, so that the process's other work goes on.
            writings = await asyncio.to_thread(
                lambda: [write(item, newest.get(pair)) for pair, item in material.items()]
            )
            written = [writing.page for writing in writings if writing.changed or writing.adds_sources]
            if written:
                traces = {pair: row.traceparent for pair, row in claimed.items()}
                await connection.execute(_WRITE, {"rows": _rows(written, traces)})
            await connection.execute(_TAKE_BACK, _columns([pair for pair in pairs if claimed[pair].removes]))
            await connection.execute(_CLOSES, {**wanted, "closings": [writing.closes_at for writing in writings]})
            included = [pair for pair, writing in zip(pairs, writings, strict=True) if writing.include]
            await connection.execute(_INCLUDE, {**_columns(included), "size": PART, "now": now})
            await connection.execute(_DIGESTS_DUE, {"periods": wanted["periods"]})
            await connection.execute(_DONE, {**wanted, "includings": [writing.include for writing in writings]})
        return writings

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Outgoing | None]:
        """One transaction in which this member alone sends; None inside while another one does.

        What is marked inside counts once the transaction ends without an error.

        Raises:
            TransientFault: PostgreSQL is away; nothing was marked.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            outgoing = Outgoing(connection)
            yield outgoing if await outgoing.alone() else None

    async def pending(self) -> int:
        """What is to be written, published, taken back or told; a list whose page is held waits uncounted."""
        async with transient_faults_told(), self._database.connect() as connection:
            return int((await connection.execute(_PENDING)).scalar_one())

    async def summaries(self, team_id: str | None = None, *, held: bool | None = None) -> list[Page]:
        """The newest revision of each team and period, in that order; of one team, held or not, where asked."""
        async with transient_faults_told(), self._database.connect() as connection:
            rows = await connection.execute(_LIST, {"team": team_id, "held": held})
            return [_page(row) for row in rows]

    async def republish_all(self) -> None:
        """Have everything go out again under the same ids, for a broker that forgot it (the embedded one)."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_REPUBLISH)
            await connection.execute(_RESEND_PARTS)


async def _material(
    connection: AsyncConnection, pairs: Sequence[Pair], wanted: Mapping[str, object], kind: PeriodKind
) -> dict[Pair, Material]:
    counts: dict[str, dict[date, dict[Measure, int]]] = {team: {} for team, _ in pairs}
    candidates: dict[Pair, list[Candidate]] = {pair: [] for pair in pairs}
    for row in await connection.execute(_COUNTERS, _reach(pairs, kind)):
        counts[row.team_id].setdefault(row.period, {})[(row.measure, row.value)] = row.n
    for row in await connection.execute(_QUOTABLE, {**wanted, "candidates": CANDIDATES}):
        candidates[(row.team_id, row.period)] += [
            Candidate(str(row.feedback_id), segment["text"], segment["sentiment"], tuple(segment["themes"]), origin)
            for segment, origin in stretches(row)
        ]
    found = {}
    commitments = await commitments_of(connection, pairs)
    for team, period in pairs:
        first = earliest(period, kind)
        history = {then: counted for then, counted in counts[team].items() if first <= then < period}
        own = counts[team].get(period, {})
        found[team, period] = Material(team, period, own, candidates[team, period], history, commitments[team, period])
    return found


def _reach(pairs: Sequence[Pair], kind: PeriodKind) -> dict[str, list[object]]:
    """For each team the first and the last period that any of its pages looks at."""
    periods: dict[str, list[date]] = {}
    for team, period in pairs:
        periods.setdefault(team, []).append(period)
    return {
        "teams": list(periods),
        "firsts": [earliest(min(own), kind) for own in periods.values()],
        "lasts": [max(own) for own in periods.values()],
    }


async def _newest(connection: AsyncConnection, wanted: Mapping[str, object]) -> dict[Pair, Page]:
    rows = await connection.execute(_NEWEST, wanted)
    return {
        (row.team_id, row.period): Page(
            summary_of(row.payload), tuple(row.held), sources=sources_of(row.sources, row.revision)
        )
        for row in rows
    }


def _columns(pairs: Sequence[Pair]) -> dict[str, object]:
    return {"teams": [team for team, _ in pairs], "periods": [period for _, period in pairs]}


def _rows(pages: Sequence[Page], traces: Mapping[Pair, str | None]) -> str:
    return json.dumps(
        [
            {
                "team_id": page.summary.team_id,
                "period": page.summary.period.isoformat(),
                "revision": page.summary.revision,
                "payload": page.summary.model_dump(mode="json"),
                "sources": _sources(page),
                "held": page.held,
                "written_at": page.summary.generated_at.isoformat(),
                "traceparent": traces[page.summary.team_id, page.summary.period],
            }
            for page in pages
        ]
    )


def _sources(page: Page) -> dict[str, Any] | None:
    """As they go out; they say which revision they are of, as a member of an older version leaves them as they are."""
    if page.sources is None:
        return None
    summary = page.summary
    made = PageSources(
        team_id=summary.team_id,
        period=summary.period,
        revision=summary.revision,
        quotes=page.sources,
        generated_at=summary.generated_at,
    )
    return made.model_dump(mode="json")


def _page(row: Row[Any]) -> Page:
    summary = summary_of(row.payload)
    return Page(summary, tuple(row.held), published=row.published_revision == summary.revision)
