"""Wires the learning service together."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from services.learning import catalogue
from services.learning.committing import CommitmentStore
from services.learning.correcting import CorrectionStore
from services.learning.digest_store import DigestStore
from services.learning.digesting import Digesting
from services.learning.handlers import CorrectionHandler, Handlers, UrgentHandlers
from services.learning.overdue import UrgentWatch
from services.learning.pages import PageStore
from services.learning.periods import Calendar
from services.learning.publishing import Publishing
from services.learning.regrouping import count_by
from services.learning.reloading import CatalogueFile
from services.learning.retention import Retention
from services.learning.routing import Router
from services.learning.store import ReadingStore
from services.learning.urgent import UrgentStore
from shared.consumer import BatchConsumer
from shared.database import engine, is_up, migrate
from shared.errors import TransientFault
from shared.service import Running
from shared.topics import (
    COMMITMENTS,
    FEEDBACK_ANALYSED,
    FEEDBACK_URGENT,
    FEEDBACK_WITHDRAWN,
    READING_CORRECTED,
    URGENT_ACKNOWLEDGED,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.learning.catalogue import Catalogue
    from services.learning.settings import LearningSettings
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

SCHEMA = "learning"


@dataclass(slots=True, kw_only=True)
class LearningRunning(Running):
    """The service at work, with what the command line asks of it.

    Attributes:
        catalogue: at work now; a changed file brings another.
        readings: counts, unrouted groups, finished feedback.
        pages: summaries by team, held ones, `republish_all`.
        publishing: `settle` and `pending` of pages.
        digests: every digest that may be shown, `republish_all`.
        digesting: `everything` and `pending` of digests.
    """

    catalogue: Catalogue
    readings: ReadingStore
    pages: PageStore
    publishing: Publishing
    digests: DigestStore
    digesting: Digesting

    async def settle(self) -> None:
        """Write and send every page and digest that is due now.

        Raises:
            TransientFault: the database, the broker or a team's topic is away; what is left stays due.
        """
        await self.publishing.settle()
        await self.digesting.everything(patient=False)


@asynccontextmanager
async def running(settings: LearningSettings, publisher: Publisher) -> AsyncIterator[LearningRunning]:
    """Migrate the schema, have every page looked at again, then read and publish while inside.

    Raises:
        CatalogueError: the catalogue is refused; nothing was touched.
        TransientFault: PostgreSQL does not answer.
    """
    teams = catalogue.read(settings.catalogue)
    for warning in catalogue.warnings(teams):
        log.warning("%s: %s", settings.catalogue, warning)
    database = engine(settings.database_url.get_secret_value(), SCHEMA)
    try:
        await migrate(database, SCHEMA, "services.learning:migrations")
        calendar = Calendar(settings.summary_period, timedelta(days=settings.summary_grace_days))
        await count_by(database, calendar.kind)
        async with _wired(settings, publisher, database, teams, calendar) as service:
            yield service
    finally:
        await database.dispose()


@asynccontextmanager
async def _wired(
    settings: LearningSettings, publisher: Publisher, database: AsyncEngine, teams: Catalogue, calendar: Calendar
) -> AsyncIterator[LearningRunning]:
    readings, pages = ReadingStore(database), PageStore(database, calendar.kind)
    await readings.mark_all_due()
    handlers = Handlers(Router(teams), readings, calendar.kind)
    publishing = Publishing(
        pages,
        publisher,
        teams,
        quiet=settings.summary_quiet,
        max_delay=settings.summary_max_delay,
        calendar=calendar,
    )
    digests = DigestStore(database)
    digesting = Digesting(digests, publisher, teams, calendar=calendar, clock=_now)
    urgent = UrgentStore(database)
    watch = UrgentWatch(urgent, timedelta(hours=settings.urgent_within_hours))
    service = LearningRunning(
        consumers=_consumers(
            settings,
            publisher,
            handlers,
            CorrectionHandler(CorrectionStore(database)),
            urgent,
            commitments=CommitmentStore(database),
        ),
        checks={"database": lambda: is_up(database), "summaries": publishing.healthy},
        catalogue=teams,
        readings=readings,
        pages=pages,
        publishing=publishing,
        digests=digests,
        digesting=digesting,
    )

    async def adopt(changed: Catalogue) -> None:
        await readings.mark_all_due()
        handlers.use(Router(changed))
        publishing.use(changed)
        digesting.use(changed)
        service.catalogue = changed

    file = CatalogueFile(settings.catalogue, adopt)
    service.warnings = lambda: _warnings(file, pages, watch)
    retention = Retention(database, settings)
    async with (
        publishing.keeping_up(),
        digesting.keeping_up(settings.summary_quiet),
        retention.at_work(),
        watch.watched(),
        file.watched(),
    ):
        yield service


def _now() -> datetime:
    return datetime.now(UTC)


def _consumers(
    settings: LearningSettings,
    publisher: Publisher,
    handlers: Handlers,
    corrections: CorrectionHandler,
    urgent: UrgentStore,
    *,
    commitments: CommitmentStore,
) -> tuple[BatchConsumer[Any], ...]:
    on_urgent = UrgentHandlers(urgent)
    effects = (
        (FEEDBACK_ANALYSED, handlers.on_feedback_analysed),
        (FEEDBACK_WITHDRAWN, handlers.on_feedback_withdrawn),
        (READING_CORRECTED, corrections.on_reading_corrected),
        (FEEDBACK_URGENT, on_urgent.on_feedback_urgent),
        (URGENT_ACKNOWLEDGED, on_urgent.on_urgent_acknowledged),
        (COMMITMENTS, commitments.on_commitment_recorded),
    )
    return tuple(
        BatchConsumer[Any](service=SCHEMA, topic=topic, effect=effect, publisher=publisher, settings=settings)
        for topic, effect in effects
    )


async def _warnings(file: CatalogueFile, pages: PageStore, watch: UrgentWatch) -> list[str]:
    """What an operator should see to, in the order of how soon."""
    try:
        overdue, held = await watch.overdue(), len(await pages.summaries(held=True))
    except TransientFault:
        return ["the database cannot be asked"]
    return [
        line
        for line, due in (
            (f"{overdue} urgent items are overdue; see `heed urgent list`", overdue),
            (f"{held} summaries are held; see `heed summaries --held`", held),
            (file.problem or "", file.problem),
        )
        if due
    ]
