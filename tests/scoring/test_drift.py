"""Drift is told from chance at every size, and the level and the ranking from theirs."""

import functools

import numpy as np
import polars as pl
import pytest

from scoring import drift, spreads
from scoring.encoding import learn
from scoring.report import Figures, Spread
from tests.scoring.worlds import AS_OF

KNOWN = 5_000


def frame(size: int, shift: float = 0.0, seed: int = 1) -> pl.DataFrame:
    """Give customers with a number that is shifted, three plans, and a yes or no."""
    rng = np.random.default_rng(seed)
    plans = np.array(["year", "month", "day"])[rng.choice(3, size, p=[0.5, 0.3, 0.2])]
    columns = {"features.load": rng.normal(size=size) + shift, "attributes.plan": plans}
    known = {**columns, "attributes.vip": rng.random(size) < 0.3}
    return pl.DataFrame(known).with_columns(pl.lit(AS_OF).cast(pl.Datetime("us", "UTC")).alias("as_of"))


@functools.cache
def known() -> dict[str, Spread]:
    then = frame(KNOWN, seed=9)
    return spreads.spreads(then, learn(then).columns)


def compare(now: pl.DataFrame) -> dict[str, drift.Shift]:
    return drift.fields(now, known(), KNOWN)


@pytest.mark.parametrize("size", [200, 1_000])
def test_where_nothing_changed_one_look_in_a_hundred_finds_something(size: int) -> None:
    looks = [compare(frame(size, seed=seed)) for seed in range(100)]
    assert sum(any(one.is_drift for one in look.values()) for look in looks) <= 3


def test_the_line_is_where_chance_ends_and_never_below_what_matters() -> None:
    assert drift.line_of(10, 200, 10**9) == pytest.approx(0.114, abs=0.001)
    assert drift.line_of(10, 200, 10**9, fields=50) > 0.15
    assert drift.line_of(10, 1_000_000, 10**9) == drift.NOTICEABLE


@pytest.mark.parametrize("size", [1_000, 10_000])
def test_a_shift_of_three_tenths_of_the_spread_is_found_and_the_other_fields_are_not(size: int) -> None:
    found = compare(frame(size, shift=0.3))
    assert found["features.load"].psi == pytest.approx(0.09, abs=0.03)
    assert [name for name, one in found.items() if one.is_drift] == ["features.load"]


def test_a_new_level_and_a_field_without_values_have_drifted() -> None:
    now = frame(1_000).with_columns(pl.lit("week").alias("attributes.plan"), pl.lit(None).alias("features.load"))
    found = compare(now)
    assert found["attributes.plan"].is_drift
    assert found["features.load"].is_drift
    assert not found["attributes.vip"].is_drift


def test_what_is_reckoned_for_the_model_alone_is_not_compared() -> None:
    assert not drift.fields(frame(100), {"value.chance": known()["features.load"]}, KNOWN)


@pytest.mark.parametrize(
    ("foreseen", "happened", "customers", "is_off"),
    [(0.20, 300, 1_000, True), (0.20, 210, 1_000, False), (0.20, 6, 20, False), (0.30, 2_000, 10_000, True)],
)
def test_a_level_is_off_by_more_than_a_fifth_and_more_than_chance(
    foreseen: float, happened: int, customers: int, is_off: bool
) -> None:
    assert drift.level(foreseen, happened, customers).is_off is is_off


def test_a_ranking_is_worse_below_the_interval_that_was_tested() -> None:
    tested = Figures(value=0.75, low=0.72, high=0.78)
    assert drift.is_worse(Figures(value=0.66, low=0.63, high=0.69), tested)
    assert not drift.is_worse(Figures(value=0.66, low=0.54, high=0.78), tested)
    assert not drift.is_worse(Figures(value=0.73, low=0.72, high=0.74), tested)
