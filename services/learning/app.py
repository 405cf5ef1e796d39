"""Wires the learning service together."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.learning import catalogue
from services.learning.handlers import Handlers
from services.learning.pages import PageStore
from services.learning.periods import Calendar
from services.learning.publishing import Publishing
from services.learning.regrouping import count_by
from services.learning.retention import Retention
from services.learning.routing import Router
from services.learning.store import ReadingStore
from shared.consumer import BatchConsumer
from shared.database import engine, is_up, migrate
from shared.service import Running
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_WITHDRAWN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.learning.catalogue import Catalogue
    from services.learning.settings import LearningSettings
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

SCHEMA = "learning"


@dataclass(slots=True, kw_only=True)
class LearningRunning(Running):
    """The service at work, with what the command line asks of it.

    Attributes:
        readings: counts, unrouted groups, finished feedback.
        pages: summaries by team, held ones, `republish_all`.
        publishing: `settle` and `pending`.
    """

    catalogue: Catalogue
    readings: ReadingStore
    pages: PageStore
    publishing: Publishing


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
        async with publishing.keeping_up(), Retention(database, settings).at_work():
            yield LearningRunning(
                consumers=(
                    BatchConsumer(
                        service=SCHEMA,
                        topic=FEEDBACK_ANALYSED,
                        effect=handlers.on_feedback_analysed,
                        publisher=publisher,
                        settings=settings,
                    ),
                    BatchConsumer(
                        service=SCHEMA,
                        topic=FEEDBACK_WITHDRAWN,
                        effect=handlers.on_feedback_withdrawn,
                        publisher=publisher,
                        settings=settings,
                    ),
                ),
                checks={"database": lambda: is_up(database), "summaries": publishing.healthy},
                catalogue=teams,
                readings=readings,
                pages=pages,
                publishing=publishing,
            )
    finally:
        await database.dispose()
