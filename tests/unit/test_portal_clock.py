"""Moments as people at work read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.portal.clock import told_day, told_moment


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 6, 8, 12, 4, tzinfo=UTC), "8 June 2026, 13:04"),
        (datetime(2026, 11, 22, 12, 44, tzinfo=UTC), "22 November 2026, 12:44"),
        (datetime(2026, 6, 30, 23, 30, tzinfo=UTC), "1 July 2026, 00:30"),
    ],
)
def test_a_moment_is_told_by_the_clock_on_the_wall(moment: datetime, told: str) -> None:
    shown = told_moment(moment)
    assert f">{told}<" in shown
    assert told.startswith(f"{told_day(moment)},")
    assert datetime.fromisoformat(shown.split('"')[1]) == moment
