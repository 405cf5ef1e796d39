from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.formats.dates import EARLIEST, NONE, FileDates, readings

TODAY = date(2026, 11, 22)


def resolved(*texts: str, series: str = "one", today: date = TODAY) -> list[str]:
    dates = FileDates(today)
    for text in texts:
        dates.add(series, text)
    return [date.fromordinal(ordinal).isoformat() if ordinal else "" for ordinal in dates.resolve()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-04-15", "2022-04-15"),
        ("2022-04-15T09:30:00Z", "2022-04-15"),
        ("15/04/2022", "2022-04-15"),
        ("4/15/2022", "2022-04-15"),
        ("15.4.2022", "2022-04-15"),
        ("15-04-22", "2022-04-15"),
        ("15/04/2022 09:30", "2022-04-15"),
        ("15/04/2022 9:30:00 AM", "2022-04-15"),
        ("15 April 2022", "2022-04-15"),
        ("15-Apr-22", "2022-04-15"),
        ("\u00a015/04/2022 ", "2022-04-15"),
        ("29/02/2024", "2024-02-29"),
    ],
)
def test_a_date_with_one_meaning(text: str, expected: str) -> None:
    assert resolved(text) == [expected]


@pytest.mark.parametrize(
    "text", ["", "yesterday", "31/02/2022", "29/02/2023", "13/13/2022", "44663", "1/2", "0/1/2022"]
)
def test_what_is_no_date(text: str) -> None:
    assert readings(text) == (NONE, NONE)
    assert resolved(text) == [""]


def test_alone_an_ambiguous_date_reads_day_first() -> None:
    assert resolved("03/04/2022") == ["2022-04-03"]


def test_ambiguous_dates_follow_a_month_first_run() -> None:
    assert resolved("4/29/2022", "05/02/2022", "05/04/2022", "5/13/2022") == [
        "2022-04-29",
        "2022-05-02",
        "2022-05-04",
        "2022-05-13",
    ]


def test_ambiguous_dates_follow_a_day_first_run() -> None:
    assert resolved("29/04/2022", "02/05/2022", "04/05/2022", "13/05/2022")[1:3] == ["2022-05-02", "2022-05-04"]


def test_runs_of_both_orders_in_one_series() -> None:
    assert resolved("28/01/2022", "02/02/2022", "15/02/2022", "1/28/2022", "02/02/2022", "2/15/2022") == [
        *("2022-01-28", "2022-02-02", "2022-02-15"),
        *("2022-01-28", "2022-02-02", "2022-02-15"),
    ]


def test_a_jump_in_an_unsorted_series_does_not_change_the_order() -> None:
    assert resolved("31/12/2021", "01/02/2022", "31/12/2021")[1] == "2022-02-01"


def test_a_run_of_ambiguous_dates_may_change_the_order() -> None:
    assert resolved("30/11/2021", "12/01/2021", "12/02/2021", "12/03/2021")[1:] == [
        "2021-12-01",
        "2021-12-02",
        "2021-12-03",
    ]


def test_series_are_decided_apart() -> None:
    dates = FileDates(TODAY)
    for series, text in [("a", "4/29/2022"), ("b", "29/01/2022"), ("a", "05/02/2022"), ("b", "05/02/2022")]:
        dates.add(series, text)
    assert [date.fromordinal(day).isoformat() for day in dates.resolve()][2:] == ["2022-05-02", "2022-02-05"]


def test_a_reading_in_the_future_is_impossible() -> None:
    assert resolved("05/12/2026", today=date(2026, 11, 22)) == ["2026-05-12"]


def test_a_date_with_no_possible_reading_comes_back_day_first() -> None:
    assert resolved("01/02/2099") == ["2099-02-01"]


def test_an_unreadable_date_does_not_part_its_neighbours() -> None:
    assert resolved("4/29/2022", "?", "05/02/2022") == ["2022-04-29", "", "2022-05-02"]


@given(
    start=st.dates(EARLIEST, date(2020, 1, 1)),
    steps=st.lists(st.integers(0, 9), min_size=25, max_size=80),
    order=st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]),
)
def test_a_steady_series_in_one_order_is_read_right(start: date, steps: list[int], order: str) -> None:
    days = [start]
    for step in steps:
        days.append(days[-1] + timedelta(step))
    if not any(day.day > 12 for day in days):
        days.append(days[-1].replace(day=20))
    texts = [day.strftime("%d/%m/%Y" if order == "%d/%m/%Y" else "%m/%d/%Y") for day in days]
    assert resolved(*(text.zfill(10) for text in texts)) == [day.isoformat() for day in days]


@given(st.lists(st.sampled_from(["03/04/2022", "4/15/2022", "15/04/2022", "2022-04-15", "x", "01/01/2099"])))
def test_every_row_gets_one_of_its_own_readings(texts: list[str]) -> None:
    dates = FileDates(TODAY)
    for text in texts:
        dates.add("one", text)
    assert all(day in readings(text) for day, text in zip(dates.resolve(), texts, strict=True))
