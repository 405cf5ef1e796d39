"""What must hold for any series: simulations and properties of the control charts."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learning.charts import Options, p_prime, xmr
from tests.unit.drawn_charts import directions, lines, rules


@pytest.mark.parametrize("n", [15, 40, 400, 4000])
def test_a_steady_share_is_common_cause_at_any_size(n: int) -> None:
    """Of 400 charts of a share that does not change, about 1 % have an icon (learning.md: 1.1 %)."""
    source = random.Random(n)  # noqa: S311 - a simulation
    icons = 0
    for _ in range(400):
        counts = [sum(source.random() < 0.4 for _ in range(n)) for _ in range(16)] if n <= 40 else _normal(source, n)
        icons += p_prime(counts, [n] * 16).variation_icon != "common_cause"

    assert icons <= 14


def _normal(source: random.Random, n: int) -> list[float]:
    return [round(source.gauss(0.4 * n, math.sqrt(0.24 * n))) for _ in range(16)]


def test_one_small_month_does_not_make_the_others_unusual() -> None:
    sizes = [1000] * 15 + [15] + [1000] * 15
    source = random.Random(1)  # noqa: S311 - a simulation
    icons = 0
    for _ in range(200):
        counts = [round(source.gauss(0.4 * n, math.sqrt(0.24 * n))) for n in sizes]
        icons += p_prime([min(max(x, 0), n) for x, n in zip(counts, sizes, strict=True)], sizes).variation_icon != (
            "common_cause"
        )

    assert icons <= 8


whole = st.lists(st.integers(-50, 50).map(float), min_size=13, max_size=40)


@given(whole, st.sampled_from([0.5, 2.0, 8.0, 1024.0]), st.integers(-1000, 1000))
def test_xmr_does_not_care_for_units(values: list[float], scale: float, shift: int) -> None:
    chart, moved = xmr(values), xmr([scale * value + shift for value in values])

    assert rules(moved) == rules(chart)
    assert moved.variation_icon == chart.variation_icon
    expected = tuple(None if line is None else scale * line + shift for line in lines(chart))
    assert lines(moved) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(whole, st.booleans())
def test_a_mirror_image_has_mirrored_directions(values: list[float], parity: bool) -> None:
    chart = xmr(values, Options(improvement_direction="increase", r_parity=parity))
    mirrored = xmr([-value for value in values], Options(improvement_direction="decrease", r_parity=parity))

    assert rules(mirrored) == rules(chart)
    turn = {"high": "low", "low": "high", None: None}
    assert directions(mirrored) == [turn[way] for way in directions(chart)]
    if chart.variation_icon and chart.variation_icon != "common_cause":
        kind, side = chart.variation_icon.rsplit("_", 1)
        assert mirrored.variation_icon == f"{kind}_{'low' if side == 'high' else 'high'}"


months = st.lists(
    st.integers(10, 4000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=13, max_size=30
)


@given(months, st.randoms())
def test_the_order_of_months_does_not_change_the_mean_of_a_share(
    given_months: list[tuple[int, int]], source: random.Random
) -> None:
    shuffled = source.sample(given_months, len(given_months))

    def mean(pairs: list[tuple[int, int]]) -> float | None:
        return lines(p_prime([x for x, _ in pairs], [n for _, n in pairs]))[2]

    assert mean(shuffled) == pytest.approx(mean(given_months))


@given(months)
def test_limits_of_a_share_are_in_order_and_possible(given_months: list[tuple[int, int]]) -> None:
    chart = p_prime([x for x, _ in given_months], [n for _, n in given_months])

    for index in range(len(chart.points)):
        drawn = lines(chart, index)
        if None not in drawn:
            known = [line for line in drawn if line is not None]
            assert known == sorted(known)
            assert known[0] >= 0
            assert known[-1] <= 1


@given(months)
def test_praise_and_criticism_of_one_chart_are_mirror_images(given_months: list[tuple[int, int]]) -> None:
    yes = p_prime([x for x, _ in given_months], [n for _, n in given_months])
    no = p_prime([n - x for x, n in given_months], [n for _, n in given_months])

    if yes.state == no.state == "read":
        assert rules(yes) == rules(no)


@given(whole, st.data())
def test_a_rebase_cuts_a_chart_in_two(values: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(2, len(values) - 2))
    few = Options(minimum_points=2)
    cut = xmr(values, Options(rebase=(at,), minimum_points=2))

    assert rules(cut) == rules(xmr(values[:at], few)) + rules(xmr(values[at:], few))
