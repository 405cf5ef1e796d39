from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.gaps import ATTEMPTS, GapGuard


def test_takes_what_follows_on() -> None:
    assert GapGuard(5).contiguous([5, 6, 7]) == 3


def test_stops_before_a_gap() -> None:
    assert GapGuard(5).contiguous([5, 6, 9]) == 2


def test_takes_nothing_after_a_gap_at_the_start() -> None:
    assert GapGuard(5).contiguous([6, 7]) == 0


def test_replays_count_as_following_on() -> None:
    assert GapGuard(5).contiguous([3, 4, 5]) == 3


def test_believes_a_gap_in_the_end() -> None:
    guard = GapGuard(5)
    assert [guard.contiguous([6]) for _ in range(ATTEMPTS + 1)] == [0] * ATTEMPTS + [1]


@given(st.lists(st.integers(0, 40), unique=True).map(sorted), st.integers(0, 40))
def test_never_skips_an_offset_unseen(offsets: list[int], expected: int) -> None:
    taken = offsets[: GapGuard(expected).contiguous(offsets)]
    seen = set(range(expected)) | set(taken)
    assert all(earlier in seen for last in taken for earlier in range(last))
