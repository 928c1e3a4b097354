"""What chooses a learner lies before what judges it, and shares no customer's row with it."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from scoring import splits
from scoring.training_set import TrainingSet
from tests.scoring.worlds import AS_OF, DAY, order_set, order_times, signal

HORIZON = timedelta(days=45)


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return order_times(900)


def monthly(orders: pl.DataFrame, months: int) -> TrainingSet:
    return order_set(orders, 900, [AS_OF - (45 + 30 * i) * DAY for i in reversed(range(months))])


@pytest.mark.parametrize(("months", "judge", "chooses_over_time"), [(9, 3, True), (5, 3, False), (3, 1, False)])
def test_every_window_that_chooses_had_closed_before_the_first_time_that_judges(
    orders: pl.DataFrame, months: int, judge: int, chooses_over_time: bool
) -> None:
    examples = monthly(orders, months)
    origins = sorted({split.origin for split in splits.judging(examples, 0) if split.origin})
    assert len(origins) == judge
    choosing = splits.choosing(examples, 0)
    for split in choosing:
        used = examples.frame.filter(pl.Series(split.train | split.test))
        assert (used["as_of"] + HORIZON).max() <= origins[0]  # type: ignore[operator]
        parts = [set(examples.frame.filter(pl.Series(rows))["customer_id"]) for rows in (split.train, split.test)]
        assert parts[0].isdisjoint(parts[1])
    assert all((split.origin is not None) is chooses_over_time for split in choosing)


def test_in_folds_every_customer_is_tested_once_by_equal_shares() -> None:
    examples, _, _ = signal(701, 1.0)
    folds = splits.judging(examples, 0)
    assert np.array_equal(np.sum([split.test for split in folds], axis=0), np.ones(701))
    shares = [examples.labels()[split.test].mean() for split in folds]
    assert max(shares) - min(shares) < 0.02
