"""How often customers will order and what they will spend, from the days they ordered on: BG/NBD and Gamma-Gamma.

Orders: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24(2), 2005. What an order is
worth: Fader and Hardie, The Gamma-Gamma Model of Monetary Value, 2013. Times are in weeks.

The chance of an order within a time is told, never the chance of being "alive": who ordered once is alive for sure by
this model, whatever she does.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit, hyp2f1

from customers.past import ORDER
from scoring.models import Target

CHANCE, ORDERS, SPEND = "value.chance", "value.orders", "value.spend"
COLUMNS = (CHANCE, ORDERS, SPEND)
READS = ("features.order_days", "features.first_order_days", "features.recency_days", "features.spend")
TOTAL_DRAWS, AT_ONCE = 200, 5_000  # of a total, and customers that are drawn together
CORRELATED = 0.3  # beyond it, what an order is worth goes with how often one orders, and Gamma-Gamma is off
WEEK_DAYS = 7.0
MOST_DAYS = 1 << 20
POLE = 1e-5  # the expectation is taken no nearer to a = 1, where its formula divides by nothing

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Draws = np.ndarray[tuple[int, int], np.dtype[np.float64]]


class History(NamedTuple):
    """When each customer ordered: days with an order after the first, weeks from first to last, weeks since first."""

    repeats: Floats
    last: Floats
    age: Floats

    def at(self, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "History":
        return History(*(column[rows] for column in self))


class Baskets(NamedTuple):
    """What customers spent: on how many days, and on average a day (0 where there are none)."""

    days: Floats
    mean: Floats


class Simulated(NamedTuple):
    """What may come, a row a draw: a column for each customer."""

    orders: Draws
    spend: Draws


@dataclass(frozen=True)
class Buying:
    """BG/NBD: rates of ordering are Gamma(r, alpha) a week, the chances to leave after an order are Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, history: History) -> Floats:
        """Give the probability that a customer has not left (ibid., eq. 11): a step on the way, not for showing."""
        x, last, age = history
        odds = (self.r + x) * np.log((self.alpha + age) / (self.alpha + last))
        odds += np.log(self.a) - np.log(self.b + np.maximum(x, 1.0) - 1)
        alive: Floats = np.where(x > 0, expit(-odds), 1.0)
        return alive

    def chance(self, history: History, weeks: float) -> Floats:
        """Give the chance of at least one order within so many weeks.

        The next order of who has not left comes by her own rate, which is Gamma(r + x, alpha + T) by now; whether she
        leaves is settled after it.
        """
        x, _, age = history
        silent = np.exp(-(self.r + x) * np.log1p(weeks / (self.alpha + age)))
        chance: Floats = self.alive(history) * (1 - silent)
        return chance

    def orders(self, history: History, weeks: float) -> Floats:
        """Give the expected orders within so many weeks (ibid., eq. 10, turned by Euler's transformation).

        Turned so, the hypergeometric function has small parameters however many orders there were.
        """
        a = self.a if abs(self.a - 1) > POLE else 1 + POLE
        x, _, age = history
        days = np.round(age * WEEK_DAYS).astype(np.int64)
        pairs, place = np.unique(x.astype(np.int64) * MOST_DAYS + days, return_inverse=True)
        most, z = (pairs // MOST_DAYS).astype(np.float64), weeks / (self.alpha + pairs % MOST_DAYS / WEEK_DAYS + weeks)
        inner = hyp2f1(a - 1, a + self.b - 1 - self.r, a + self.b + most - 1, z)
        expected = (a + self.b + most - 1) / (a - 1) * (1 - (1 - z) ** (a - 1) * inner)
        found: Floats = np.maximum(expected, 0.0)[place] * self.alive(history)
        return found


@dataclass(frozen=True)
class Spending:
    """Gamma-Gamma: what is spent on a day with an order is Gamma(p, nu), and nu is Gamma(q, v) over customers."""

    p: float
    q: float
    v: float

    def mean(self, baskets: Baskets) -> Floats:
        """Give what a customer is expected to spend on a day with an order (ibid., eq. 5)."""
        mean: Floats = self.p * (self.v + baskets.days * baskets.mean) / (self.p * baskets.days + self.q - 1)
        return mean


@dataclass(frozen=True)
class Parameters:
    """Both models of one shop as of a time, and how far what orders are worth goes with how many there are."""

    buying: Buying
    spending: Spending
    correlation: float

    @property
    def is_correlated(self) -> bool:
        return abs(self.correlation) >= CORRELATED

    def plain(self) -> dict[str, float]:
        """Give all numbers by name, for a file or a report."""
        return {**asdict(self.buying), **asdict(self.spending), "correlation": self.correlation}


def from_plain(plain: dict[str, float]) -> Parameters:
    """Give the parameters that `plain` told."""
    buying = Buying(*(float(plain[name]) for name in ("r", "alpha", "a", "b")))
    spending = Spending(*(float(plain[name]) for name in ("p", "q", "v")))
    return Parameters(buying, spending, float(plain["correlation"]))


def speaks_of(target: Target) -> bool:
    """Tell whether a target asks about orders, so that the days of orders say something about it."""
    return target.event == ORDER


def add(frame: pl.DataFrame, parameters: Parameters | None, days: float) -> pl.DataFrame:
    """Give the frame with the chance of an order, the expected orders and the expected spend of so many days.

    Who never ordered has no value; without parameters nobody has one.
    """
    found = np.full((len(COLUMNS), frame.height), np.nan)
    if parameters is not None and frame.height:
        rows = np.flatnonzero((frame[READS[0]] > 0).fill_null(value=False).to_numpy())
        history, baskets = told(frame.select(READS)[rows])
        weeks = days / WEEK_DAYS
        orders = parameters.buying.orders(history, weeks)
        found[0, rows] = parameters.buying.chance(history, weeks)
        found[1, rows] = orders
        found[2, rows] = orders * parameters.spending.mean(baskets)
    return frame.with_columns(
        pl.Series(name, column).fill_nan(None) for name, column in zip(COLUMNS, found, strict=True)
    )


def simulate(parameters: Parameters, known: tuple[History, Baskets], weeks: float, draws: int, seed: int) -> Simulated:
    """Draw what the customers may order and spend within so many weeks, given what they did.

    Who has not left has a rate that is Gamma(r + x, alpha + T) and leaves after an order with a chance that is
    Beta(a, b + x): the orders are Poisson up to the one after which she leaves.
    """
    (history, baskets), buying, spending = known, parameters.buying, parameters.spending
    shape = (draws, len(history.age))
    generator = np.random.default_rng(seed)
    is_alive = generator.random(shape) < buying.alive(history)
    rates = generator.gamma(buying.r + history.repeats, 1 / (buying.alpha + history.age), shape)
    leaving = np.maximum(generator.beta(buying.a, buying.b + history.repeats, shape), 1e-12)
    orders = np.minimum(generator.poisson(rates * weeks), generator.geometric(leaving)) * is_alive
    scale = generator.gamma(
        spending.q + spending.p * baskets.days, 1 / (spending.v + baskets.days * baskets.mean), shape
    )
    spend = generator.gamma(np.maximum(spending.p * orders, 1e-12)) / scale * (orders > 0)
    return Simulated(orders.astype(np.float64), spend)


def simulated_total(parameters: Parameters, frame: pl.DataFrame, weeks: float, seed: int) -> Floats:
    """Draw what all customers of a frame who ordered may spend in all within so many weeks, a number a draw."""
    history, baskets = told(frame.drop_nulls(READS))
    total = np.zeros(TOTAL_DRAWS)
    for start in range(0, len(history.age), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(history.age)))
        some = Baskets(baskets.days[rows], baskets.mean[rows])
        total += simulate(parameters, (history.at(rows), some), weeks, TOTAL_DRAWS, seed + start).spend.sum(axis=1)
    return total


def told(frame: pl.DataFrame) -> tuple[History, Baskets]:
    """Give what the frame tells of customers who ordered."""
    days, first, recency, spend = (frame[name].cast(pl.Float64).to_numpy() for name in READS)
    age = first / WEEK_DAYS
    last = np.clip((first - recency) / WEEK_DAYS, 0.0, age)
    return History(days - 1, np.where(days > 1, last, 0.0), age), Baskets(days, spend / np.maximum(days, 1.0))
