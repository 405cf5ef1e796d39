"""What teams corrected, in PostgreSQL: numbered per version of the feedback, with its event in the same transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from services.portal.audit import note
from services.portal.copies import of_page
from services.portal.outbox import queue
from shared.database import transient_faults_told
from shared.events import CorrectedTheme, ReadingCorrected
from shared.sources import PageSources
from shared.summaries import LearningSummary
from shared.topics import READING_CORRECTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from services.portal.people import Person
    from shared.consumer import Delivery
    from shared.events import FeedbackWithdrawn
    from shared.sources import QuoteSource

# Neither may change before the correction is written: it is of the words that the person saw.
_SEEN = text(
    "SELECT page.payload::text AS page, page_source.payload::text AS sources FROM page "
    "JOIN page_source USING (team_id, period) WHERE team_id = :team AND period = :period "
    "AND page.payload IS NOT NULL AND page_source.payload IS NOT NULL FOR UPDATE"
)
_NEWEST = text(
    "SELECT number, sentiment, themes FROM correction WHERE feedback_id = :id AND version = :version "
    "ORDER BY number DESC LIMIT 1"
)
_WRITE = text(
    "INSERT INTO correction (feedback_id, version, number, sentiment, themes, corrected_at) "
    "VALUES (:id, :version, :number, :sentiment, CAST(:themes AS jsonb), :now)"
)
_WITHDRAWN = text("DELETE FROM correction WHERE feedback_id = ANY(CAST(:ids AS uuid[]))")
_FORGET = text("DELETE FROM correction WHERE corrected_at < :before")


@dataclass(frozen=True, slots=True)
class Place:
    """A quote, by where it stands and never by its feedback's id, which nobody needs to know.

    Attributes:
        period: first day.
        position: of the page's quotes, from 1.
    """

    team_id: str
    period: date
    position: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How a piece of feedback is read, by the model or by a person.

    Attributes:
        sentiment: 1 very positive … 5 very negative.
        themes: each that it raises, once in each tone.
    """

    sentiment: int
    themes: frozenset[CorrectedTheme]

    @property
    def ordered(self) -> tuple[CorrectedTheme, ...]:
        """The themes, always in the same order."""
        return tuple(sorted(self.themes, key=lambda theme: (theme.name, theme.tone)))


class CorrectionStore:
    """The adapter to the table `correction`; every call raises `TransientFault` while PostgreSQL is away."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database

    async def standing(self, source: QuoteSource) -> Reading | None:
        """What somebody made of it already; None: nobody did."""
        async with transient_faults_told(), self._database.connect() as connection:
            found = await _newest(connection, source)
        return found[1] if found else None

    async def correct(self, person: Person, place: Place, revision: int, given: Reading, now: datetime) -> bool:
        """Write what a quote's feedback says, its event and its audit row, all or nothing.

        The same sent twice is written once; another one of the same version has the next number.

        Args:
            revision: of the page that the person saw.

        Returns:
            Whether it stands; False: that page is not what it was, nothing was written.
        """
        async with transient_faults_told(), self._database.begin() as connection:
            source = await _source(connection, place, revision)
            if source is None:
                return False
            before = await _newest(connection, source)
            if before is not None and before[1] == given:
                return True
            event = ReadingCorrected(
                feedback_id=source.feedback_id,
                version=source.version,
                correction=before[0] + 1 if before else 1,
                sentiment=given.sentiment,
                themes=given.ordered,
                corrected_at=now,
            )
            await connection.execute(_WRITE, _row(event))
            await queue(connection, READING_CORRECTED, event, now)
            what = f"feedback {event.feedback_id} version {event.version} correction {event.correction}"
            await note(connection, person, "corrected", what, now)
        return True

    async def on_feedback_withdrawn(self, deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        """Forget what was made of feedback that its submitter took back."""
        ids = [delivery.event.feedback_id for delivery in deliveries]
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_WITHDRAWN, {"ids": ids})

    async def forget(self, before: datetime) -> None:
        """Delete older rows; their events went out long ago."""
        async with transient_faults_told(), self._database.begin() as connection:
            await connection.execute(_FORGET, {"before": before})


async def _source(connection: AsyncConnection, place: Place, revision: int) -> QuoteSource | None:
    given = {"team": place.team_id, "period": place.period}
    row = (await connection.execute(_SEEN, given)).one_or_none()
    if row is None:
        return None
    summary = LearningSummary.model_validate_json(row.page)
    sources = of_page(PageSources.model_validate_json(row.sources), summary)
    if sources is None or sources.revision != revision or not 1 <= place.position <= len(sources.quotes):
        return None
    return sources.quotes[place.position - 1]


async def _newest(connection: AsyncConnection, source: QuoteSource) -> tuple[int, Reading] | None:
    given = {"id": source.feedback_id, "version": source.version}
    row = (await connection.execute(_NEWEST, given)).one_or_none()
    if row is None:
        return None
    themes = json.loads(row.themes) if isinstance(row.themes, str) else row.themes
    return row.number, Reading(row.sentiment, frozenset(CorrectedTheme(**theme) for theme in themes))


def _row(event: ReadingCorrected) -> dict[str, object]:
    return {
        "id": event.feedback_id,
        "version": event.version,
        "number": event.correction,
        "sentiment": event.sentiment,
        "themes": json.dumps([theme.model_dump() for theme in event.themes or ()]),
        "now": event.corrected_at,
    }
