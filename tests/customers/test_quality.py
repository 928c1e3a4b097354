"""What is found in the values of a field: faults that were put there are, and clean data raises no alarm."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from customers.quality import Column, Drift, change_of_share, drift, look

T = datetime(2026, 6, 1, tzinfo=UTC)
FIELDS = 6


def numbers(rng: np.random.Generator, rows: int, mean: float = 40.0) -> Column:
    return Column(pl.Series(np.round(rng.normal(mean, 10.0, rows), 1)))


def compared(now: Column, before: Column, fields: int = 1) -> Drift:
    return drift(now, look(now, T), look(before, T), T - timedelta(days=7), fields)


def some_fields(rng: np.random.Generator, rows: int) -> list[Column]:
    """Give what a plain file brings: amounts, ages with gaps, plans, yes or no, birthdays, rare levels."""
    ages = pl.Series(rng.integers(18, 90, rows)).cast(pl.Float64)
    births = pl.Series(rng.integers(-10_000, 13_000, rows)).cast(pl.Date)
    return [
        Column(pl.Series(rng.lognormal(3, 1, rows))),
        Column(ages.set(pl.Series(rng.random(rows) < 0.2), None)),
        Column(pl.Series(rng.choice(["basic", "pro", "team"], rows, p=[0.6, 0.3, 0.1]))),
        Column(pl.Series(rng.random(rows) < 0.1)),
        Column(births),
        Column(pl.Series(rng.zipf(1.8, rows).clip(1, 60).astype(str))),
    ]


def test_outliers_lie_beyond_the_far_fences() -> None:
    rng = np.random.default_rng(1)
    usual = rng.normal(40.0, 10.0, 5_000).clip(0, 80)
    found = look(Column(pl.Series([*usual, *[9_999.0] * 12, -5_000.0])), T)
    assert (found["above"], found["below"]) == (12, 1)
    assert found["high"] is not None
    assert 85 < found["high"] < 100
    assert sum(found["heights"]) == 5_013


def test_values_half_of_which_are_the_same_have_no_fences() -> None:
    found = look(Column(pl.Series([0.0] * 90 + [5.0] * 10)), T)
    assert (found["low"], found["below"], found["above"]) == (None, 0, 0)
    assert found["top"] == [["0", 90], ["5", 10]]


def test_what_is_no_finite_number_is_left_out() -> None:
    found = look(Column(pl.Series([1.0, 2.0, float("nan"), float("inf"), None])), T)
    assert (found["distinct"], found["quartiles"][-1]) == (2, 2.0)


def test_dates_to_come_and_before_1900_are_counted() -> None:
    days = [date(2026, 6, 2)] * 4 + [date(1899, 12, 31)] * 2 + [date(2026, 6, 1), date(1980, 1, 1)]
    found = look(Column(pl.Series(days)), T)
    assert (found["future"], found["ancient"]) == (4, 2)


def test_text_that_is_nearly_all_numbers_has_misfits() -> None:
    said = [str(n) for n in range(970)] + ["unknown"] * 20 + ["n/a"] * 10
    found = look(Column(pl.Series(said)), T)
    assert (found["reads_as"], found["unfit"], found["examples"]) == ("number", 30, ["unknown", "n/a"])
    words = look(Column(pl.Series(["red", "green", "7"] * 50)), T)
    assert (words["reads_as"], words["unfit"]) == ("", 0)


def test_values_that_may_name_somebody_are_not_shown() -> None:
    found = look(Column(pl.Series(["ann@example.test"] * 30 + ["pro"] * 20)), T)
    assert found["top"] == [["pro", 20]]
    codes = look(Column(pl.Series([f"code {n}" for n in range(60)])), T)
    assert codes["top"] == []


def test_a_shift_of_all_values_is_strong_and_a_small_one_is_told() -> None:
    rng = np.random.default_rng(2)
    before = numbers(rng, 8_000)
    assert compared(numbers(rng, 2_000, 60.0), before)["moved"] == "strong"
    assert compared(numbers(rng, 2_000, 44.0), before)["moved"] == "some"
    assert compared(numbers(rng, 2_000), before)["moved"] == "no"


def test_a_new_level_is_drift() -> None:
    before = Column(pl.Series(["a", "b"] * 500))
    assert compared(Column(pl.Series(["a", "b", "c", "c"] * 100)), before)["moved"] == "strong"


def test_of_few_values_nothing_is_said() -> None:
    rng = np.random.default_rng(3)
    assert compared(numbers(rng, 99, 90.0), numbers(rng, 8_000))["moved"] == "few"


@pytest.mark.parametrize("column", [pl.Series(range(5_000)), pl.Series([f"x{n}" for n in range(5_000)])])
def test_what_names_customers_is_not_compared(column: pl.Series) -> None:
    assert look(Column(column), T)["spread"] is None


def test_a_fall_of_the_filled_share_is_found() -> None:
    before = Column(pl.Series([1.0] * 900 + [None] * 100))
    found = compared(Column(pl.Series([1.0] * 300 + [None] * 200)), before)
    assert found["has_fallen"]
    assert -0.4 < found["change"][0] < -0.3 < found["change"][1] < -0.2
    assert not compared(Column(pl.Series([1.0] * 440 + [None] * 60)), before)["has_fallen"]


def test_the_interval_of_a_change_is_newcombes() -> None:
    low, high = change_of_share(56, 70, 48, 80, 1.959964)  # his first example, method 10
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


@pytest.mark.long
def test_clean_imports_raise_hardly_any_alarm() -> None:
    rng = np.random.default_rng(4)
    before = [look(one, T) for one in some_fields(rng, 3_000)]
    alarms = 0
    for _ in range(200):
        now = some_fields(rng, int(rng.integers(110, 900)))
        found = [drift(one, look(one, T), was, T, FIELDS) for one, was in zip(now, before, strict=True)]
        alarms += any(one["moved"] == "strong" or one["has_fallen"] for one in found)
    assert alarms < 10
