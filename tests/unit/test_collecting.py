"""Python's collector at work: seldom, and not among what a service starts with."""

from __future__ import annotations

import gc

from shared.service import COLLECT_AFTER, seldom_collecting


def test_the_collector_looks_seldom_while_a_service_is_at_work_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    with seldom_collecting(), seldom_collecting():
        assert gc.get_threshold() == (COLLECT_AFTER, *before[1:])
        assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() < 10_000
