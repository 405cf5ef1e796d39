"""Plans deal every fault, and the same ones for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos import embedded, real
from tests.chaos.plan import Targets, planned


@pytest.mark.parametrize(("targets", "rounds"), [(real.TARGETS, 20), (real.TARGETS, 17), (embedded.TARGETS, 3)])
@pytest.mark.parametrize("seed", range(20))
def test_every_fault_strikes_and_no_round_strikes_twice_at_the_same(targets: Targets, rounds: int, seed: int) -> None:
    plan = planned(targets, rounds, 100, seed)
    struck = Counter((fault.target, fault.kind) for each in plan.rounds for fault in each.faults)
    assert struck.keys() == {(target, kind) for target, kinds in targets.items() for kind in kinds}
    assert all(len({fault.target for fault in each.faults}) == len(each.faults) for each in plan.rounds)
    assert sum(each.submissions for each in plan.rounds) == 100


def test_a_seed_is_a_plan() -> None:
    assert planned(real.TARGETS, 5, 10, 1) == planned(real.TARGETS, 5, 10, 1) != planned(real.TARGETS, 5, 10, 2)
