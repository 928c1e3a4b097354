"""BG/NBD and Gamma-Gamma: the published figures, the closed forms against simulation, and the columns of a frame."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from scoring import value, value_fit
from scoring.value import Baskets, Buying, History, Parameters, Spending
from tests.conftest import DATA, IS_CI

CALIBRATED = date(1997, 9, 30)
WEEKS = 39
SHOP = Parameters(Buying(0.8, 9.0, 0.9, 3.0), Spending(6.0, 4.0, 15.0), 0.1)


@pytest.fixture(scope="module")
def cdnow() -> pl.DataFrame:
    """Give what 2,357 customers of CDNOW did in 39 weeks, and in the 39 weeks after them."""
    path = DATA / "cdnow" / "CDNOW_sample.txt.gz"
    if not path.is_file():
        (pytest.fail if IS_CI else pytest.skip)(f"the public data sets are not at {DATA}")
    lines = pl.read_csv(path, has_header=False, new_columns=["line"], schema_overrides=[pl.String])["line"]
    parts = lines.str.strip_chars().str.replace_all(" +", ",").str.split(",")
    days = pl.DataFrame({"who": parts.list[1], "day": parts.list[2].str.to_date("%Y%m%d"), "spend": parts.list[4]})
    days = days.group_by("who", "day").agg(pl.col("spend").cast(pl.Float64).sum())
    before = days.filter(pl.col("day") <= CALIBRATED).sort("day")
    later = days.filter(pl.col("day") > CALIBRATED).group_by("who").agg(later=pl.len(), spent=pl.col("spend").sum())
    told = before.group_by("who").agg(
        repeats=pl.len() - 1.0,
        last=(pl.col("day").last() - pl.col("day").first()).dt.total_days() / 7,
        age=(pl.lit(CALIBRATED) - pl.col("day").first()).dt.total_days() / 7,
        mean=pl.col("spend").slice(1).mean().fill_null(0.0),
    )
    return told.join(later, on="who", how="left").with_columns(pl.col("later", "spent").fill_null(0.0)).sort("who")


def history_of(frame: pl.DataFrame) -> History:
    return History(*(frame[name].to_numpy() for name in ("repeats", "last", "age")))


def test_cdnow_has_the_published_parameters(cdnow: pl.DataFrame) -> None:
    buying = value_fit.fit_buying(history_of(cdnow))
    assert (round(buying.r, 3), round(buying.alpha, 3), round(buying.a, 3), round(buying.b, 3)) == pytest.approx(
        (0.243, 4.414, 0.793, 2.426)
    )
    spending = value_fit.fit_spending(Baskets(cdnow["repeats"].to_numpy(), cdnow["mean"].to_numpy()))
    assert (spending.p, spending.q, spending.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.006)


def test_cdnow_is_foreseen_as_well_as_published(cdnow: pl.DataFrame) -> None:
    history, orders = history_of(cdnow), cdnow["later"].to_numpy()
    buying = value_fit.fit_buying(history)
    expected = buying.orders(history, WEEKS)
    assert np.abs(expected - orders).mean() <= 0.786
    assert np.corrcoef(expected, orders)[0, 1] == pytest.approx(0.626, abs=0.001)
    assert expected.sum() / orders.sum() - 1 == pytest.approx(-0.122, abs=0.001)


def test_the_chance_of_an_order_is_told_and_not_who_is_alive(cdnow: pl.DataFrame) -> None:
    history, ordered = history_of(cdnow), cdnow["later"].to_numpy() > 0
    buying = value_fit.fit_buying(history)
    assert np.mean((buying.chance(history, WEEKS) > 0.5) == ordered) == pytest.approx(0.779, abs=0.001)
    assert np.mean((buying.alive(history) > 0.5) == ordered) < 0.35


@pytest.mark.parametrize("weeks", [1.0, 13.0, 60.0])
def test_the_closed_forms_agree_with_simulated_customers(weeks: float) -> None:
    """Customers live by the model's story from their first order on; those with one past are looked at later."""
    rng, people, age = np.random.default_rng(5), 100_000, 40.0
    rates = rng.gamma(SHOP.buying.r, 1 / SHOP.buying.alpha, people)
    leaving = rng.beta(SHOP.buying.a, SHOP.buying.b, people)
    at, seen, last, later = np.zeros(people), np.zeros(people), np.zeros(people), np.zeros(people)
    stays = np.ones(people, dtype=bool)
    while stays.any():
        at = at + rng.exponential(1 / np.maximum(rates, 1e-9))
        is_past, comes = stays & (at <= age), stays & (at > age) & (at <= age + weeks)
        seen, last, later = seen + is_past, np.where(is_past, at, last), later + comes
        stays = stays & (at <= age + weeks) & (rng.random(people) >= leaving)
    history = History(seen, last, np.full(people, age))
    for least, most in ((0, 0), (1, 1), (2, 4), (5, 100)):
        some = (seen >= least) & (seen <= most)
        error = 4 / np.sqrt(some.sum())
        assert SHOP.buying.chance(history, weeks)[some].mean() == pytest.approx((later[some] > 0).mean(), abs=error / 2)
        spread = later[some].std()
        assert SHOP.buying.orders(history, weeks)[some].mean() == pytest.approx(later[some].mean(), abs=error * spread)


