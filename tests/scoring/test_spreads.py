"""A field's spread in training can be reckoned again for other customers."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from scoring import encoding, spreads
from scoring.encoding import Encoding
from scoring.report import Spread
from tests.scoring.worlds import attribute_set, people


def crowd(count: int = 1000) -> tuple[pl.DataFrame, Encoding]:
    rng = np.random.default_rng(3)
    columns = {
        "features.orders": np.where(rng.random(count) < 0.6, 0, rng.integers(1, 9, count)),
        "features.spend": rng.gamma(2.0, 30.0, count),
        "attributes.plan": np.array(["month", "year", "none"])[rng.integers(0, 3, count)],
        "attributes.is_new": rng.random(count) < 0.25,
        "attributes.since": [date(2020 + i % 5, 1 + i % 12, 1) for i in range(count)],
    }
    frame = attribute_set(people(count, columns=columns), rng.random(count) < 0.5).frame
    holes = pl.when(pl.col("features.spend") < 20).then(None).otherwise(pl.col("features.spend"))
    frame = frame.with_columns(holes.alias("features.spend"))
    return frame, encoding.learn(frame)


@pytest.fixture(scope="module")
def found() -> dict[str, Spread]:
    frame, reading = crowd()
    return spreads.spreads(frame, reading.columns)


def test_shares_add_up_and_the_last_is_of_no_value(found: dict[str, Spread]) -> None:
    frame, _ = crowd()
    assert found.keys() == {
        "features.orders",
        "features.spend",
        "attributes.plan",
        "attributes.is_new",
        "attributes.since",
    }
    for spread in found.values():
        assert sum(spread["shares"]) == pytest.approx(1.0, abs=1e-4)
        assert spread["rows"] == 1000
    assert found["features.spend"]["shares"][-1] == pytest.approx(frame["features.spend"].null_count() / 1000)
    assert found["attributes.plan"]["shares"][-1] == 0.0


def test_many_equal_numbers_share_one_part(found: dict[str, Spread]) -> None:
    frame, _ = crowd()
    orders = found["features.orders"]
    assert orders["edges"][0] == 0.0
    assert orders["shares"][0] == pytest.approx((frame["features.orders"] == 0).mean())


def test_the_same_customers_lie_as_they_lay_and_others_do_not(found: dict[str, Spread]) -> None:
    frame, _ = crowd()
    for name, spread in found.items():
        assert spreads.shares(frame, name, spread) == spread["shares"]
    moved = frame.with_columns(pl.col("features.spend") * 10, pl.lit("week").alias("attributes.plan"))
    assert spreads.shares(moved, "features.spend", found["features.spend"])[-2] > 0.5
    assert spreads.shares(moved, "attributes.plan", found["attributes.plan"])[-2:] == [1.0, 0.0]


def test_a_date_is_counted_back_from_the_time_of_the_frame(found: dict[str, Spread]) -> None:
    frame, _ = crowd()
    later = frame.with_columns(pl.col("as_of").dt.offset_by("3y"))
    assert spreads.shares(later, "attributes.since", found["attributes.since"])[-2] > 0.5


def test_a_field_that_is_gone_has_no_values(found: dict[str, Spread]) -> None:
    frame, _ = crowd()
    told = spreads.shares(frame.drop("features.spend"), "features.spend", found["features.spend"])
    assert told[-1] == 1.0
    assert len(told) == len(found["features.spend"]["shares"])
