"""Wires the media service: database, bucket, decoding process, consumers, retention."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from services.media.checking import Checker
from services.media.handlers import SERVICE, MediaHandler
from services.media.retention import Retention
from services.media.sandbox import Decoder
from services.media.store import MediaStore
from shared.consumer import BatchConsumer
from shared.database import engine, is_up, migrate
from shared.errors import TransientFault, UsageError
from shared.objects import ObjectStore
from shared.service import Running
from shared.topics import FEEDBACK_WITHDRAWN, MEDIA_UPLOADED

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.media.settings import MediaSettings
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

SCHEMA = "media"


@asynccontextmanager
async def running(settings: MediaSettings, publisher: Publisher) -> AsyncIterator[Running]:
    """The service at work; it is ready once its bucket keeps versions and a decoding process was started once.

    Raises:
        UsageError: the decoding process does not start, or the speech model is not there.
        TransientFault: PostgreSQL or the bucket does not answer.
    """
    model = settings.media_speech_model
    if model is not None and not model.is_dir():
        raise UsageError(f"HEED_MEDIA_SPEECH_MODEL: there is no folder {model}; name one, or unset it")
    decoder = Decoder(settings.media_decode_memory, settings.media_decode_seconds)
    await decoder.prove()
    bucket = ObjectStore(
        settings.s3_endpoint,
        settings.s3_access_key,
        settings.s3_secret_key.get_secret_value(),
        settings.s3_bucket,
        region=settings.s3_region,
    )
    await bucket.keep_versions()
    if not await bucket.encrypt():
        log.warning("the bucket %s does not encrypt what it keeps: its store has no key", settings.s3_bucket)
    database = engine(settings.database_url.get_secret_value(), SCHEMA)
    try:
        await migrate(database, SCHEMA, "services.media:migrations")
        async with _wired(settings, publisher, database, bucket, decoder) as service:
            yield service
    finally:
        await database.dispose()


@asynccontextmanager
async def _wired(
    settings: MediaSettings, publisher: Publisher, database: AsyncEngine, bucket: ObjectStore, decoder: Decoder
) -> AsyncIterator[Running]:
    store = MediaStore(database)
    checker = Checker(bucket, decoder, settings)
    handler = MediaHandler(store, bucket, checker, publisher)

    async def warnings() -> list[str]:
        try:
            held = len(await store.held())
        except TransientFault:
            return ["the database cannot be asked"]
        return [f"{held} media wait for a person; see `heed media held`"] if held else []

    effects = ((MEDIA_UPLOADED, handler.on_media_uploaded), (FEEDBACK_WITHDRAWN, handler.on_feedback_withdrawn))
    consumers = [
        BatchConsumer[Any](service=SERVICE, topic=topic, effect=effect, publisher=publisher, settings=settings)
        for topic, effect in effects
    ]
    async with Retention(store, handler, settings, tidy=checker.tidy).at_work():
        yield Running(
            consumers=consumers,
            checks={"database": lambda: is_up(database), "bucket": bucket.is_up},
            warnings=warnings,
        )
