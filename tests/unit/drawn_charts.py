"""What a drawn chart says, in a form that tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.learning.charts import Chart


def rules(chart: Chart) -> list[str | None]:
    return [point.signal.rule if point.signal else None for point in chart.points]


def directions(chart: Chart) -> list[str | None]:
    return [point.signal.direction if point.signal else None for point in chart.points]


def lines(chart: Chart, index: int = -1) -> tuple[float | None, ...]:
    limits = chart.points[index].limits
    assert limits is not None
    return limits.lower, limits.near_lower, limits.mean, limits.near_upper, limits.upper
