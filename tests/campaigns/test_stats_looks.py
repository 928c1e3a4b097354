"""Looking often claims no more than it should, the time before narrows without bias, and plans reach their power."""

import numpy as np
import pytest
from scipy.stats import chisquare, norm, t
from statsmodels.stats.power import NormalIndPower

from campaigns.stats import (
    Contrast,
    CovariateMean,
    Endless,
    Mean,
    Planned,
    Proportion,
    WeightedMean,
    adjusted,
    at_any_look,
    at_one_look,
    chance_of_split,
    contrast_of_means,
    contrast_of_proportions,
    contrast_of_weighted,
    customers_needed,
    difference_of_weighted,
    smallest_effect,
)
from campaigns.stats.power import ONE_LOOK

PLAN = 1000


def mean_of(values: np.ndarray) -> Mean:
    return Mean(len(values), float(values.sum()), float((values**2).sum()))


def covariate_of(after: np.ndarray, before: np.ndarray) -> CovariateMean:
    return CovariateMean(mean_of(after), mean_of(before), float((after * before).sum()))


def weighted_of(y: np.ndarray, w: np.ndarray) -> WeightedMean:
    sums = (w.sum(), (w * y).sum(), (w**2).sum(), (w**2 * y).sum(), (w**2 * y**2).sum())
    return WeightedMean(len(y), *map(float, sums))


@pytest.mark.parametrize(("looks", "most"), [(Planned(PLAN), 0.055), (Endless(PLAN), 0.055)])
def test_no_effect_is_claimed_in_one_of_twenty_worlds_however_often_one_looks(
    looks: Planned | Endless, most: float
) -> None:
    rng = np.random.default_rng(4)
    numbers = np.arange(20, 3 * PLAN, 5)
    steps = rng.normal(size=(4000, numbers.size)) * np.sqrt(np.diff(numbers, prepend=0))
    scores = np.abs(np.cumsum(steps, axis=1)) / np.sqrt(numbers)
    times = np.array([looks.times(int(n)) for n in numbers])
    alarms = float((scores > times).any(axis=1).mean())
    assert 0.01 <= alarms <= most
    assert float((scores > ONE_LOOK).any(axis=1).mean()) > 0.25


