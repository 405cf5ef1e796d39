"""Theme digests in PostgreSQL: which periods are due, what was written, what has gone out or is to be taken back.

A digest costs the number of teams, not of comments. It is due whenever one of its period's pages is written.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from services.learning.counting import parsed
from shared.database import transient_faults_told
from shared.digests import ThemeDigest
from shared.themes import SLUGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.learning.readings import Measure

    Compose = Callable[[str, date, Mapping[str, Mapping[Measure, int]], int], ThemeDigest | None]

_CLAIM = text("SELECT period FROM due_digest ORDER BY period LIMIT :limit FOR UPDATE SKIP LOCKED")
_COUNTERS = text(
    "SELECT team_id, period, measure, value, count AS n FROM period_counter "
    "WHERE period = ANY(CAST(:periods AS date[])) AND count > 0 "
    "AND measure IN ('read', 'theme', 'theme_positive', 'theme_negative') AND team_id = ANY(CAST(:teams AS text[]))"
)
_NEWEST = text("SELECT slug, period, revision, payload FROM digest WHERE period = ANY(CAST(:periods AS date[]))")
_WRITE = text(
    "INSERT INTO digest (slug, period, revision, payload, written_at) "
    "SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS given(slug text, period date, revision integer, payload jsonb, written_at timestamptz) ORDER BY slug, period "
    "ON CONFLICT (slug, period) DO UPDATE SET revision = EXCLUDED.revision, payload = EXCLUDED.payload, "
    "written_at = EXCLUDED.written_at"
)
_DONE = text("DELETE FROM due_digest WHERE period = ANY(CAST(:periods AS date[]))")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('heed-send-digests-' || current_schema()))")
_UNPUBLISHED = (
    # What never went out need not be taken back.
    "published_revision IS DISTINCT FROM revision AND (payload IS NOT NULL OR published_revision IS NOT NULL)"
)
_WAITING = text(
    f"SELECT slug, period, revision, payload FROM digest WHERE {_UNPUBLISHED} "  # noqa: S608 - constants only
    "AND slug <> ALL(CAST(:without AS text[])) ORDER BY slug, period LIMIT :limit"
)
_PUBLISHED = text(
    "UPDATE digest SET published_revision = given.revision FROM "
    "unnest(CAST(:slugs AS text[]), CAST(:periods AS date[]), CAST(:revisions AS integer[])) "
    "AS given(slug, period, revision) WHERE digest.slug = given.slug AND digest.period = given.period"
)
_PENDING = text(
    f"SELECT (SELECT count(*) FROM due_digest) + (SELECT count(*) FROM digest WHERE {_UNPUBLISHED})"  # noqa: S608
)
_REPUBLISH = text("UPDATE digest SET published_revision = NULL WHERE published_revision IS NOT NULL")
_LIST = text("SELECT slug, period, revision, payload FROM digest WHERE payload IS NOT NULL ORDER BY slug, period")


@dataclass(frozen=True, slots=True)
class WrittenDigest:
    """The newest revision for a theme and period; without a digest it is taken back."""

    slug: str
    period: date
    revision: int
    digest: ThemeDigest | None


class DigestStore:
    """The adapter to the tables `due_digest` and `digest`."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def write_due(self, compose: Compose, teams: Collection[str], *, limit: int, now: datetime) -> int:
        """Write the digests of some periods that are due, all or nothing; how many periods there were.

        Args:
            compose: makes the digest of a slug and period from the counters of each team, with its revision.
            teams: that take part.
            limit: periods at most.
            now: when.

        Raises:
            TransientFault: PostgreSQL is away; nothing was written.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            periods = [row.period for row in await connection.execute(_CLAIM, {"limit": limit})]
            if not periods:
                return 0
            counters = await _counters(connection, periods, teams)
            newest = await _newest(connection, periods)
            changed = [
                written
                for period in periods
                for slug in SLUGS
                if (written := _written(compose, slug, period, counters[period], newest.get((slug, period))))
            ]
            if changed:
                await connection.execute(_WRITE, {"rows": _rows(changed, now)})
            await connection.execute(_DONE, {"periods": periods})
        return len(periods)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[OutgoingDigests | None]:
        """One transaction in which this member alone sends; None inside while another one does.

        Raises:
            TransientFault: PostgreSQL is away; nothing was marked.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            alone = bool((await connection.execute(_ALONE)).scalar_one())
            yield OutgoingDigests(connection) if alone else None

    async def pending(self) -> int:
        """Periods whose digests are to be written, and digests to be sent or taken back."""
        async with transient_faults_told(), self._database.connect() as connection:
            return int((await connection.execute(_PENDING)).scalar_one())

    async def digests(self) -> list[ThemeDigest]:
        """Every digest that may be shown now, by theme and period."""
        async with transient_faults_told(), self._database.connect() as connection:
            found = [_digest(row) for row in await connection.execute(_LIST)]
            return [written.digest for written in found if written.digest is not None]

    async def republish_all(self) -> None:
        """Have everything go out again under the same ids, for a broker that forgot it (the embedded one)."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_REPUBLISH)


class OutgoingDigests:
    """Digests to be sent, in the one transaction that also marks them; see `DigestStore.sending`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waiting(self, limit: int, without: Collection[str] = ()) -> list[WrittenDigest]:
        """Digests whose newest revision has not gone out, but for those of some themes."""
        rows = await self._connection.execute(_WAITING, {"limit": limit, "without": list(without)})
        return [_digest(row) for row in rows]

    async def mark_published(self, written: Sequence[WrittenDigest]) -> None:
        """Remember that these revisions are out; a newer one written meanwhile stays unpublished."""
        await self._connection.execute(
            _PUBLISHED,
            {
                "slugs": [each.slug for each in written],
                "periods": [each.period for each in written],
                "revisions": [each.revision for each in written],
            },
        )


