"""The bucket's own word that files were uploaded: a reason to look, from the bucket alone."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig
from pydantic import SecretStr

from deploy.servers import Stage
from services.gateway.app import running
from shared.topics import MEDIA_UPLOADED
from tests.doubles import RememberingPublisher
from tests.integration.gateway_stage import database, gateway_url, rows, until
from tests.integration.line import line_to_http
from tests.integration.upload_stage import (
    CLIP,
    WORDS,
    bucket,
    client_of,
    completed,
    declared,
    gateway_of,
    given,
    journey,
    key,
    made_bucket,
    publisher,
    upload,
    uploaded,
    with_bucket,
)
from tests.servers import minio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from sqlalchemy.ext.asyncio import AsyncEngine

    from services.gateway.settings import GatewaySettings
    from shared.objects import ObjectStore
    from shared.service import Running

__all__ = ["bucket", "database", "gateway_url", "given", "key", "publisher"]

pytestmark = pytest.mark.integration

TOKEN = "t" * 32
PATH = "/v1/media/notifications"
EVENTS = f"SELECT count(*) FROM outbox WHERE topic = '{MEDIA_UPLOADED.name}'"  # noqa: S608 - our own name


TO_US = NotificationConfig(
    queue_config_list=[
        QueueConfig(
            queue="arn:minio:sqs::HEED:webhook",
            events=["s3:ObjectCreated:*"],
            prefix_filter_rule=PrefixFilterRule("quarantine/"),
        )
    ]
)


@pytest.fixture
async def http(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> AsyncIterator[httpx.AsyncClient]:
    listening = given.model_copy(update={"media_notification_token": SecretStr(TOKEN)})
    async with gateway_of(listening, publisher, key) as client:
        yield client


def notification(*keys: str) -> dict[str, Any]:
    """As MinIO words it."""
    records = [
        {"eventName": "s3:ObjectCreated:Post", "s3": {"bucket": {"name": "heed-media"}, "object": {"key": key}}}
        for key in keys
    ]
    return {"EventName": "s3:ObjectCreated:Post", "Key": f"heed-media/{keys[0]}", "Records": records}


def of(ticket: dict[str, Any], role: str = "recording") -> str:
    return f"quarantine%2F{ticket['media_id']}%2F{role}"


async def told(http: httpx.AsyncClient, *keys: str, token: str = TOKEN) -> httpx.Response:
    return await http.post(PATH, json=notification(*keys), headers={"Authorization": f"Bearer {token}"})


async def test_a_recording_is_complete_when_its_last_file_is_there(
    http: httpx.AsyncClient, database: AsyncEngine
) -> None:
    ticket = await declared(http, captions=WORDS)
    await upload(ticket["upload"]["recording"], CLIP)
    assert (await told(http, of(ticket))).json() == {"complete": 0}
    await upload(ticket["upload"]["captions"], WORDS)
    assert (await told(http, of(ticket, "captions"), of(ticket))).json() == {"complete": 1}
    assert (await journey(http, ticket))["media"]["state"] == "uploaded"
    assert (await completed(http, ticket)).status_code == 202, "the sender may say so, too"
    assert (await told(http, of(ticket))).json() == {"complete": 1}
    assert await rows(database, EVENTS) == [(1,)]


async def test_what_a_notification_says_is_not_believed(http: httpx.AsyncClient, database: AsyncEngine) -> None:
    ticket = await declared(http)
    others = ["quarantine/x/recording", "clean/1/recording", of(ticket) + "%2F..", "quarantine/../../etc/passwd"]
    unknown = "quarantine/00000000-0000-5000-8000-000000000000/recording"
    assert (await told(http, of(ticket), unknown, *others)).json() == {"complete": 0}
    assert await rows(database, EVENTS) == [(0,)]


@pytest.mark.parametrize("token", ["", "wrong", "t" * 31, "é" * 32])
async def test_only_the_bucket_may_tell(http: httpx.AsyncClient, database: AsyncEngine, token: str) -> None:
    ticket = await uploaded(http)
    headers = [(b"Authorization", f"Bearer {token}".encode("latin-1"))]
    answer = await http.post(PATH, json=notification(of(ticket)), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    senders_own = await http.post(PATH, json=notification(of(ticket)))
    assert senders_own.status_code == 401
    assert await rows(database, EVENTS) == [(0,)]


async def test_without_a_token_there_is_nothing_here(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> None:
    async with gateway_of(given, publisher, key) as http:
        assert (await told(http, "quarantine/x/recording")).status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"\xff", 400), (b'{"Records": [{}]}', 422), (b"[]", 422), (b"x" * 300_000, 413), (b"{}", 200)],
)
async def test_what_is_no_notification_is_refused(http: httpx.AsyncClient, content: bytes, status: int) -> None:
    answer = await http.post(PATH, content=content, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == status


async def test_a_bucket_that_is_away_is_to_tell_again(
    gateway_url: str, stage: Stage, database: AsyncEngine, publisher: RememberingPublisher, key: str
) -> None:
    async with line_to_http(stage.bucket.endpoint) as (line, endpoint):
        here = {"s3_endpoint": endpoint, "s3_public_endpoint": stage.bucket.endpoint}
        given = with_bucket(gateway_url, stage, media_notification_token=TOKEN, **here)
        await made_bucket(given)
        async with gateway_of(given, publisher, key) as http:
            ticket = await uploaded(http)
            await line.cut()
            assert (await told(http, of(ticket))).status_code == 503
            await line.mend()
            assert (await told(http, of(ticket))).json() == {"complete": 1}


@asynccontextmanager
async def serving(service: Running, listening: socket.socket) -> AsyncIterator[None]:
    assert service.app is not None
    server = uvicorn.Server(uvicorn.Config(service.app, log_config=None, access_log=False))
    task = asyncio.create_task(server.serve([listening]))
    await until(lambda: server.started)
    yield
    server.should_exit = True
    await task


@pytest.mark.skipif(
    os.environ.get("HEED_TEST_STAGE") != "real" or bool(minio.missing()), reason="needs MinIO: HEED_TEST_STAGE=real, go"
)
async def test_minio_tells_of_uploads_itself(
    gateway_url: str, stage: Stage, database: AsyncEngine, key: str, tmp_path: Path
) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        webhook = {
            "MINIO_NOTIFY_WEBHOOK_ENABLE_HEED": "on",
            "MINIO_NOTIFY_WEBHOOK_ENDPOINT_HEED": f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}",
            "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_HEED": f"Bearer {TOKEN}",
            "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_HEED": str(tmp_path / "queue"),
        }
        async with minio.running_minio(tmp_path, webhook) as server:
            given = with_bucket(
                gateway_url, Stage(stage.broker, server, stage.database), media_notification_token=TOKEN
            )
            bucket = await made_bucket(given)
            async with (
                running(given, RememberingPublisher()) as service,
                serving(service, listening),
                client_of(service, key) as http,
            ):
                await asyncio.to_thread(bucket._client.set_bucket_notification, bucket.bucket, TO_US)
                ticket = await uploaded(http)

                async def handed_on() -> bool:
                    return bool((await journey(http, ticket))["media"]["state"] == "uploaded")

                await until(handed_on, seconds=30)
                assert await rows(database, EVENTS) == [(1,)]
