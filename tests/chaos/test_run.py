"""A short run: on the trial stack each fault once, on the real servers a few rounds. `make chaos` is the long one."""

from __future__ import annotations

import sys

import pytest

from tests.chaos import embedded, real
from tests.chaos.driver import run
from tests.chaos.embedded import embedded_house
from tests.chaos.plan import planned
from tests.chaos.real import real_house
from tests.chaos.servers import running_servers
from tests.integration.conftest import REAL

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="finds and stops processes in /proc"),
]


@pytest.mark.skipif(REAL, reason="the trial stack always brings its own embedded servers")
async def test_the_trial_stack_loses_doubles_and_leaks_nothing() -> None:
    async with embedded_house() as house:
        result = await run(house, planned(embedded.TARGETS, 3, 45, seed=1))
    assert result.verdict.findings == []
    assert result.verdict.accepted == result.verdict.effects > 0


@pytest.mark.skipif(not REAL, reason="needs Apache Kafka, MinIO and PostgreSQL")
@pytest.mark.usefixtures("strikable")
async def test_the_real_thing_loses_doubles_and_leaks_nothing() -> None:
    async with running_servers() as servers, real_house(servers, "short-") as house:
        result = await run(house, planned(real.TARGETS, 4, 200, seed=1))
    assert result.verdict.findings == []
    assert result.verdict.accepted == result.verdict.effects + result.verdict.dead_lettered > 0
