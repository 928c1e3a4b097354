"""A made-up shop whose truth is known: who fades since when, and every order that no campaign brought about."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2024, 1, 1, tzinfo=UTC)
LAUNCH = START + timedelta(days=280)
END = LAUNCH + timedelta(weeks=8)
CUSTOMERS = 1_200
MOST_ORDERS = 220
SLOWER = 10.0  # times longer gaps, once a customer fades
AREA_CODES = (202, 303, 312, 404, 415, 503, 512, 602, 617, 702, 713, 801)


@dataclass(frozen=True)
class Shop:
    """Its customers, and their orders (customer, order, at, value) as they come without any campaign."""

    people: pl.DataFrame
    orders: pl.DataFrame

    def between(self, after: datetime, until: datetime) -> pl.DataFrame:
        """Give the orders in (after, until]."""
        return self.orders.filter(pl.col("at") > after, pl.col("at") <= until)


def make(seed: int) -> Shop:
    """Give a shop: half the customers fade at a time of their own, most of them on a monthly plan."""
    rng = np.random.default_rng(seed)
    fades = rng.random(CUSTOMERS) < 0.5
    is_monthly = rng.random(CUSTOMERS) < np.where(fades, 0.85, 0.15)
    numbers = np.arange(CUSTOMERS)
    people = pl.DataFrame(
        {
            "customer": [f"c{number:04}" for number in numbers],
            "mail": [f"c{number:04}@example.test" if number % 25 else "" for number in numbers],
            "telephone": [f"+1{AREA_CODES[number // 100]}55501{number % 100:02}" for number in numbers],
            "plan": np.where(is_monthly, "monthly", "yearly"),
            "mail_ok": np.where(numbers % 10 != 3, "yes", "no"),
            "call_ok": np.where(numbers % 5 != 1, "yes", "no"),
            "since": [START.isoformat()] * CUSTOMERS,
        }
    )
    return Shop(people, _orders(rng, people["customer"], fades))


def write(orders: pl.DataFrame, path: Path) -> Path:
    """Write orders as Parquet or CSV, by the name of the file."""
    if path.suffix == ".parquet":
        orders.write_parquet(path)
    else:
        orders.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
    return path


def _orders(
    rng: np.random.Generator, names: pl.Series, fades: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> pl.DataFrame:
    """Give the orders: gaps of a customer's own usual length, longer from the day on which she fades."""
    usual = rng.uniform(4.0, 16.0, CUSTOMERS)[:, None]
    days = (END - START).days
    fading_day = np.where(fades, rng.uniform(30.0, days, CUSTOMERS), float(days))[:, None]
    steady = np.cumsum(rng.gamma(2.0, 0.5, (CUSTOMERS, MOST_ORDERS)), axis=1) * usual
    day = np.where(steady < fading_day, steady, fading_day + (steady - fading_day) * SLOWER)
    values = rng.gamma(4.0, 10.0, day.shape).round(2)
    who, nth = np.nonzero(day < days)
    frame = pl.DataFrame({"who": who, "microsecond": (day[who, nth] * 86_400_000_000).astype(np.int64)})
    return frame.select(
        customer=names.gather(frame["who"]),
        order=pl.format("o{}-{}", "who", pl.Series(nth)),
        at=pl.lit(START).cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds="microsecond"),
        value=pl.Series(values[who, nth]),
    ).sort("at", "order")
