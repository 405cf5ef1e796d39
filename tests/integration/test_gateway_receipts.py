"""A receipt by itself, over HTTP on a real PostgreSQL: what its holder sees, and takes back, without a key."""

from __future__ import annotations

import logging
import secrets
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest

from services.gateway.integrations import add_integration, revoke_integration
from services.gateway.store import FeedbackStore
from shared.events import FeedbackSummarised
from shared.topics import FEEDBACK_WITHDRAWN
from tests.integration.gateway_stage import COMMENT, NOW, database, gateway_url, rows, settings, until
from tests.integration.test_gateway_service import (
    address,
    http,
    key,
    publisher,
    reading,
    receipt_of,
    submitting,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.doubles import RememberingPublisher

__all__ = ["address", "database", "gateway_url", "http", "key", "publisher"]

pytestmark = pytest.mark.integration

NOT_ONE = ["x", "%00" * 24, "a" * 23, "a" * 25, "é" * 24, "a" * 5_000, "..%2f" * 5, "'%20OR%201=1--%20aaaaaaaaaa"]


@pytest.fixture
async def patient(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key."""
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        yield client


async def test_a_receipt_tells_how_far_and_nothing_of_who_or_what(
    http: httpx.AsyncClient, patient: httpx.AsyncClient, database: AsyncEngine
) -> None:
    receipt = await receipt_of(http)
    received = (await patient.get(f"/v1/receipts/{receipt}")).json()
    assert received.keys() == {"state", "received_at"}
    assert received["state"] == "received"
    one = UUID((await http.get(f"/v1/feedback/{receipt}")).json()["feedback_id"])
    store = FeedbackStore(database)
    await store.mark_read([reading(one, {**COMMENT, "occurred_at": NOW, "received_at": NOW})])
    told = FeedbackSummarised(
        team_id="maternity", period=date(2026, 3, 1), revision=1, feedback_ids=(one,), summarised_at=NOW
    )
    await store.mark_summarised([told])
    answer = await patient.get(f"/v1/receipts/{receipt}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "state": "summarised",
        "received_at": received["received_at"],
        "read_at": "2026-06-01T12:01:00Z",
        "summarised": [{"team_id": "maternity", "period": "2026-03-01"}],
    }
    for hidden in (str(one), "survey", "nurses", receipt):
        assert hidden not in answer.text


async def test_a_recording_tells_its_state_and_reason(
    http: httpx.AsyncClient, patient: httpx.AsyncClient, database: AsyncEngine
) -> None:
    receipt = await receipt_of(http)
    await rows_changed(
        database,
        "INSERT INTO media (media_id, feedback_id, state, reason, declared_at, forms_until) "
        "SELECT gen_random_uuid(), feedback_id, 'rejected', 'too_long', now(), now() FROM feedback",
    )
    assert (await patient.get(f"/v1/receipts/{receipt}")).json()["media"] == {"state": "rejected", "reason": "too_long"}


async def test_a_holder_takes_it_back_as_the_integration_would(
    http: httpx.AsyncClient, patient: httpx.AsyncClient, publisher: RememberingPublisher, database: AsyncEngine
) -> None:
    receipt = await receipt_of(http)
    first = await patient.delete(f"/v1/receipts/{receipt}")
    again = await patient.delete(f"/v1/receipts/{receipt}")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first.json().keys() == {"state", "withdrawn_at"}
    for journey in (await patient.get(f"/v1/receipts/{receipt}"), await http.get(f"/v1/feedback/{receipt}")):
        assert journey.json()["state"] == "withdrawn"
        assert journey.json()["withdrawn_at"] == first.json()["withdrawn_at"]
    assert (await http.delete(f"/v1/feedback/{receipt}")).json()["withdrawn_at"] == first.json()["withdrawn_at"]
    assert (await http.post("/v1/feedback", json=COMMENT)).status_code == 409
    assert await rows(database, "SELECT count(*) FROM outbox WHERE event ? 'text'") == [(0,)]

    async def told() -> bool:
        return len(publisher.on(FEEDBACK_WITHDRAWN.name)) == 1

    await until(told)


async def test_taking_back_wakes_the_relay_and_harms_no_neighbour(
    gateway_url: str, database: AsyncEngine, key: str, publisher: RememberingPublisher
) -> None:
    async with submitting(settings(gateway_url, relay_poll=600), publisher, key) as http:
        one, other = await receipt_of(http), await receipt_of(http, source_id="2")
        del http.headers["Authorization"]
        await http.delete(f"/v1/receipts/{one}")

        async def told() -> bool:
            return len(publisher.on(FEEDBACK_WITHDRAWN.name)) == 1

        await until(told)
        assert (await http.get(f"/v1/receipts/{other}")).json()["state"] == "received"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_is_no_receipt_is_answered_as_one_that_nobody_has(
    http: httpx.AsyncClient, patient: httpx.AsyncClient, database: AsyncEngine, method: str
) -> None:
    await receipt_of(http)
    unknown = await patient.request(method, f"/v1/receipts/{secrets.token_urlsafe(18)}")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    for receipt in NOT_ONE:
        answer = await patient.request(method, f"/v1/receipts/{receipt}")
        assert answer.status_code == 404, receipt
        if "/" not in httpx.URL(f"/{receipt}").path[1:]:
            assert answer.json() == unknown.json(), receipt
    assert await rows(database, "SELECT count(*) FROM feedback WHERE withdrawn_at IS NOT NULL") == [(0,)]


async def test_a_revoked_key_leaves_the_receipt_to_its_holder(
    patient: httpx.AsyncClient, database: AsyncEngine
) -> None:
    key = await add_integration(database, "gone", [], NOW)
    answer = await patient.post("/v1/feedback", json=COMMENT, headers={"Authorization": f"Bearer {key}"})
    receipt = answer.json()["receipt"]
    await revoke_integration(database, "gone", NOW)
    assert (await patient.delete(f"/v1/receipts/{receipt}")).status_code == 202


async def test_no_log_line_has_the_receipt(
    http: httpx.AsyncClient, patient: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = await receipt_of(http)
    with caplog.at_level(logging.DEBUG, "services"), caplog.at_level(logging.DEBUG, "shared"):
        await patient.get(f"/v1/receipts/{receipt}")
        await patient.delete(f"/v1/receipts/{receipt}")
    assert receipt not in caplog.text


async def rows_changed(database: AsyncEngine, statement: str) -> None:
    async with database.begin() as connection:
        await connection.exec_driver_sql(statement)