async def _counters(
    connection: AsyncConnection, periods: Sequence[date], teams: Collection[str]
) -> dict[date, dict[str, dict[Measure, int]]]:
    found: dict[date, dict[str, dict[Measure, int]]] = {period: {} for period in periods}
    for row in await connection.execute(_COUNTERS, {"periods": list(periods), "teams": list(teams)}):
        found[row.period].setdefault(row.team_id, {})[(row.measure, row.value)] = row.n
    return found


async def _newest(connection: AsyncConnection, periods: Sequence[date]) -> dict[tuple[str, date], WrittenDigest]:
    rows = await connection.execute(_NEWEST, {"periods": list(periods)})
    return {(row.slug, row.period): _digest(row) for row in rows}


def _written(
    compose: Compose,
    slug: str,
    period: date,
    counts: Mapping[str, Mapping[Measure, int]],
    newest: WrittenDigest | None,
) -> WrittenDigest | None:
    """A new revision, where what is to be shown differs from the newest one."""
    revision = newest.revision + 1 if newest else 1
    made = compose(slug, period, counts, revision)
    if _content(made) == _content(newest.digest if newest else None):
        return None
    return WrittenDigest(slug, period, revision, made)


def _content(digest: ThemeDigest | None) -> dict[str, Any] | None:
    return None if digest is None else digest.model_dump(mode="json", exclude={"revision", "generated_at"})


def _rows(changed: Sequence[WrittenDigest], now: datetime) -> str:
    return json.dumps(
        [
            {
                "slug": written.slug,
                "period": written.period.isoformat(),
                "revision": written.revision,
                "payload": written.digest and written.digest.model_dump(mode="json"),
                "written_at": now.isoformat(),
            }
            for written in changed
        ]
    )


def _digest(row: Row[Any]) -> WrittenDigest:
    payload = parsed(row.payload)
    made = None if payload is None else ThemeDigest.model_validate(payload)
    return WrittenDigest(row.slug, row.period, row.revision, made)
