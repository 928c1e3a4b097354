"""The level of chances follows the season where a year before is known, and says so where it is not."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from scoring import season, training, training_set
from scoring.conditions import Events
from scoring.learners import LOGISTIC, Floats
from scoring.models import ModelVersion, Target
from scoring.populations import NO_CHANGES, History
from scoring.training_set import TrainingSet, ordered
from tests.scoring.worlds import AS_OF, DAY, people

pytestmark = pytest.mark.long

HORIZON, STEP = timedelta(days=60), timedelta(days=30)
YEAR_DAYS = 365.25
EVENT = Events("Order Completed")


def share_at(days_ago: float) -> float:
    """Give the share of whom it comes true in the 60 days from then: a year's wave, on a rising level."""
    return float(0.35 - 0.0001 * days_ago + 0.15 * np.sin(2 * np.pi * days_ago / YEAR_DAYS))


def seasonal(count: int, months: int, seed: int = 1) -> TrainingSet:
    """Give twelve snapshots of customers in whom one number decides, and the levels of the months before."""
    rng = np.random.default_rng(seed)
    own, snapshots = people(count, seed), []
    times = [(AS_OF - HORIZON - STEP * i, share_at(60 + 30 * i)) for i in range(months)]
    for t, share in times[:12]:
        load = rng.normal(size=count)
        odds = np.log(share / (1 - share)) + 1.2 * load
        moved = odds + season.shift(expit(odds), share)
        columns = {"features.load": load, "label": rng.random(count) < expit(moved)}
        at = pl.lit(t).cast(pl.Datetime("us", "UTC")).alias("as_of")
        snapshots.append(own.with_columns(at, *(pl.Series(name, one) for name, one in columns.items())))
    frame = ordered(pl.concat(snapshots))
    return TrainingSet(frame, ModelVersion.Validated.OVER_TIME, HORIZON, levels=dict(times[12:]))


def expit(odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-odds))


def test_the_shift_moves_the_mean_to_the_level_and_keeps_the_order() -> None:
    chances = np.random.default_rng(0).beta(1, 5, 1000)
    moved = expit(np.log(chances / (1 - chances)) + season.shift(chances, 0.4))
    assert moved.mean() == pytest.approx(0.4, abs=1e-6)
    assert np.array_equal(np.argsort(moved), np.argsort(chances))


def test_the_forecast_is_the_average_of_the_newest_levels_and_the_year_before() -> None:
    levels = {AS_OF - i * STEP: 0.2 + 0.01 * i for i in range(2, 20)}
    newest = np.mean([0.22, 0.23, 0.24])
    assert season.forecast(levels, AS_OF, HORIZON) == pytest.approx((newest + 0.32) / 2)
    open_still = levels | {AS_OF - STEP: 0.9}
    assert season.forecast(open_still, AS_OF, HORIZON) == season.forecast(levels, AS_OF, HORIZON)
    short = {t: share for t, share in levels.items() if t > AS_OF - 390 * DAY}
    assert season.forecast(short, AS_OF, HORIZON) is None


def test_in_a_seasonal_world_the_level_is_nearer_with_the_season_than_without() -> None:
    trained = training.learn(seasonal(700, 27), 0, names=(LOGISTIC,))
    without, with_it = trained.judged.level_errors
    assert len(with_it) == 3
    assert np.mean(with_it) < 0.5 * np.mean(without)
    told = trained.report["season"]
    assert told["known"]
    assert abs(told["after"] - share_at(0)) < 0.5 * abs(told["before"] - share_at(0))
    newest = trained.training_set.frame.filter(pl.col("as_of") == pl.col("as_of").max())
    assert trained.model.chances(newest).mean() == pytest.approx(told["after"], abs=1e-4)
    assert "At the tested times it was off by" in told["sentence"]


def test_a_year_is_too_short_to_know_the_season_and_the_band_is_said() -> None:
    told = training.learn(seasonal(700, 12), 0, names=(LOGISTIC,)).report["season"]
    assert not told["known"]
    assert told["before"] == told["after"]
    assert told["sentence"].startswith("Season unknown")
    assert "30%" in told["sentence"]


def test_the_levels_of_longer_ago_are_those_that_rows_would_have() -> None:
    rng = np.random.default_rng(0)
    at = pl.lit(AS_OF).cast(pl.Datetime("us", "UTC")) - pl.duration(days=pl.col("ago"))
    orders = pl.DataFrame({"customer_id": rng.integers(1, 400, 6000), "ago": rng.integers(1, 800, 6000)})
    orders = orders.select("customer_id", occurred_at=at, known_at=at, value=pl.lit(10.0))
    target = Target(key="silence", kind="no_event", event="Order Completed", horizon_days=60, created_at=AS_OF)
    found = training_set.levels_before(target, History({EVENT: orders}, NO_CHANGES), [AS_OF - 300 * DAY], AS_OF)
    t = AS_OF - 330 * DAY
    active = set(orders.filter(pl.col("occurred_at").is_between(t - 365 * DAY, t, closed="right"))["customer_id"])
    came = set(orders.filter(pl.col("occurred_at").is_between(t, t + 60 * DAY, closed="right"))["customer_id"])
    assert found[t] == pytest.approx(len(active - came) / len(active))
    assert min(found) >= AS_OF - 740 * DAY
