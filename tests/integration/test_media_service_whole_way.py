"""A film's whole way: uploaded by plain HTTP, cleaned, read into themes with time codes, withdrawn, gone; on Kafka."""

from __future__ import annotations

import asyncio
import io
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import av
import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from services.analysis.app import running as running_analysis
from services.analysis.settings import AnalysisSettings
from services.gateway.app import running as running_gateway
from services.gateway.integrations import add_integration
from services.gateway.settings import GatewaySettings
from services.media.app import running as running_media
from services.media.settings import MediaSettings
from shared.cloudevents import decode
from shared.database import engine
from shared.events import Event, FeedbackAnalysed
from shared.media import MediaChecked
from shared.objects import ObjectStore
from shared.service import Running, at_work
from shared.topics import FEEDBACK_ANALYSED, MEDIA_CHECKED
from tests import clips
from tests.integration.upload_stage import client_of, completed, declaration, journey, upload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from deploy.servers import Stage
    from shared.publisher import KafkaPublisher
    from shared.settings import ServiceSettings
    from tests.integration.conftest import DatabaseUrl

pytestmark = pytest.mark.integration

KIND = "The nurses on the ward were very kind to my mother and explained every single step to us. "
WAITED = "Then we waited four hours in the corridor until a doctor saw us, far too long a wait. "
STORY = [(number * 0.3, (number + 1) * 0.3, KIND if number < 14 else WAITED) for number in range(20)]
"""For four seconds all is well, then they wait."""

ABOUT = {"organisation": "Riverside Hospitals", "service": "Emergency department"}


