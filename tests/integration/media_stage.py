"""What the media service's tests stand on: its schema on a real PostgreSQL, a real bucket, uploads in quarantine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.media.app import SCHEMA
from services.media.checking import Checker
from services.media.handlers import MediaHandler
from services.media.retention import Retention
from services.media.sandbox import Decoder
from services.media.settings import MediaSettings
from services.media.store import MediaStore
from shared.cloudevents import decode
from shared.consumer import Delivery
from shared.database import engine, migrate
from shared.errors import TransientFault
from shared.events import About, Event, FeedbackSubmitted, FeedbackWithdrawn, Kind, Source, Submitter
from shared.media import MediaChecked, MediaConsent, MediaKind, MediaUploaded, UploadedFile
from shared.objects import ObjectStore
from shared.topics import FEEDBACK_SUBMITTED, MEDIA_CHECKED
from tests import clips
from tests.integration.module_database import module_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.servers import Stage
    from shared.publisher import Record

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ALL_AGREED = MediaConsent(bystanders="nobody", staff="agreed", poster=True)
MODELS: dict[str, type[Event]] = {FEEDBACK_SUBMITTED.name: FeedbackSubmitted, MEDIA_CHECKED.name: MediaChecked}


class Remembering:
    """A publisher that keeps what was sent, and can be away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.away = False

    async def send(self, records: Sequence[Record]) -> None:
        if self.away:
            raise TransientFault("Kafka is away")
        self.events += [decode(MODELS[item.topic], item.value, item.headers) for item in records]


@dataclass
class Media:
    """The service without its consumers: its effects are called, what it publishes is remembered."""

    database: AsyncEngine
    bucket: ObjectStore
    settings: MediaSettings
    scratch: Path
    sent: Remembering = field(default_factory=Remembering)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.store = MediaStore(self.database)
        decoder = Decoder(self.settings.media_decode_memory, self.settings.media_decode_seconds)
        self.checker = Checker(self.bucket, decoder, self.settings)
        self.handler = MediaHandler(self.store, self.bucket, self.checker, self.sent, lambda: self.now)
        self.retention = Retention(
            self.store, self.handler, self.settings, now=lambda: self.now, tidy=self.checker.tidy
        )

    async def uploaded(self, recording: bytes | None, content_type: str = "video/mp4", **given: Any) -> MediaUploaded:
        """Put files into quarantine; the event that says so, which is not handled yet."""
        event = upload(b"-" if recording is None else recording, content_type, **given)
        contents = {"recording": recording, "captions": given.get("captions")}
        for file in event.files:
            if (content := contents[file.role]) is not None:
                await self.put(file.object_key, content, file.content_type)
        return event

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        path = self.scratch / uuid4().hex
        path.write_bytes(content)
        await self.bucket.upload(key, path, content_type)
        path.unlink()

    async def take(self, *events: MediaUploaded) -> None:
        await self.handler.on_media_uploaded([Delivery(event) for event in events])

    async def withdraw(self, *ids: UUID) -> None:
        events = [FeedbackWithdrawn(feedback_id=identity, withdrawn_at=NOW) for identity in ids]
        await self.handler.on_feedback_withdrawn([Delivery(event) for event in events])

    async def check(self, recording: bytes | None, content_type: str = "video/mp4", **given: Any) -> MediaUploaded:
        """Upload and handle."""
        event = await self.uploaded(recording, content_type, **given)
        await self.take(event)
        return event

    def checked(self, event: MediaUploaded) -> list[MediaChecked]:
        return [e for e in self.sent.events if isinstance(e, MediaChecked) and e.media_id == event.media_id]

    def decision(self, event: MediaUploaded) -> tuple[str, str | None]:
        """State and reason, which were told once."""
        (checked,) = self.checked(event)
        return checked.state, checked.reason

    def submitted(self, event: MediaUploaded) -> list[FeedbackSubmitted]:
        wanted = event.feedback.feedback_id
        return [e for e in self.sent.events if isinstance(e, FeedbackSubmitted) and e.feedback_id == wanted]

    async def left(self, event: MediaUploaded, folder: str) -> list[str]:
        """Keys of every version of what is kept in a folder of the upload."""
        return sorted(key for key, _ in await self.bucket.versions(f"{folder}/{event.media_id}/"))

    async def fetched(self, event: MediaUploaded, role: str = "recording") -> bytes:
        path = self.scratch / uuid4().hex
        await self.bucket.download(f"clean/{event.media_id}/{role}", path, most=1 << 30)
        return path.read_bytes()

    async def audit(self, event: MediaUploaded) -> list[tuple[str, int]]:
        statement = text("SELECT action, number FROM audit WHERE media_id = :id ORDER BY id")
        async with self.database.connect() as connection:
            return [tuple(row) for row in await connection.execute(statement, {"id": event.media_id})]


