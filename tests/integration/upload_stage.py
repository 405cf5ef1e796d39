"""What the tests of uploads stand on: a gateway with a bucket of its own, and files to send there."""

from __future__ import annotations

import hashlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from services.gateway.app import running
from services.gateway.integrations import add_integration
from services.gateway.sweeping import sweep
from services.gateway.upload_handlers import Recordings
from services.gateway.upload_store import UploadStore
from shared.bucket import open_bucket
from tests.doubles import RememberingPublisher
from tests.integration.gateway_stage import NOW, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

    from deploy.servers import Stage
    from services.gateway.settings import GatewaySettings
    from shared.objects import ObjectStore
    from shared.publisher import Publisher
    from shared.service import Running

CLIP = bytes(range(256)) * 40
WORDS = b"WEBVTT\n\n00:00.000 --> 00:02.000\nThey listened to my mum.\n"


@pytest.fixture
def publisher() -> RememberingPublisher:
    return RememberingPublisher()


@pytest.fixture
async def key(database: AsyncEngine) -> str:
    return await add_integration(database, "survey", ["Brookvale Hospital"], NOW)


@pytest.fixture
def given(gateway_url: str, stage: Stage) -> GatewaySettings:
    return with_bucket(gateway_url, stage)


@pytest.fixture
async def bucket(given: GatewaySettings) -> ObjectStore:
    return await made_bucket(given)


@pytest.fixture
async def http(
    given: GatewaySettings, bucket: ObjectStore, publisher: RememberingPublisher, key: str
) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway_of(given, publisher, key) as client:
        yield client


def declaration(
    clip: bytes = CLIP,
    captions: bytes | None = None,
    kind: str = "video",
    content_type: str = "video/mp4",
    **changes: Any,
) -> dict[str, Any]:
    """What is sent before files are; nothing in the gateway looks into them."""
    body: dict[str, Any] = {
        "source_id": "film-1",
        "channel": "kiosk",
        "occurred_at": "2026-03-01",
        "about": {"organisation": "Brookvale Hospital"},
        "media": {
            "kind": kind,
            "size": len(clip),
            "sha256": hashlib.sha256(clip).hexdigest(),
            "content_type": content_type,
        },
        "consent": {"quote": True, "bystanders": "nobody", "staff": "agreed"},
    }
    if captions is not None:
        checksum = hashlib.sha256(captions).hexdigest()
        body["captions"] = {"size": len(captions), "sha256": checksum, "content_type": "text/vtt"}
    return body | changes


def with_bucket(url: str, stage: Stage, **given: Any) -> GatewaySettings:
    """Settings with a bucket of the test's own; no sweep unless it is asked for."""
    own: dict[str, Any] = {
        "s3_endpoint": stage.bucket.endpoint,
        "s3_access_key": stage.bucket.access_key,
        "s3_secret_key": stage.bucket.secret_key,
        "s3_bucket": f"test-{uuid4().hex}",
        "media_sweep_interval": 3_600,
    }
    return settings(url, **own | given)


async def made_bucket(given: GatewaySettings) -> ObjectStore:
    """The bucket that the settings name, made as the installation makes it."""
    bucket = open_bucket(given)
    assert bucket is not None
    await bucket.ensure()
    await bucket.keep_versions()
    return bucket


@asynccontextmanager
async def gateway_of(given: GatewaySettings, publisher: Publisher, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that runs as long as the block."""
    async with running(given, publisher) as service, client_of(service, key) as http:
        yield http


def client_of(service: Running, key: str) -> httpx.AsyncClient:
    """A client of a gateway that is at work."""
    assert service.app is not None
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url="http://gateway", headers=headers)


async def upload(form: dict[str, Any], content: bytes, name: str = "film.mp4") -> int:
    """Send a form as curl does; returns the bucket's status."""
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.post(form["url"], data=form["fields"], files={"file": (name, content)})
        return answer.status_code


async def declared(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Declare, and have it taken."""
    answer = await http.post("/v1/media", json=declaration(**changes))
    assert answer.status_code in {200, 201}, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket


async def uploaded(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Declare and upload the clip."""
    ticket = await declared(http, **changes)
    assert await upload(ticket["upload"]["recording"], CLIP) == 201
    return ticket


async def completed(http: httpx.AsyncClient, ticket: dict[str, Any]) -> httpx.Response:
    """Say that it is uploaded."""
    return await http.post(f"/v1/media/{ticket['media_id']}/complete")


async def journey(http: httpx.AsyncClient, ticket: dict[str, Any]) -> dict[str, Any]:
    """What the receipt tells."""
    told: dict[str, Any] = (await http.get(f"/v1/feedback/{ticket['receipt']}")).json()
    return told


async def swept(database: AsyncEngine, given: GatewaySettings, now: datetime) -> None:
    """One turn of the sweeper at that moment."""
    bucket = open_bucket(given)
    assert bucket is not None
    await sweep(Recordings(UploadStore(database), bucket), given, lambda: now)


def said(value: bytes | None) -> dict[str, Any]:
    """A record's value."""
    told: dict[str, Any] = json.loads(value or b"{}")
    return told
