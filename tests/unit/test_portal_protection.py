"""How often an address may try, and what a page's policy allows."""

from __future__ import annotations

from services.portal.protection import POLICY, REMEMBERED, WINDOW, Limit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_has_so_many_tries_in_a_window_and_others_keep_theirs() -> None:
    clock = Clock()
    limit = Limit(2, clock)
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    assert limit.allows("b")
    clock.now = WINDOW - 1
    assert not limit.allows("a")
    clock.now = WINDOW
    assert limit.allows("a")


def test_tries_that_were_refused_do_not_keep_somebody_out_for_ever() -> None:
    clock = Clock()
    limit = Limit(1, clock)
    for second in range(0, int(WINDOW), 10):
        clock.now = float(second)
        limit.allows("a")
    clock.now = WINDOW
    assert limit.allows("a")


def test_a_crowd_of_addresses_takes_no_more_than_its_room() -> None:
    limit = Limit(1, Clock())
    assert limit.allows("first")
    for number in range(REMEMBERED):
        limit.allows(str(number))
    assert limit.allows("first"), "the one unheard of for longest is forgotten"


def test_no_script_and_nothing_inline_is_allowed() -> None:
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert "script-src" not in POLICY