def upload(
    recording: bytes,
    content_type: str = "video/mp4",
    *,
    kind: MediaKind | None = None,
    captions: bytes | None = None,
    captions_type: str = "text/vtt",
    consent: MediaConsent = ALL_AGREED,
    wrong: dict[str, Any] | None = None,
    written: str = "",
    **more: Any,
) -> MediaUploaded:
    """An upload as the gateway tells of it; `wrong` replaces what was declared about the recording."""
    identity = uuid4()
    kinds: dict[str, MediaKind] = {"video": "video", "audio": "audio", "image": "image"}
    files = [_file(identity, "recording", recording, content_type) | (wrong or {})]
    if captions is not None:
        files.append(_file(identity, "captions", captions, captions_type))
    return MediaUploaded(
        media_id=identity,
        kind=kind or kinds.get(content_type.partition("/")[0], "video"),
        feedback=FeedbackSubmitted(
            feedback_id=uuid4(),
            kind=Kind.VIDEO,
            source=Source(integration="survey", channel="website"),
            text=written,
            occurred_at=NOW,
            received_at=NOW,
            about=About(organisation="Riverside Hospitals", service="Emergency department"),
            submitter=Submitter(age_band=more.get("age_band")),
        ),
        files=tuple(UploadedFile.model_validate(file) for file in files),
        consent=consent,
        retention_days=more.get("retention_days", 30),
        uploaded_at=NOW,
    )


def _file(identity: UUID, role: str, content: bytes, content_type: str) -> dict[str, Any]:
    return {
        "role": role,
        "object_key": f"quarantine/{identity}/{role}",
        "size": max(1, len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content_type": content_type,
    }


@pytest.fixture(scope="module")
def media_url(stage: Stage) -> Iterator[str]:
    """The media role's URL, on a database of the module's own."""
    with module_database(stage.database.url, SCHEMA) as url:
        yield url


@pytest.fixture
async def media(stage: Stage, media_url: str, tmp_path: Path) -> AsyncIterator[Media]:
    """The service's effects on the stage's servers, on empty tables and a bucket that keeps versions."""
    database = engine(media_url, SCHEMA)
    await migrate(database, SCHEMA, "services.media:migrations")
    async with database.begin() as connection:
        await connection.execute(text("TRUNCATE media, withdrawn, audit"))
    given = stage.bucket
    bucket = ObjectStore(given.endpoint, given.access_key, given.secret_key, "heed-media-test")
    await bucket.ensure()
    await bucket.keep_versions()
    (tmp_path / "scratch").mkdir()
    settings = MediaSettings(
        database_url=SecretStr(media_url),
        s3_endpoint=given.endpoint,
        s3_access_key=given.access_key,
        s3_secret_key=SecretStr(given.secret_key),
        s3_bucket="heed-media-test",
        media_scratch=tmp_path / "scratch",
    )
    yield Media(database, bucket, settings, tmp_path)
    await database.dispose()


def later(days: float) -> datetime:
    """So many days after `NOW`."""
    return NOW + timedelta(days=days)


__all__ = ["ALL_AGREED", "NOW", "Media", "clips", "later", "media", "media_url", "upload"]
