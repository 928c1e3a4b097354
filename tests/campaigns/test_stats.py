"""Statistics add, their intervals are the published ones, and too little data is said, not guessed."""

import numpy as np
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.proportion import confint_proportions_2indep

from campaigns.stats import Interval, Mean, Proportion, difference_of_means, difference_of_proportions, is_balanced


def mean_of(values: np.ndarray) -> Mean:
    return Mean(len(values), float(values.sum()), float((values**2).sum()))


def shown(one: Proportion | Mean, other: Proportion | Mean) -> Interval:
    if isinstance(one, Mean) and isinstance(other, Mean):
        found = difference_of_means(one, other)
    else:
        assert isinstance(one, Proportion)
        assert isinstance(other, Proportion)
        found = difference_of_proportions(one, other)
    assert found.interval is not None
    return found.interval


def test_statistics_of_parts_add_up_to_those_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(5, 2, 90)
    whole, parts = mean_of(values), mean_of(values[:20]) + mean_of(values[20:])
    assert (parts.n, parts.total, parts.variance) == pytest.approx((whole.n, whole.total, whole.variance))
    assert whole.value == pytest.approx(values.mean())
    assert whole.variance == pytest.approx(values.var(ddof=1))
    assert Proportion(10, 2) + Proportion(5, 1) == Proportion(15, 3)


def test_newcombe_gives_his_published_interval() -> None:
    """Newcombe (1998), Interval estimation for the difference between independent proportions, table II, case (a)."""
    found = shown(Proportion(70, 56), Proportion(80, 48))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(56, 70, 48, 80), (0, 30, 0, 30), (9, 4000, 30, 400), (25, 25, 0, 90)])
def test_the_difference_of_proportions_is_that_of_statsmodels(a: int, n: int, b: int, m: int) -> None:
    found = shown(Proportion(n, a), Proportion(m, b))
    low, high = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_the_difference_of_means_is_welchs() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(5, 2, 80), rng.normal(4, 9, 33)
    expected = ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = shown(mean_of(one), mean_of(other))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    treated, control = rng.binomial(2000, 0.10, 1000), rng.binomial(300, 0.08, 1000)
    found = [shown(Proportion(2000, int(a)), Proportion(300, int(b))) for a, b in zip(treated, control, strict=True)]
    assert 0.93 <= np.mean([one.low <= 0.02 <= one.high for one in found]) <= 0.975


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (Proportion(), Proportion(500, 20), "Too few customers to compare: 0 against 500; each side needs 20."),
        (Proportion(500, 3), Proportion(19, 2), "Too few customers to compare: 500 against 19; each side needs 20."),
    ],
)
def test_too_few_customers_give_a_sentence_and_no_interval(one: Proportion, other: Proportion, message: str) -> None:
    found = difference_of_proportions(one, other)
    assert (found.interval, found.message) == (None, message)


def test_means_of_nobody_or_without_spread_give_a_sentence() -> None:
    assert difference_of_means(Mean(), Mean(50, 1.0, 1.0)).message.startswith("Too few")
    assert difference_of_means(Mean(50, 0.0, 0.0), Mean(50, 0.0, 0.0)).message == "No interval: the values do not vary."
    assert Mean().value is None
    assert Proportion().value is None


def test_arms_that_the_draws_could_not_have_given_are_noticed() -> None:
    assert is_balanced(1050, 1000.0, 900.0)
    assert not is_balanced(1110, 1000.0, 900.0)
    assert is_balanced(3, 0.5, 0.45)
