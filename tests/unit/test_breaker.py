from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.breaker import DeadLetterBreaker


def test_stays_closed_for_few_bad_records_at_the_start() -> None:
    assert not DeadLetterBreaker(share=0.5, window=200).would_open(good=0, bad=10)


def test_opens_when_most_of_the_window_is_bad() -> None:
    breaker = DeadLetterBreaker(share=0.5, window=20)
    breaker.note(good=5, bad=4)
    assert breaker.would_open(good=0, bad=5)


def test_forgets_what_left_the_window() -> None:
    breaker = DeadLetterBreaker(share=0.5, window=10)
    breaker.note(good=0, bad=10)
    breaker.note(good=10, bad=0)
    assert not breaker.would_open(good=4, bad=1)


@given(st.lists(st.integers(1, 50)), st.integers(1, 300), st.floats(0.01, 1))
def test_never_opens_without_a_bad_record(batches: list[int], window: int, share: float) -> None:
    breaker = DeadLetterBreaker(share, window)
    for good in batches:
        assert not breaker.would_open(good, 0)
        breaker.note(good, 0)


@given(st.integers(1, 300), st.floats(0.01, 0.99))
def test_always_opens_when_everything_is_bad(window: int, share: float) -> None:
    assert DeadLetterBreaker(share, window).would_open(0, window)
