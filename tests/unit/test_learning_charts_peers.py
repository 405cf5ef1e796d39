"""Two packages that draw the same charts agree with ours where they follow the same rules; neither is installed here.

`pip install pyqicharts clinical-qikit` beside the development tools runs these. Differences left out on purpose:
pyqicharts lets a tie or a point on the mean stand inside a run (learning.md: it breaks it), and its screening takes
points out of the mean too (learning.md: never); neither knows a gap.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.learning.charts import Chart, p_prime, u_prime, xmr

SOURCE = 20


def drawn(chart: Chart) -> list[tuple[float | None, ...]]:
    return [(p.limits.mean, p.limits.lower, p.limits.upper) for p in chart.points if p.limits is not None]


def counts(source: random.Random) -> tuple[list[int], list[int]]:
    sizes = [source.choice([source.randint(15, 60), source.randint(60, 4000)]) for _ in range(24)]
    share = source.uniform(0.1, 0.6)
    return [sum(source.random() < share for _ in range(n)) for n in sizes], sizes


@pytest.mark.parametrize("seed", range(SOURCE))
@pytest.mark.parametrize(("code", "draw"), [("pp", p_prime), ("up", u_prime)])
def test_laney_limits_agree_with_clinical_qikit(seed: int, code: str, draw: object) -> None:
    qikit = pytest.importorskip("qikit")
    numerators, denominators = counts(random.Random(seed))  # noqa: S311 - a simulation
    theirs = qikit.qic(y=numerators, n=denominators, chart=code).data
    ours = drawn(p_prime(numerators, denominators) if draw is p_prime else u_prime(numerators, denominators))

    for (mean, lower, upper), (_, row) in zip(ours, theirs.iterrows(), strict=True):
        assert mean == pytest.approx(row["cl"])
        assert lower == pytest.approx(max(row["lcl"], 0.0), abs=1e-12)
        assert upper == pytest.approx(min(row["ucl"], 1.0) if code == "pp" else row["ucl"])


@pytest.mark.parametrize("seed", range(SOURCE))
def test_xmr_limits_and_rules_agree_with_pyqicharts(seed: int) -> None:
    peer = pytest.importorskip("pyqicharts")
    frames = pytest.importorskip("pandas")
    source = random.Random(seed)  # noqa: S311 - a simulation
    values = [source.gauss(0, 1) + (index > 20) * source.choice([0, 1.5]) for index in range(40)]
    theirs = peer.qic_table(
        frames.DataFrame({"x": range(40), "y": values}),
        x="x",
        y="y",
        chart="i",
        shift_points=7,
        trend_points=7,
    )
    chart = xmr(values)

    for point, (_, row) in zip(chart.points, theirs.iterrows(), strict=True):
        assert point.limits is not None
        ours = (point.limits.mean, point.limits.lower, point.limits.upper)
        # They divide by 1.128 and take three, we multiply by 2.66: the same to two places.
        assert ours == pytest.approx((row["centre"], row["lcl"], row["ucl"]), rel=1e-2, abs=1e-2)
        assert (point.signal.rule if point.signal else None) == rule(row)


def rule(row: Any) -> str | None:
    """Their columns, in our order of precedence."""
    if row["outside_ucl"] or row["outside_lcl"]:
        return "outside"
    named = {"trend": "trend", "two_sigma": "two_in_three", "shift": "shift"}
    return next((name for column, name in named.items() if row[column]), None)
