"""`heed deliveries`: what is dead is listed without what opens it, and tried again on demand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from services.portal.webhook import Webhooks, webhook_client
from services.portal.webhook_targets import Targets
from tests.integration.conftest import ONCE_ONLY
from tests.integration.delivery_stage import LOOPBACK, SAM, Deliveries
from tests.integration.test_cli_databases import installed, shell
from tests.unit.subscription_samples import page

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, ONCE_ONLY]


async def test_dead_deliveries_are_listed_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with installed(tmp_path, "portal") as database, webhook_client() as client:
        deliveries = Deliveries(database, Webhooks(Targets(LOOPBACK), client))
        await deliveries.subscribe("http://127.0.0.1:9/private")
        await deliveries.publish(page())
        for _ in range(deliveries.retries.attempts):
            await deliveries.sender().turn()
            deliveries.clock.forward(seconds=30)
    there = ("--data-dir", str(tmp_path))
    assert await shell("deliveries", "list", "--json", *there) == 0
    told = capsys.readouterr().out
    row = json.loads(told)
    assert (row["owner"], row["to"], row["reason"]) == (SAM.subject, "127.0.0.1/…", "not_connected")
    assert "private" not in told
    assert await shell("deliveries", "replay", *there) == 2
    assert await shell("deliveries", "replay", str(uuid4()), *there) == 2
    assert await shell("deliveries", "replay", row["delivery"], *there) == 0
    assert await shell("deliveries", "list", *there) == 0
    assert capsys.readouterr().out.endswith("1 tried again\nnone is dead\n")
