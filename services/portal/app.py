"""Wires the portal: database, read model, consumers and HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from services.portal.api import build_app
from services.portal.assets import Assets
from services.portal.audit import Audit
from services.portal.commitments import CommitmentStore
from services.portal.copies import PageCopy
from services.portal.corrections import CorrectionStore
from services.portal.directory import DirectoryFile
from services.portal.outbox import Outbox
from services.portal.portal import Portal
from services.portal.protection import Limit
from services.portal.provider import Provider
from services.portal.published import DIGESTS, PAGES, PublishedStore
from services.portal.receipts import following
from services.portal.recordings import recordings_of
from services.portal.sessions import SessionStore
from services.portal.subscriptions_at_work import delivering
from services.portal.urgent import UrgentStore
from services.portal.urgent_words import reading
from services.portal.views import Views
from shared.consumer import BatchConsumer
from shared.database import engine, is_up, migrate
from shared.held import SummaryHeld
from shared.repeating import repeating
from shared.service import Running
from shared.sources import PageSources
from shared.topics import (
    FEEDBACK_URGENT,
    FEEDBACK_WITHDRAWN,
    LEARNING_SUMMARIES,
    PAGE_SOURCES,
    SUMMARIES_HELD,
    THEME_DIGESTS,
    URGENT_ACKNOWLEDGED,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.portal.receipts import Receipts
    from services.portal.settings import PortalSettings
    from services.portal.subscriptions_offer import Subscribing
    from services.portal.urgent_words import UrgentWords
    from shared.consumer import Delivery
    from shared.events import FeedbackWithdrawn
    from shared.publisher import Publisher
    from shared.topics import Topic

SCHEMA = "portal"

PUBLISHED_FOR = timedelta(days=30)
"""For so long published rows stay in the outbox, as their topics keep them."""


@dataclass(slots=True, kw_only=True)
class PortalRunning(Running):
    """The service at work.

    Attributes:
        outbox: `publish_again`, for a broker that forgets.
    """

    outbox: Outbox


def open_database(settings: PortalSettings) -> AsyncEngine:
    """The portal's engine; whoever opens it disposes of it."""
    return engine(settings.database_url.get_secret_value(), SCHEMA, settings.portal_database_pool)


async def migrate_database(database: AsyncEngine) -> None:
    """Bring schema `portal` to the newest revision.

    Raises:
        TransientFault: the database is away.
    """
    await migrate(database, SCHEMA, "services.portal:migrations")


@asynccontextmanager
async def running(settings: PortalSettings, publisher: Publisher) -> AsyncIterator[PortalRunning]:
    """The portal at work until the block ends.

    Raises:
        UsageError: the catalogue cannot be read.
        TransientFault: the database does not answer.
    """
    directory = DirectoryFile(settings.catalogue)
    database = open_database(settings)
    try:
        await migrate_database(database)
        async with (
            delivering(settings, database, directory) as subscribing,
            following(settings) as receipts,
            reading(settings) as words,
            _wired(settings, publisher, database, directory, subscribing, receipts=receipts, words=words) as service,
        ):
            yield service
    finally:
        await database.dispose()


@asynccontextmanager
async def _wired(
    settings: PortalSettings,
    publisher: Publisher,
    database: AsyncEngine,
    directory: DirectoryFile,
    subscribing: Subscribing | None,
    *,
    receipts: Receipts | None,
    words: UrgentWords | None,
) -> AsyncIterator[PortalRunning]:
    assets = Assets()
    portal = Portal(
        settings=settings,
        directory=directory,
        pages=PublishedStore(database, PAGES),
        sources=PageCopy(database, "page_source", PageSources),
        held=PageCopy(database, "held_summary", SummaryHeld),
        corrections=CorrectionStore(database),
        digests=PublishedStore(database, DIGESTS),
        commitments=CommitmentStore(database),
        urgent=UrgentStore(database),
        sessions=SessionStore(database),
        audit=Audit(database),
        views=Views(assets.paths, subscriptions=subscribing is not None),
        limit=Limit(settings.portal_sign_ins),
        provider=Provider(settings) if settings.portal_oidc_issuer else None,
        subscribing=subscribing,
        receipts=receipts,
        words=words,
        recordings=recordings_of(settings),
    )

    outbox = Outbox(database, publisher)

    async def purge() -> None:
        now = datetime.now(UTC)
        await outbox.purge(now - PUBLISHED_FOR)
        await portal.urgent.forget(now - timedelta(days=settings.portal_urgent_retention_days))
        await portal.sessions.purge(now)
        await portal.corrections.forget(now - timedelta(days=settings.portal_audit_retention_days))
        await portal.audit.forget(now - timedelta(days=settings.portal_audit_retention_days))

    async with (
        directory.watched(),
        repeating(purge, settings.purge_interval, "portal-purge"),
        repeating(lambda: outbox.publish(datetime.now(UTC)), settings.relay_poll, "portal-outbox"),
    ):
        service = PortalRunning(
            consumers=_consumers(portal, publisher),
            checks={"database": lambda: is_up(database)},
            works_without_kafka=True,
            outbox=outbox,
        )
        service.app = build_app(portal, assets, service.readiness)
        yield service


def _consumers(portal: Portal, publisher: Publisher) -> tuple[BatchConsumer[Any], ...]:
    async def on_withdrawn(deliveries: Sequence[Delivery[FeedbackWithdrawn]]) -> None:
        await portal.urgent.on_feedback_withdrawn(deliveries)
        await portal.corrections.on_feedback_withdrawn(deliveries)

    effects: tuple[tuple[Topic, Any, Any], ...] = (
        (LEARNING_SUMMARIES, portal.pages.on_published, portal.pages.on_taken_back),
        (PAGE_SOURCES, portal.sources.on_event, portal.sources.on_removed),
        (THEME_DIGESTS, portal.digests.on_published, portal.digests.on_taken_back),
        (SUMMARIES_HELD, portal.held.on_event, portal.held.on_removed),
        (FEEDBACK_URGENT, portal.urgent.on_feedback_urgent, None),
        (URGENT_ACKNOWLEDGED, portal.urgent.on_urgent_acknowledged, None),
        (FEEDBACK_WITHDRAWN, on_withdrawn, None),
    )
    return tuple(
        BatchConsumer[Any](
            service=SCHEMA, topic=topic, effect=effect, removal=removal, publisher=publisher, settings=portal.settings
        )
        for topic, effect, removal in effects
    )
