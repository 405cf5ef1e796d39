"""The checker finds the bugs that it is there for, and calls no working service guilty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.driver import run
from tests.chaos.mutants import launching
from tests.chaos.plan import Fault, Kind, Plan, Round
from tests.chaos.real import real_house
from tests.chaos.verdict import Wrong
from tests.integration.conftest import REAL

if TYPE_CHECKING:
    from tests.chaos.servers import Servers

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not REAL, reason="needs a broker that remembers what was committed: Apache Kafka"),
]

PLAN = Plan(
    seed=1,
    rounds=(
        Round(
            submissions=60,
            faults=(
                Fault("analysis-1", Kind.KILL, after=1.5, lasts=0.0),
                Fault("analysis-2", Kind.KILL, after=2.5, lasts=0.0),
                Fault("learning", Kind.KILL, after=3.0, lasts=0.0),
            ),
        ),
    ),
    patience=60.0,
)
"""A kill for every reader while it has a batch in hand."""


@pytest.mark.parametrize(
    ("bug", "kinds"),
    [
        ("none", set()),
        ("ack-first", {Wrong.LOST}),
        ("commit-before-effect", {Wrong.LOST}),
        ("counted-twice", {Wrong.DOUBLED}),
    ],
)
async def test_a_planted_bug_is_found(bug: str, kinds: set[Wrong], servers: Servers) -> None:
    async with real_house(servers, f"{bug}-", launching(bug)) as house:
        result = await run(house, PLAN)
    assert {kind for kind, _ in result.verdict.findings} >= kinds
    assert result.passed == (not kinds)