def test_at_its_plan_the_interval_is_a_fifth_wider_than_for_one_look_and_never_wider_after_it() -> None:
    assert Planned(PLAN).times(PLAN) / ONE_LOOK == pytest.approx(1.196, abs=0.001)
    assert Endless(PLAN).times(PLAN) / ONE_LOOK == pytest.approx(1.549, abs=0.001)
    widths = [round(Planned(PLAN).times(n) / n**0.5, 9) for n in (200, 500, PLAN, 2 * PLAN, 9 * PLAN)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == widths[2]


def test_the_sequence_is_narrowest_where_it_was_tuned_to() -> None:
    widths = {tuned: Endless(tuned).times(PLAN) for tuned in range(200, 3000, 100)}
    assert min(widths, key=lambda tuned: widths[tuned]) == PLAN


@pytest.mark.parametrize("looks", [Planned(PLAN), Endless(PLAN)])
@pytest.mark.parametrize("so_far", [300, PLAN, 4000])
def test_a_p_value_below_five_percent_is_an_interval_without_zero(looks: Planned | Endless, so_far: int) -> None:
    edge = looks.times(so_far)
    for value in (edge * 0.99, -edge * 0.99, edge * 1.01):
        found = at_any_look(Contrast(value, 1.0), so_far, looks).interval
        assert found is not None
        assert found.excludes_zero == (looks.p_value(Contrast(value, 1.0), so_far) < 0.05)
    assert looks.p_value(Contrast(edge, 1.0), so_far) == pytest.approx(0.05, rel=1e-6)


def test_an_arm_of_few_customers_widens_the_interval_as_students_t_does() -> None:
    few = at_any_look(Contrast(0.0, 1.0, 30.0), PLAN, Planned(PLAN)).interval
    assert few is not None
    assert few.high == pytest.approx(t.isf(norm.sf(Planned(PLAN).times(PLAN)), 30))
    early = at_any_look(Contrast(0.0, 1.0), PLAN // 20, Endless(PLAN))
    assert early.message == "Too few customers yet for an interval that holds at any look."


def test_none_of_few_is_not_taken_for_never() -> None:
    """Agresti and Caffo (2000): one success and one failure more in each arm."""
    found = contrast_of_proportions(Proportion(1000, 50), Proportion(20, 0))
    wanted = 51 * 951 / 1002 / 1001 / 1002 + 21 / 22 / 21 / 22
    assert (found.value, found.variance) == pytest.approx((0.05, wanted))


def test_values_that_do_not_vary_give_a_sentence_at_any_look() -> None:
    found = at_any_look(Contrast(0.0, 0.0), 500, Planned(PLAN))
    assert (found.interval, found.message) == (None, "No interval: the values do not vary.")
    assert Planned(PLAN).p_value(Contrast(0.0, 0.0), 500) == 1.0


def test_the_time_before_narrows_the_interval_by_what_it_explains_and_moves_no_truth() -> None:
    rng = np.random.default_rng(5)
    found, cuts, inside = [], [], 0
    for _ in range(300):
        before = rng.gamma(2, 10, (2, 400))
        after = 0.8 * before + rng.normal(0, 8, (2, 400)) + [[2.0], [0.0]]
        one = covariate_of(after[0], before[0])
        result = adjusted(one, covariate_of(after[1, :100], before[1, :100]))
        interval = at_one_look(result.contrast).interval
        assert interval is not None
        inside += interval.low <= 2.0 <= interval.high
        found.append(result.contrast.value)
        cuts.append(result.cut)
    assert np.mean(found) == pytest.approx(2.0, abs=0.2)
    assert np.mean(cuts) == pytest.approx(128 / (128 + 64), abs=0.03)
    assert 0.91 <= inside / 300 <= 0.98


def test_the_adjustment_is_the_regression_with_one_slope_for_both_arms() -> None:
    rng = np.random.default_rng(6)
    before, arm = rng.normal(size=500), np.arange(500) % 3 == 0
    after = before + arm + rng.normal(size=500)
    result = adjusted(covariate_of(after[arm], before[arm]), covariate_of(after[~arm], before[~arm]))
    expected = np.linalg.lstsq(np.column_stack([np.ones(500), arm, before]), after, rcond=None)[0][1]
    assert result.contrast.value == pytest.approx(expected)


def test_a_time_before_that_explains_nothing_is_not_used() -> None:
    rng = np.random.default_rng(7)
    after, before = rng.normal(size=(2, 3000)), rng.normal(size=(2, 3000))
    one, other = covariate_of(after[0], before[0]), covariate_of(after[1], before[1])
    assert adjusted(one, other).cut == 0.0
    assert adjusted(one, other).contrast == contrast_of_means(mean_of(after[0]), mean_of(after[1]))
    constant = covariate_of(after[0], np.zeros(3000))
    assert adjusted(constant, constant).cut == 0.0


def test_sums_with_a_covariate_and_with_weights_add_up() -> None:
    rng = np.random.default_rng(8)
    y, x = rng.gamma(2, 5, 90), rng.gamma(1, 3, 90)
    whole, parts = covariate_of(y, x), covariate_of(y[:30], x[:30]) + covariate_of(y[30:], x[30:])
    assert parts.covariance == pytest.approx(whole.covariance)
    assert whole.covariance == pytest.approx(np.cov(y, x)[0, 1])
    heavy, halves = weighted_of(y, x), weighted_of(y[:30], x[:30]) + weighted_of(y[30:], x[30:])
    assert halves.value == pytest.approx(np.average(y, weights=x))
    assert halves.variance_of_mean == pytest.approx(heavy.variance_of_mean)
    assert halves.effective == pytest.approx(x.sum() ** 2 / (x**2).sum())


def test_equal_weights_say_what_the_plain_means_say() -> None:
    rng = np.random.default_rng(9)
    one, other = rng.normal(1, 2, 800), rng.normal(0, 3, 300)
    plain = contrast_of_means(mean_of(one), mean_of(other))
    same = contrast_of_weighted(weighted_of(one, np.full(800, 4.0)), weighted_of(other, np.full(300, 1.5)))
    assert same.value == pytest.approx(plain.value)
    assert same.variance == pytest.approx(plain.variance, rel=0.005)


def test_shares_that_changed_with_the_season_make_no_effect() -> None:
    """At first nine of ten are treated and few buy, later one of ten and many buy: plain means see an effect."""
    rng = np.random.default_rng(10)
    inside = 0
    for _ in range(200):
        share = np.repeat([0.9, 0.1], 500)
        treated = rng.random(1000) < share
        y = rng.normal(np.repeat([1.0, 3.0], 500))
        w = np.where(treated, 1 / share, 1 / (1 - share))
        found = difference_of_weighted(weighted_of(y[treated], w[treated]), weighted_of(y[~treated], w[~treated]))
        assert found.interval is not None
        inside += found.interval.low <= 0.0 <= found.interval.high
        assert contrast_of_means(mean_of(y[treated]), mean_of(y[~treated])).value < -1.0
    assert inside >= 0.92 * 200
    assert difference_of_weighted(WeightedMean(), weighted_of(y, w)).message.startswith("Too few customers")


def test_an_uneven_split_of_variants_is_pearsons_chi_square_over_the_versions() -> None:
    counts, shares = {"a": 480, "b": 520, "c": 1000}, {"a": 0.25, "b": 0.25, "c": 0.5}
    expected = chisquare([480, 520, 1000], [500, 500, 1000]).pvalue
    assert chance_of_split([counts], [shares]) == pytest.approx(expected)
    assert chance_of_split([counts, {"a": 1, "b": 2}], [shares, {"a": 1.0, "b": 1.0}]) == pytest.approx(expected)
    assert chance_of_split([{"a": 900, "b": 1100}], [{"a": 0.5, "b": 0.5}]) < 0.001
    assert chance_of_split([{"a": 900, "b": 3}], [{"a": 1.0}]) == 0.0
    assert chance_of_split([], []) == 1.0


def test_plans_are_those_of_statsmodels() -> None:
    wanted = NormalIndPower().solve_power(effect_size=0.2, alpha=0.05, power=0.8, ratio=0.25)
    needed = customers_needed(0.2, (1.0, 1.0), 0.2)
    assert needed == pytest.approx(wanted * 1.25, abs=2)
    assert needed is not None
    assert smallest_effect((1.0, round(needed * 0.8)), (1.0, round(needed * 0.2))) == pytest.approx(0.2, rel=1e-3)
    assert customers_needed(0.0, (1.0, 1.0), 0.2) is None
    assert smallest_effect((1.0, 0), (1.0, 10)) is None


def test_who_plans_for_any_look_finds_the_effect_as_often_as_promised() -> None:
    needed = customers_needed(0.2, (1.0, 1.0), 0.5, Planned(PLAN).times(PLAN))
    assert needed is not None
    error = (4 / needed) ** 0.5
    found = np.random.default_rng(12).normal(0.2, error, 20_000)
    shown = np.mean(np.abs(found) > Planned(needed).times(needed) * error)
    assert shown == pytest.approx(0.8, abs=0.01)
    assert float(norm.sf(ONE_LOOK - 0.2 / error)) > 0.87
