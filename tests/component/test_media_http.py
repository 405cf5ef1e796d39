"""The HTTP side of recordings with a store in memory: what is refused before it costs anything, and how it is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.api import build_app
from services.gateway.handlers import Gateway
from services.gateway.integrations import Integration, Keys
from services.gateway.openapi import RECORDING_EXAMPLE
from services.gateway.pseudonyms import Pseudonyms
from services.gateway.settings import GatewaySettings
from services.gateway.store import FeedbackStore
from services.gateway.upload_handlers import Recordings
from services.gateway.upload_store import Declared, UploadStore
from services.gateway.uploads import PreparedUpload
from shared.objects import ObjectStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RECEIPT = "abcdefghijklmnopqrstuvwx"
BODY: dict[str, Any] = RECORDING_EXAMPLE["value"]
JSON = {"Content-Type": "application/json"}


class KnownKeys:
    """One key works."""

    async def owner(self, key: str) -> Integration | None:
        return Integration("survey", (), NOW) if key == "right" else None


@dataclass
class MemoryUploads:
    """Takes everything down as new."""

    taken: list[PreparedUpload] = field(default_factory=list)

    async def declare(self, _integration: str, given: PreparedUpload, _until: datetime, _now: datetime) -> Declared:
        self.taken.append(given)
        return Declared(RECEIPT, "waiting_for_upload", is_new=True)

    async def find(self, _integration: str, _media: UUID) -> None:
        return None


def client(store: MemoryUploads | None = None, **limits: Any) -> httpx.AsyncClient:
    """A gateway whose bucket is nowhere: making a form does not need it."""
    bucket = ObjectStore("http://127.0.0.1:1", "key", "secret-key", "heed-media")
    gateway = Gateway(
        GatewaySettings(database_url="postgresql://nowhere", pseudonym_key="k" * 32, **limits),
        cast("Keys", KnownKeys()),
        cast("FeedbackStore", None),
        Pseudonyms(b"k" * 32),
        lambda: NOW,
        lambda: None,
        Recordings(cast("UploadStore", store or MemoryUploads()), bucket),
    )

    async def readiness() -> dict[str, bool]:
        return {}

    transport = httpx.ASGITransport(build_app(gateway, readiness))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers={"Authorization": "Bearer right"})


async def test_the_example_of_openapi_is_taken_and_answered_as_described() -> None:
    async with client() as http:
        document = (await http.get("/openapi.json")).json()
        content = document["paths"]["/v1/media"]["post"]["requestBody"]["content"]["application/json"]
        answer = await http.post("/v1/media", json=content["examples"]["video"]["value"])
    assert answer.status_code == 201
    assert answer.json().keys() == {"media_id", "receipt", "state", "expires_at", "upload"}
    assert answer.json()["upload"].keys() == {"recording", "captions"}
    assert answer.headers["location"] == f"/v1/feedback/{RECEIPT}"
    assert answer.headers["cache-control"] == "no-store"
    described = document["components"]["schemas"]["TicketAnswer"]["properties"]
    assert answer.json().keys() <= described.keys()
    assert document["paths"]["/v1/media"]["post"]["security"] == [{"HTTPBearer": []}]


async def test_a_form_ends_when_its_lifetime_does() -> None:
    began = datetime.now(UTC)
    async with client(media_form_lifetime=60) as http:
        ends = datetime.fromisoformat((await http.post("/v1/media", json=BODY)).json()["expires_at"])
    assert 58 <= (ends - began).total_seconds() <= 70


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
        ({**JSON, "Content-Encoding": "gzip"}, b"{}", 415),
        (JSON, b"x" * (512 * 1024 + 1), 413),
        (JSON, b'{"media":', 400),
        (JSON, b"\xff", 400),
        (JSON, b"[]", 422),
    ],
)
async def test_what_is_no_declaration_is_refused(headers: dict[str, str], content: bytes, status: int) -> None:
    store = MemoryUploads()
    async with client(store) as http:
        answer = await http.post("/v1/media", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert store.taken == []


async def test_ten_gigabytes_are_refused_with_the_limit() -> None:
    async with client() as http:
        answer = await http.post("/v1/media", json={**BODY, "media": {**BODY["media"], "size": 10 * 1024**3}})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "media.size", "problem": f"must be at most {2 * 1024**3}"}]


async def test_other_methods_are_refused() -> None:
    async with client() as http:
        for path in ("/v1/media", f"/v1/media/{UUID(int=1)}/complete"):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NEAR = st.dictionaries(st.sampled_from([*BODY, "text", "kind", "name"]), JSON_VALUES, max_size=3).map(
    lambda changes: {**BODY, **changes}
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(JSON_VALUES | NEAR)
def test_no_json_causes_a_failure_of_ours(value: Any) -> None:
    async def declare() -> httpx.Response:
        async with client() as http:
            return await http.post("/v1/media", content=json.dumps(value).encode(), headers=JSON)

    assert asyncio.run(declare()).status_code in {201, 400, 422}


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_id_causes_a_failure_of_ours(identity: str) -> None:
    async def complete() -> httpx.Response:
        async with client() as http:
            path = "".join(f"%{byte:02x}" for byte in identity.encode("utf-8", "surrogatepass"))
            return await http.post(f"/v1/media/{path}/complete")

    assert asyncio.run(complete()).status_code in {404, 405}