@dataclass
class House:
    """Everything at work, and ways to look at it."""

    http: httpx.AsyncClient
    bucket: ObjectStore
    settings: ServiceSettings
    media: Running
    seen: dict[str, list[Any]] = field(default_factory=dict)

    async def watch(self) -> None:
        models: dict[str, type[Event]] = {FEEDBACK_ANALYSED.name: FeedbackAnalysed, MEDIA_CHECKED.name: MediaChecked}
        async with AIOKafkaConsumer(
            *(self.settings.kafka_prefix + name for name in models),
            bootstrap_servers=self.settings.kafka_bootstrap,
            auto_offset_reset="earliest",
        ) as consumer:
            async for record in consumer:
                name = record.topic.removeprefix(self.settings.kafka_prefix)
                self.seen.setdefault(name, []).append(decode(models[name], record.value, record.headers))

    async def state(self, ticket: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = (await journey(self.http, ticket))["media"]
        return told

    async def stands_at(self, ticket: dict[str, Any], state: str) -> None:
        async def there() -> bool:
            return bool((await self.state(ticket))["state"] == state)

        await until(there, 60)


@pytest.fixture
async def house(
    stage: Stage, kafka: ServiceSettings, publisher: KafkaPublisher, database_url: DatabaseUrl
) -> AsyncIterator[House]:
    given = kafka.model_dump(exclude_unset=True)
    urls = {name: SecretStr(await database_url(name)) for name in ("gateway", "media")}
    held = stage.bucket
    bucket = ObjectStore(held.endpoint, held.access_key, held.secret_key, f"test-{uuid4().hex}")
    await bucket.ensure()
    s3: dict[str, Any] = {
        "s3_endpoint": held.endpoint,
        "s3_access_key": held.access_key,
        "s3_secret_key": SecretStr(held.secret_key),
        "s3_bucket": bucket.bucket,
    }
    media = MediaSettings(database_url=urls["media"], **s3, **given)
    gateway = GatewaySettings(
        database_url=urls["gateway"], pseudonym_key=SecretStr("k" * 32), relay_poll=0.05, **s3, **given
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(at_work(running_analysis, AnalysisSettings(**given), publisher))
        at_media = await stack.enter_async_context(at_work(running_media, media, publisher))
        at_gateway = await stack.enter_async_context(at_work(running_gateway, gateway, publisher))
        database = engine(urls["gateway"].get_secret_value(), "gateway", pool_size=1)
        key = await add_integration(database, "kiosk", (), datetime.now(UTC))
        await database.dispose()
        http = await stack.enter_async_context(client_of(at_gateway, key))
        house = House(http, bucket, kafka, at_media)
        watching = asyncio.create_task(house.watch())
        yield house
        watching.cancel()


async def sent(house: House, film: bytes, **changes: Any) -> dict[str, Any]:
    """A film as an integration sends it: declared, uploaded with the bucket's own form, completed."""
    answer = await house.http.post("/v1/media", json=declaration(film, about=ABOUT, **changes))
    assert answer.status_code == 201, answer.text
    ticket: dict[str, Any] = answer.json()
    assert await upload(ticket["upload"]["recording"], film) == 201
    assert (await completed(house.http, ticket)).status_code == 202
    return ticket


async def test_a_film_from_its_upload_to_a_theme_and_to_its_end(house: House, tmp_path: Path) -> None:
    film = clips.mp4(words=STORY)
    ticket = await sent(house, film)
    await house.stands_at(ticket, "accepted")

    await house.bucket.download(f"clean/{ticket['media_id']}/recording", tmp_path / "clean", most=1 << 30)
    clean = (tmp_path / "clean").read_bytes()
    assert not any(trace in clean for trace in clips.TRACES)
    with av.open(io.BytesIO(film), "r") as before, av.open(io.BytesIO(clean), "r") as after:
        assert [one.codec_context.name for one in after.streams] == [one.codec_context.name for one in before.streams]

    await until(lambda: bool(house.seen.get(FEEDBACK_ANALYSED.name)), 60)
    (read,) = house.seen[FEEDBACK_ANALYSED.name]
    assert [(film.media_id, film.stored) for film in read.media] == [(ticket["media_id"], True)]
    assert (read.segments[0].start_seconds, read.segments[-1].end_seconds) == (0.0, 6.0)
    waited = [part.start_seconds for part in read.segments if "Timeliness of care" in [t.name for t in part.themes]]
    assert waited[0] == pytest.approx(4.2, abs=0.05), "the theme points to where that was said"

    async def counted() -> bool:
        return bool((await journey(house.http, ticket))["state"] != "received")

    await until(counted, 60)
    assert (await house.http.delete(f"/v1/feedback/{ticket['receipt']}")).status_code == 202
    await house.stands_at(ticket, "erased")
    for folder in ("quarantine", "clean"):
        assert await house.bucket.versions(f"{folder}/{ticket['media_id']}/") == []


@pytest.mark.parametrize(
    ("kind", "content_type", "made"),
    [
        ("video", "video/webm", lambda: clips.webm(words=())),
        ("audio", "audio/mpeg", clips.sound),
        ("image", "image/jpeg", clips.photo),
    ],
    ids=["webm", "mp3", "jpeg"],
)
async def test_other_recordings_go_the_same_way_to_the_same_end(
    house: House, tmp_path: Path, kind: str, content_type: str, made: Callable[[], bytes]
) -> None:
    content = made()
    assert any(trace in content for trace in clips.TRACES), "there is something to be cleaned"
    ticket = await sent(house, content, kind=kind, content_type=content_type)
    await house.stands_at(ticket, "accepted")

    await house.bucket.download(f"clean/{ticket['media_id']}/recording", tmp_path / "clean", most=1 << 30)
    clean = (tmp_path / "clean").read_bytes()
    assert not any(trace in clean for trace in clips.TRACES)
    await until(lambda: bool(house.seen.get(FEEDBACK_ANALYSED.name)), 60)

    assert (await house.http.delete(f"/v1/feedback/{ticket['receipt']}")).status_code == 202
    await house.stands_at(ticket, "erased")
    for folder in ("quarantine", "clean"):
        assert await house.bucket.versions(f"{folder}/{ticket['media_id']}/") == []


async def test_what_is_no_film_is_told_on_the_receipt_and_the_service_lives_on(house: House) -> None:
    bad = await sent(house, clips.zipped())
    await house.stands_at(bad, "rejected")
    assert (await house.state(bad))["reason"] == "wrong_type"
    assert await house.bucket.versions(f"quarantine/{bad['media_id']}/") == []
    good = await sent(house, clips.mp4(words=(), seconds=1.0), source_id="film-2")
    await house.stands_at(good, "accepted")
    await until(lambda: bool(house.seen.get(FEEDBACK_ANALYSED.name)), 60)
    (read,) = house.seen[FEEDBACK_ANALYSED.name]
    assert read.segments == ()
    assert all((await house.media.readiness()).values())
