"""Limits, rules and icons against cases computed by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from services.learning.charts import Chart, Options, p_prime, u_prime, xmr
from tests.unit.drawn_charts import directions, lines, rules

if TYPE_CHECKING:
    from services.learning.charts import Improvement

LEVEL = (10.0, 12.0) * 6
"""Twelve points around 11 whose moving ranges are all 2: limits 11 ± 5.32, near lines 11 ± 3.54667."""


def steady(*tail: float, level: int = 200) -> Chart:
    """`level` points of 10 and 12 in turn, then the tail; the mean stays near 11, the limits near 5.7 and 16.3."""
    return xmr([*((10.0, 12.0) * (level // 2)), *tail])


def test_xmr_limits_are_the_mean_and_2_66_mean_moving_ranges() -> None:
    chart = xmr([*LEVEL, 10.0])

    # 7 x 10 and 6 x 12: mean 142 / 13; every moving range is 2.
    mean = 142 / 13
    assert lines(chart) == pytest.approx((mean - 5.32, mean - 5.32 * 2 / 3, mean, mean + 5.32 * 2 / 3, mean + 5.32))
    assert rules(chart) == [None] * 13
    assert chart.variation_icon == "common_cause"


def test_p_prime_limits_by_hand() -> None:
    """n = 100: s = √(.2·.8/100) = .04; shares .1 and .3 in turn: z = ∓2.5, |Δz| = 5, sigma_z = 5 / 1.128."""
    chart = p_prime([10, 30] * 7, [100] * 14)

    sigma = 5 / 1.128
    assert lines(chart) == pytest.approx((0.0, 0.0, 0.2, 0.2 + 2 * 0.04 * sigma, 0.2 + 3 * 0.04 * sigma))


def test_p_prime_never_has_tighter_limits_than_a_p_chart() -> None:
    """Shares .19 and .21: |Δz| = .5, sigma_z = .44 without the floor; with it the limits are those of a p-chart."""
    chart = p_prime([19, 21] * 7, [100] * 14)

    assert lines(chart) == pytest.approx((0.08, 0.12, 0.2, 0.28, 0.32))


def test_p_prime_limits_follow_each_denominator() -> None:
    chart = p_prime([10, 40] * 7, [50, 200] * 7)

    assert lines(chart, 0)[4] == pytest.approx(0.2 + 3 * math.sqrt(0.16 / 50))
    assert lines(chart, 1)[4] == pytest.approx(0.2 + 3 * math.sqrt(0.16 / 200))


def test_p_prime_weighs_months_by_their_size() -> None:
    chart = p_prime([10, 400] * 7, [20, 4000] * 7)

    assert lines(chart)[2] == pytest.approx(410 / 4020)


@pytest.mark.parametrize(("numerators", "clipped"), [([5, 6] * 7, 0), ([95, 94] * 7, 4)])
def test_limits_of_a_share_stay_between_none_and_all(numerators: list[float], clipped: int) -> None:
    assert lines(p_prime(numerators, [100] * 14))[clipped] == (0.0 if clipped == 0 else 1.0)


def test_u_prime_by_hand() -> None:
    """n = 400: ū = .04, s = √(.04 / 400) = .01; rates .03 and .05: |Δz| = 2, sigma_z = 2 / 1.128."""
    chart = u_prime([12, 20] * 7, [400] * 14)

    sigma = 2 / 1.128
    assert lines(chart) == pytest.approx((0.0, 0.04 - 0.02 * sigma, 0.04, 0.04 + 0.02 * sigma, 0.04 + 0.03 * sigma))


def test_a_rate_may_exceed_one() -> None:
    upper = lines(u_prime([30, 50] * 7, [10] * 14))[4]

    assert upper is not None
    assert upper > 1


@pytest.mark.parametrize(("tail", "rule"), [(17.0, "outside"), (5.0, "outside"), (15.0, None), (7.0, None)])
def test_outside_is_strictly_beyond_a_limit(tail: float, rule: str | None) -> None:
    assert rules(steady(tail))[-1] == rule


def test_a_point_on_a_limit_is_not_beyond_it() -> None:
    """n = 100, mean .2, s = .04, few changes: sigma_z is at its floor, and .32 and .08 lie on the limits."""
    on_it = p_prime([32, 8] + [20] * 18, [100] * 20)

    assert lines(on_it) == pytest.approx((0.08, 0.12, 0.2, 0.28, 0.32))
    assert rules(on_it)[:2] == [None, None]


def test_a_point_just_beyond_a_limit_is_outside() -> None:
    on_it = p_prime([33, 7] + [20] * 18, [100] * 20)

    assert rules(on_it)[:2] == ["outside", "outside"]
    assert directions(on_it)[:2] == ["high", "low"]


def test_a_trend_is_seven_points_with_six_strict_steps() -> None:
    chart = steady(9.0, 9.5, 10.0, 10.5, 11.0, 11.5)

    # The last 12 of the level falls to 9.0; six points rise by five steps.
    assert rules(chart)[-6:] == [None] * 6
    chart = steady(9.0, 9.5, 10.0, 10.5, 11.0, 11.5, 12.0)
    assert rules(chart)[-7:] == ["trend"] * 7
    assert directions(chart)[-7:] == ["high"] * 7
    assert rules(chart)[-8] is None


def test_a_tie_breaks_a_trend() -> None:
    assert rules(steady(9.0, 9.5, 10.0, 10.0, 10.5, 11.0, 11.5, 12.0))[-8:] == [None] * 8


def test_a_trend_tells_the_direction_of_travel_not_the_side() -> None:
    chart = steady(13.0, 12.5, 12.0, 11.9, 11.8, 11.7, 11.6)

    assert rules(chart)[-1] == "trend"
    assert directions(chart)[-1] == "low"


def test_two_in_three_marks_only_the_points_beyond_the_near_line() -> None:
    chart = steady(15.0, 12.0, 15.0)

    assert rules(chart)[-3:] == ["two_in_three", None, "two_in_three"]
    assert directions(chart)[-3:] == ["high", None, "high"]


def test_two_in_three_needs_all_three_on_one_side() -> None:
    assert rules(steady(10.0, 15.0, 10.0, 15.0))[-4:] == [None] * 4
    assert rules(steady(10.0, 15.0, 7.0, 15.0))[-4:] == [None] * 4


def test_a_point_beyond_the_limit_counts_towards_two_in_three_unless_r_is_followed() -> None:
    values = [*((10.0, 12.0) * 100), 17.5, 12.0, 15.0]

    assert rules(xmr(values))[-3:] == ["outside", None, "two_in_three"]
    assert rules(xmr(values, Options(r_parity=True)))[-3:] == ["outside", None, None]


def test_a_shift_is_seven_points_strictly_on_one_side() -> None:
    assert rules(steady(11.8, 11.7, 11.9, 11.8, 11.9, 11.7))[-7:] == ["shift"] * 7  # the level ends with 12
    assert rules(steady(11.7, 11.9, 11.8, 11.9, 11.7))[-6:] == [None] * 6


def test_a_point_on_the_mean_breaks_a_shift() -> None:
    values = [10.0, 12.0] * 10 + [12.0, 12.5, 12.0, 11.0, 12.5, 12.0, 12.5] + [10.0, 9.5, 10.0, 9.5, 10.0, 9.5]
    mean = sum(values) / len(values)
    shifted = [value + (11.0 - mean if index == 0 else 0.0) * len(values) for index, value in enumerate(values)]

    chart = xmr(shifted)

    assert lines(chart)[2] == pytest.approx(11.0)
    assert "shift" not in rules(chart)[20:27]


def test_on_the_mean_means_on_it_whatever_binary_fractions_do() -> None:
    """The mean of 0.1, 0.2 and 0.3 in floating point is not 0.2; 0.2 lies on it all the same."""
    chart = xmr([0.1, 0.3] * 3 + [0.2] * 8)

    assert rules(chart) == [None] * 14


@pytest.mark.parametrize(
    ("tail", "rule"),
    [
        # Six rising steps that end beyond the limit: outside before trend.
        ((11.5, 12.0, 12.5, 13.0, 13.5, 14.0, 17.5), "outside"),
        # All above the mean and rising: trend before shift; the last two beyond the near line: before two in three.
        ((11.5, 12.0, 12.5, 13.0, 13.5, 14.8, 15.0), "trend"),
        # Seven above the mean, two of the last three beyond the near line.
        ((12.0, 12.5, 12.0, 12.5, 15.0, 12.0, 15.0), "two_in_three"),
        ((12.0, 12.5, 12.0, 12.5, 13.0, 12.0, 12.5), "shift"),
    ],
)
def test_the_first_rule_in_order_is_told(tail: tuple[float, ...], rule: str) -> None:
    assert rules(steady(*tail))[-1] == rule


@pytest.mark.parametrize(
    ("direction", "tail", "icon"),
    [
        ("increase", 17.5, "improvement_high"),
        ("increase", 4.5, "concern_low"),
        ("decrease", 17.5, "concern_high"),
        ("decrease", 4.5, "improvement_low"),
        ("neutral", 17.5, "neutral_high"),
        ("neutral", 4.5, "neutral_low"),
        ("decrease", 12.0, "common_cause"),
    ],
)
def test_the_icon_depends_on_which_way_is_better(direction: Improvement, tail: float, icon: str) -> None:
    chart = xmr([*((10.0, 12.0) * 50), tail], Options(improvement_direction=direction))

    assert chart.variation_icon == icon


def test_the_icon_is_of_the_latest_point_only() -> None:
    chart = xmr([*((10.0, 12.0) * 50), 17.5, 10.0], Options(improvement_direction="decrease"))

    assert rules(chart)[-2:] == ["outside", None]
    assert chart.variation_icon == "common_cause"


@pytest.mark.parametrize(
    ("target", "direction", "icon"),
    [
        (17.0, "increase", "consistent_fail"),
        (17.0, "decrease", "consistent_pass"),
        (5.0, "increase", "consistent_pass"),
        (5.0, "decrease", "consistent_fail"),
        (11.0, "increase", "inconsistent"),
        (5.0, "neutral", None),
        (None, "increase", None),
    ],
)
def test_assurance_only_for_a_target(target: float | None, direction: Improvement, icon: str | None) -> None:
    chart = xmr((10.0, 12.0) * 50, Options(improvement_direction=direction, target=target))

    assert chart.assurance_icon == icon


def test_a_target_on_a_limit_is_met_by_chance() -> None:
    chart = p_prime([19, 21] * 7, [100] * 14)
    upper = lines(chart)[4]

    on_it = p_prime([19, 21] * 7, [100] * 14, Options(improvement_direction="increase", target=upper))

    assert on_it.assurance_icon == "inconsistent"


@pytest.mark.parametrize(("points", "state"), [(12, "few_points"), (13, "read")])
def test_limits_and_icons_from_thirteen_points(points: int, state: str) -> None:
    chart = p_prime([20] * (points - 1) + [25], [100] * points)

    assert chart.state == state
    assert (chart.variation_icon is None) == (points < 13)
    assert (lines(chart)[4] is None) == (points < 13)
    assert lines(chart)[2] is not None


def test_gaps_do_not_count_as_points() -> None:
    assert xmr([*LEVEL, None, None, 11.0]).state == "read"
    assert xmr([*LEVEL[:11], None, None, 11.0]).state == "few_points"


def test_nothing_is_told_of_too_few_points_even_by_rules_that_need_no_limits() -> None:
    assert rules(xmr([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])) == [None] * 8


@pytest.mark.parametrize(("count", "state"), [(4, "few_expected"), (5, "read"), (6, "read")])
def test_a_share_needs_five_expected(count: int, state: str) -> None:
    """The mean expected count is the mean count: n·p̄ summed is Σx."""
    assert p_prime([count - 1, count + 1] * 7, [100] * 14).state == state


def test_a_period_of_nine_responses_is_a_gap_and_one_of_ten_is_not() -> None:
    chart = p_prime([20] * 7 + [9] + [22] * 7, [100] * 7 + [9] + [100] * 7)

    assert chart.points[7].value is None
    assert lines(chart)[2] == pytest.approx((140 + 154) / 1400)
    assert p_prime([20] * 7 + [10] + [22] * 7, [100] * 7 + [10] + [100] * 7).points[7].value == 1.0


def test_a_gap_drops_both_its_moving_ranges() -> None:
    """10, 12 in turn, a gap, then 20, 22 in turn: every range that is left is 2."""
    chart = xmr([*LEVEL, None, *(value + 10 for value in LEVEL)])

    assert lines(chart)[4] == pytest.approx(16 + 5.32)


def test_a_gap_ends_every_run() -> None:
    values: list[float | None] = [*((10.0, 12.0) * 50), 12.0, 12.5, 12.0, None, 12.5, 12.0, 12.5]

    assert rules(xmr(values))[-7:] == [None] * 7


def test_a_period_that_is_not_there_is_a_gap_too() -> None:
    values = [*((10.0, 12.0) * 50), 12.0, 12.5, 12.0, 12.5, 12.0, 12.5]

    assert rules(xmr(values))[-6:] == ["shift"] * 6
    assert rules(xmr(values, breaks={103}))[-6:] == [None] * 6


@pytest.mark.parametrize("last", [None, 9])
def test_a_missing_latest_period_is_no_reading(last: float | None) -> None:
    chart = p_prime([20, 22] * 7 + [last], [100] * 14 + [last])

    assert (chart.state, chart.variation_icon, chart.assurance_icon) == ("no_reading", None, None)


@pytest.mark.parametrize(
    "chart", [xmr([3.0] * 15), xmr([0.0] * 15), p_prime([0] * 15, [100] * 15), u_prime([7] * 15, [70] * 15)]
)
def test_a_constant_series_shows_no_variation_and_no_icon(chart: Chart) -> None:
    assert (chart.state, chart.variation_icon, chart.assurance_icon) == ("constant", None, None)
    assert rules(chart) == [None] * 15


def test_one_point() -> None:
    chart = xmr([5.0], Options(minimum_points=1))

    assert (chart.state, chart.variation_icon) == ("few_points", None)
    assert lines(chart) == (None, None, 5.0, None, None)


def test_nothing_but_gaps() -> None:
    chart = p_prime([None, 3], [None, 5], Options(minimum_points=1))

    assert [point.value for point in chart.points] == [None, None]
    assert chart.variation_icon is None


def test_a_phase_has_its_own_mean_and_limits_and_no_range_crosses_a_rebase() -> None:
    chart = xmr([*LEVEL, 11.0, *(value + 100 for value in LEVEL), 111.0], Options(rebase=(13,)))

    assert lines(chart, 0) == pytest.approx(tuple((line or 0) - 100 for line in lines(chart)))
    assert rules(chart) == [None] * 26


def test_no_run_crosses_a_rebase() -> None:
    tail = [12.0, 12.5, 12.0, 12.5, 12.0, 12.5, 12.0]
    values = [*((10.0, 12.0) * 50), *tail[:3], *tail[3:], *((12.0, 10.0) * 50)]

    assert rules(xmr(values))[100:107] == ["shift"] * 7
    assert rules(xmr(values, Options(rebase=(103,))))[100:107] == [None] * 7


def test_a_short_phase_is_read_but_said_to_be_on_trial() -> None:
    chart = xmr([*LEVEL, 11.0, 20.0, 22.0, 20.0], Options(rebase=(13,)))

    assert (chart.state, chart.trial) == ("read", True)
    assert not xmr([*LEVEL, 11.0]).trial


def test_a_phase_of_one_point_is_no_reading_of_anything() -> None:
    assert xmr([*LEVEL, 11.0, 20.0], Options(rebase=(13,))).state == "few_points"


def test_screening_leaves_large_ranges_out_once_and_never_touches_the_mean() -> None:
    """Ranges: eleven of 2, then 39, 41 of a point at 51. Mean range 102 / 13 = 7.85; 3.267 times it is 25.6."""
    values = [*LEVEL, 51.0, 10.0]
    mean = sum(values) / 14

    assert lines(xmr(values))[4] == pytest.approx(mean + 2.66 * 102 / 13)
    assert lines(xmr(values, Options(screen_outliers=True)))[2::2] == pytest.approx((mean, mean + 5.32))


def test_screening_that_would_leave_no_spread_keeps_all_ranges() -> None:
    """Ranges: twelve of 0 and one of 13; without it the mean range would be 0."""
    values = [5.0] * 13 + [18.0]

    assert lines(xmr(values, Options(screen_outliers=True))) == lines(xmr(values))


def test_a_signal_knows_when_it_began() -> None:
    assert steady(11.8, 11.7, 11.9, 11.8, 11.9, 11.7).since == 199
    assert steady(9.0, 9.5, 10.0, 10.5, 11.0, 11.5, 12.0).since == 200
    assert steady(15.0, 12.0, 15.0).since == 200
    assert steady(17.5).since == 200
