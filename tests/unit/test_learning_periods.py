from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learning.periods import (
    REMEMBERED,
    PeriodKind,
    closes_at,
    earliest,
    following,
    period_of,
    start_of,
)

KINDS: tuple[PeriodKind, ...] = ("week", "month", "quarter")


@pytest.mark.parametrize(
    ("moment", "kind", "first"),
    [
        (datetime(2026, 6, 30, 22, 59, tzinfo=UTC), "month", date(2026, 6, 1)),
        (datetime(2026, 6, 30, 23, 1, tzinfo=UTC), "month", date(2026, 7, 1)),
        (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), "month", date(2026, 1, 1)),
        (datetime(2026, 6, 30, 23, 1, tzinfo=UTC), "quarter", date(2026, 7, 1)),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), "quarter", date(2026, 10, 1)),
        (datetime(2026, 6, 28, 22, 59, tzinfo=UTC), "week", date(2026, 6, 22)),
        (datetime(2026, 6, 28, 23, 1, tzinfo=UTC), "week", date(2026, 6, 29)),
        (datetime(2027, 1, 2, 12, tzinfo=UTC), "week", date(2026, 12, 28)),
    ],
)
def test_a_period_ends_by_the_clock_of_london(moment: datetime, kind: PeriodKind, first: date) -> None:
    assert period_of(moment, kind) == first


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)), kind=st.sampled_from(KINDS))
def test_periods_join_without_gap_or_overlap(day: date, kind: PeriodKind) -> None:
    start = start_of(day, kind)
    after = following(start, kind)

    assert start <= day < after
    assert start_of(start, kind) == start
    assert start_of(after - timedelta(days=1), kind) == start
    assert start_of(after, kind) == after


@given(day=st.dates(date(2010, 1, 1), date(2100, 1, 1)), kind=st.sampled_from(KINDS))
def test_a_page_looks_back_on_so_many_periods(day: date, kind: PeriodKind) -> None:
    start = start_of(day, kind)
    step = earliest(start, kind)
    for _ in range(REMEMBERED[kind]):
        step = following(step, kind)

    assert step == start


def test_a_period_closes_some_time_after_its_last_midnight_in_london() -> None:
    assert closes_at(date(2026, 6, 1), "month", timedelta(days=7)) == datetime(2026, 7, 7, 23, tzinfo=UTC)
