"""Schemathesis against the gateway's own description: no 5xx, and answers are what it says; with Kafka away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.servers.ports import free_ports
from services.gateway.app import open_database
from services.gateway.integrations import add_integration
from services.gateway.settings import GatewaySettings
from shared.objects import ObjectStore
from tests.integration.gateway_stage import gateway_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

    from deploy.servers import Stage

__all__ = ["gateway_url"]

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PSEUDONYM_KEY = "for tests only, and long enough for a key"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("POST", "/v1/feedback"),
    ("POST", "/v1/feedback:batch"),
    ("GET", "/v1/feedback/{receipt}"),
    ("DELETE", "/v1/feedback/{receipt}"),
    ("GET", "/v1/receipts/{receipt}"),
    ("DELETE", "/v1/receipts/{receipt}"),
    ("POST", "/v1/media"),
    ("POST", "/v1/media/{media_id}/complete"),
]
START_LIMIT = 60.0
"""Seconds."""


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: object, value: object) -> bytes:
    """A body of many, as text that is sent as it is or as documents that get a line each."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    return "\n".join(json.dumps(each) for each in (value if isinstance(value, list) else [value])).encode()


@pytest.fixture(scope="module")
def address(stage: Stage, gateway_url: str) -> Iterator[str]:
    """A gateway in a process of its own, that no broker answers."""
    port, nobody = free_ports(2)
    held = stage.bucket
    bucket = ObjectStore(held.endpoint, held.access_key, held.secret_key, f"test-{uuid4().hex}")
    asyncio.run(bucket.ensure())
    environment = {
        "PATH": os.environ["PATH"],
        "HEED_HTTP_PORT": str(port),
        "HEED_DATABASE_URL": gateway_url,
        "HEED_PSEUDONYM_KEY": PSEUDONYM_KEY,
        "HEED_KAFKA_BOOTSTRAP": f"127.0.0.1:{nobody}",
        "HEED_S3_ENDPOINT": held.endpoint,
        "HEED_S3_ACCESS_KEY": held.access_key,
        "HEED_S3_SECRET_KEY": held.secret_key,
        "HEED_S3_BUCKET": bucket.bucket,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.gateway"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        assert process.poll() is None, "the gateway ended"
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the gateway does not start"


@pytest.fixture(scope="module")
def key(address: str, gateway_url: str) -> str:
    async def made() -> str:
        database = open_database(
            GatewaySettings(database_url=SecretStr(gateway_url), pseudonym_key=SecretStr(PSEUDONYM_KEY))
        )
        try:
            return await add_integration(database, "survey", (), datetime.now(UTC))
        finally:
            await database.dispose()

    return asyncio.run(made())


@pytest.fixture(scope="module")
def described(address: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


def test_every_operation_is_tried(described: BaseSchema) -> None:
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert {(operation.method.upper(), operation.path) for operation in operations} == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_answer_is_as_described_and_never_a_failure_of_ours(
    described: BaseSchema, key: str, method: str, path: str
) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=described[path][method].as_strategy())
    def holds(case: Case[Any]) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=CHECKS)

    holds()
