"""Wires the gateway: database, bucket, relay, purge, sweep, consumers and HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.gateway.api import build_app
from services.gateway.handlers import Gateway
from services.gateway.integrations import Keys
from services.gateway.outbox import Outbox
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.purge import purge
from services.gateway.relay import Relay
from services.gateway.store import FeedbackStore
from services.gateway.sweeping import sweep
from services.gateway.upload_handlers import Recordings
from services.gateway.upload_store import UploadStore
from services.gateway.words import RawWords
from shared import telemetry
from shared.bucket import open_bucket
from shared.consumer import BatchConsumer, Delivery
from shared.database import engine, is_up, migrate
from shared.errors import TransientFault
from shared.repeating import background, repeating
from shared.service import Running
from shared.telemetry import Metric
from shared.topics import FEEDBACK_ANALYSED, FEEDBACK_SUMMARISED, MEDIA_CHECKED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.settings import GatewaySettings
    from shared.events import FeedbackAnalysed, FeedbackSummarised
    from shared.media import MediaChecked
    from shared.publisher import Publisher

SCHEMA = "gateway"

WATCHED_EVERY = 15.0
"""Seconds between looks at the outbox for the meters: as often as Prometheus looks at them."""


def open_database(settings: GatewaySettings) -> AsyncEngine:
    """The gateway's engine; whoever opens it disposes of it."""
    return engine(settings.database_url.get_secret_value(), SCHEMA, settings.gateway_database_pool)


async def migrate_database(database: AsyncEngine) -> None:
    """Bring schema `gateway` to the newest revision.

    Raises:
        TransientFault: the database is away.
    """
    await migrate(database, SCHEMA, "services.gateway:migrations")


@asynccontextmanager
async def running(settings: GatewaySettings, publisher: Publisher) -> AsyncIterator[Running]:
    """The gateway at work: relay, purge and sweep run until the block ends.

    Raises:
        TransientFault: the database does not answer.
    """
    database = open_database(settings)
    try:
        await migrate_database(database)
        async with _wired(settings, publisher, database) as service:
            yield service
    finally:
        await database.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def _wired(settings: GatewaySettings, publisher: Publisher, database: AsyncEngine) -> AsyncIterator[Running]:
    outbox, store = Outbox(database), FeedbackStore(database)
    relay = Relay(outbox, publisher, settings, _now)
    pseudonyms = Pseudonyms(settings.pseudonym_key.get_secret_value().encode())
    uploads, bucket = UploadStore(database), open_bucket(settings)
    recordings = Recordings(uploads, bucket) if bucket else None
    words = RawWords(database) if settings.urgent_words_token else None
    gateway = Gateway(settings, Keys(database), store, pseudonyms, _now, relay.wake, recordings, words)

    async def database_up() -> bool:
        return await is_up(database)

    async def outbox_moves() -> bool:
        return await is_moving(outbox, timedelta(seconds=settings.gateway_outbox_age), _now)

    async with (
        background(relay.run, "gateway-relay") as relaying,
        repeating(lambda: purge(outbox, settings, _now), settings.purge_interval, "gateway-purge"),
        repeating(lambda: watch(outbox, _now), WATCHED_EVERY, "gateway-outbox-watch"),
        sweeping(recordings, settings),
    ):

        async def relay_alive() -> bool:
            return not relaying.done()

        service = Running(
            consumers=_consumers(store, uploads, publisher, settings),
            checks={"database": database_up, "relay": relay_alive, "outbox": outbox_moves},
            works_without_kafka=True,
        )
        service.app = build_app(gateway, service.readiness)
        yield service


async def watch(outbox: Outbox, clock: Callable[[], datetime]) -> None:
    """Tell the meters how many rows wait for Kafka, and how long the oldest has.

    Raises:
        TransientFault: the database is away; the next turn tells.
    """
    number, oldest = await outbox.depth()
    telemetry.measure(Metric.OUTBOX_WAITING, number)
    telemetry.measure(Metric.OUTBOX_AGE, (clock() - oldest).total_seconds() if oldest else 0.0)


async def is_moving(outbox: Outbox, limit: timedelta, clock: Callable[[], datetime]) -> bool:
    """Whether no row has waited for Kafka longer than `limit`; no, too, while the database cannot tell."""
    try:
        oldest = await outbox.oldest()
    except TransientFault:
        return False
    return oldest is None or clock() - oldest <= limit


@asynccontextmanager
async def sweeping(recordings: Recordings | None, settings: GatewaySettings) -> AsyncIterator[None]:
    """Look again and again for uploads to remove, while inside and where recordings are taken."""
    if recordings is None:
        yield
        return
    async with repeating(
        lambda: sweep(recordings, settings, _now), settings.media_sweep_interval, "gateway-media-sweep"
    ):
        yield


def _consumers(
    store: FeedbackStore, uploads: UploadStore, publisher: Publisher, settings: GatewaySettings
) -> tuple[BatchConsumer[FeedbackAnalysed], BatchConsumer[FeedbackSummarised], BatchConsumer[MediaChecked]]:
    async def on_feedback_analysed(deliveries: Sequence[Delivery[FeedbackAnalysed]]) -> None:
        await store.mark_read([delivery.event for delivery in deliveries])

    async def on_feedback_summarised(deliveries: Sequence[Delivery[FeedbackSummarised]]) -> None:
        now = _now()
        for received in await store.mark_summarised([delivery.event for delivery in deliveries]):
            telemetry.record(Metric.SUMMARISED_DELAY, (now - received).total_seconds())

    async def on_media_checked(deliveries: Sequence[Delivery[MediaChecked]]) -> None:
        await uploads.mark_checked([delivery.event for delivery in deliveries])

    return (
        BatchConsumer(
            service="gateway",
            topic=FEEDBACK_ANALYSED,
            effect=on_feedback_analysed,
            publisher=publisher,
            settings=settings,
        ),
        BatchConsumer(
            service="gateway",
            topic=FEEDBACK_SUMMARISED,
            effect=on_feedback_summarised,
            publisher=publisher,
            settings=settings,
        ),
        BatchConsumer(
            service="gateway",
            topic=MEDIA_CHECKED,
            effect=on_media_checked,
            publisher=publisher,
            settings=settings,
        ),
    )