def test_draws_of_what_may_come_agree_with_what_is_expected() -> None:
    history = History(np.array([0.0, 3.0, 12.0]), np.array([0.0, 20.0, 39.0]), np.array([5.0, 30.0, 40.0]))
    baskets = Baskets(history.repeats + 1, np.array([20.0, 80.0, 35.0]))
    drawn = value.simulate(SHOP, (history, baskets), 26.0, 60_000, 1)
    expected = SHOP.buying.orders(history, 26.0)
    assert drawn.orders.mean(axis=0) == pytest.approx(expected, rel=0.04)
    assert (drawn.orders > 0).mean(axis=0) == pytest.approx(SHOP.buying.chance(history, 26.0), abs=0.01)
    assert drawn.spend.mean(axis=0) == pytest.approx(expected * SHOP.spending.mean(baskets), rel=0.05)
    again = value.simulate(SHOP, (history, baskets), 26.0, 60_000, 1)
    assert np.array_equal(drawn.spend, again.spend)


def test_nine_of_ten_cdnow_customers_lie_in_their_interval(cdnow: pl.DataFrame) -> None:
    history, baskets = history_of(cdnow), Baskets(cdnow["repeats"].to_numpy(), cdnow["mean"].to_numpy())
    parameters = Parameters(value_fit.fit_buying(history), value_fit.fit_spending(baskets), 0.0)
    drawn = value.simulate(parameters, (history, baskets), WEEKS, 200, 0)
    low, high = np.quantile(drawn.orders, [0.05, 0.95], axis=0)
    covered = (cdnow["later"].to_numpy() >= low) & (cdnow["later"].to_numpy() <= high)
    assert 0.90 <= covered.mean() <= 0.97


def test_a_total_is_drawn_for_all_customers_however_many_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    days, first = np.arange(1.0, 41.0), np.linspace(60.0, 300.0, 40)
    columns = (days, first, np.full(40, 20.0), days * 30)
    frame = pl.DataFrame(dict(zip(value.READS, columns, strict=True)))
    history, baskets = value.told(frame)
    expected = (SHOP.buying.orders(history, 26.0) * SHOP.spending.mean(baskets)).sum()
    assert value.simulated_total(SHOP, frame, 26.0, 1).mean() == pytest.approx(expected, rel=0.1)
    monkeypatch.setattr(value, "AT_ONCE", 7)
    assert value.simulated_total(SHOP, frame, 26.0, 1).mean() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    "parameters", [Buying(0.5, 8.0, 1.0, 3.0), Buying(1.2, 8.0, 0.01, 50.0), Buying(0.2, 0.01, 50.0, 1000.0)]
)
def test_expectations_stay_sound_at_the_edges(parameters: Buying) -> None:
    history = History(np.array([0.0, 400.0, 5000.0]), np.array([0.0, 200.0, 900.0]), np.array([0.0, 500.0, 900.0]))
    chance, orders = parameters.chance(history, 52.0), parameters.orders(history, 52.0)
    assert ((chance >= 0) & (chance <= 1) & (orders >= chance - 1e-9) & np.isfinite(orders)).all()


def shop_frame(count: int, seed: int = 2) -> pl.DataFrame:
    """Give customers of a shop as a snapshot tells them; every tenth never ordered."""
    rng = np.random.default_rng(seed)
    age, ends = rng.uniform(1, 700, count), rng.exponential(300, count)
    stayed = np.minimum(age, ends)
    repeats = rng.poisson(rng.gamma(0.8, 0.02, count) * stayed)
    since = np.where(repeats > 0, age - stayed * rng.random(count) ** (1 / np.maximum(repeats, 1)), age)
    never = np.arange(count) % 10 == 0
    return pl.DataFrame(
        {
            "seed": rng.integers(-(2**63), 2**63 - 1, count),
            "features.order_days": np.where(never, 0, repeats + 1),
            "features.first_order_days": np.where(never, np.nan, age),
            "features.recency_days": np.where(never, np.nan, since),
            "features.spend": np.where(never, 0.0, (repeats + 1) * rng.gamma(4.0, 10.0, count)),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def test_a_frame_gets_the_columns_of_what_is_expected() -> None:
    frame = shop_frame(2000)
    parameters = value_fit.fit(frame)
    assert parameters is not None
    found = value.add(frame, parameters, 90)
    bought = frame["features.order_days"] > 0
    assert found.filter(~bought).select(value.COLUMNS).null_count().row(0) == (200, 200, 200)
    assert found.filter(bought).select(value.COLUMNS).null_count().row(0) == (0, 0, 0)
    longer = value.add(frame, parameters, 180)
    assert (longer["value.chance"] > found["value.chance"]).drop_nulls().all()
    assert value.from_plain(parameters.plain()) == parameters
    alone = value.add(frame[7:8], parameters, 90)
    assert alone.row(0) == found.row(7)


def test_the_same_customers_in_another_order_give_the_same_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_fit, "MOST_FITTED", 1500)
    frame = shop_frame(4000)
    one, other = value_fit.fit(frame), value_fit.fit(frame[::-1])
    assert one is not None
    assert other is not None
    assert list(one.plain().values()) == pytest.approx(list(other.plain().values()), rel=1e-3)
    assert value_fit.fit(frame) == one


def test_few_repeated_orders_give_no_parameters_and_no_columns() -> None:
    frame = shop_frame(150)
    assert value_fit.fit(frame) is None
    assert value.add(frame, None, 90)["value.chance"].null_count() == 150


def test_worth_that_goes_with_frequency_is_seen() -> None:
    days = np.arange(1.0, 400.0)
    assert value_fit.correlation(Baskets(days, days * 3)) > value.CORRELATED
    assert abs(value_fit.correlation(Baskets(days, np.where(days % 2, 10.0, 20.0)))) < 0.1
