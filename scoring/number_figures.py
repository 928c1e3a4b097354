"""How good foreseen amounts are: figures with 95 % intervals.

The error of the total, the normalised Gini coefficient of the ranking (the area between the curve of captured amounts
and chance, against that of the best order: Wang, Liu and Miao, arXiv 1912.07753), Spearman's correlation, the mean
absolute error, and the share of all that the tenth foreseen to be highest has. Intervals are those of
scoring.evaluation: by a bootstrap of whole customers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.stats import rankdata

from scoring.evaluation import NORMAL_95, TOP_SHARE, Figure
from scoring.learners import Flags, Floats
from scoring.training_set import Ints

RESAMPLES = 200
TENTHS = 10
SHARES = tuple(i / 20 for i in range(21))
TOTAL, GINI, SPEARMAN, MAE, CAPTURE = "total_error", "gini", "spearman", "mae", "capture"
NAMES = (TOTAL, GINI, SPEARMAN, MAE, CAPTURE)

Statistic = Callable[[Floats], float]  # of weights of the rows


@dataclass(frozen=True)
class Amounts:
    """Amounts that were foreseen beside those that came, and whose row it is."""

    came: Floats
    foreseen: Floats
    customers: Ints

    def at(self, rows: Any) -> "Amounts":
        """Give some rows, by flags or by number."""
        return Amounts(self.came[rows], self.foreseen[rows], self.customers[rows])


class Draws(NamedTuple):
    """A figure as it is, and as it is in each resample."""

    value: float
    resampled: Floats

    def figure(self) -> Figure:
        half = NORMAL_95 * float(np.std(self.resampled, ddof=1))
        return Figure(self.value, self.value - half, self.value + half)


def figures(amounts: Amounts, seed: int) -> dict[str, Figure]:
    """Give all figures with their intervals."""
    ready = _Ready(amounts)
    return {name: _drawn(ready, getattr(ready, name), seed).figure() for name in NAMES}


def ranking(amounts: Amounts, seed: int) -> Draws:
    """Give the normalised Gini; the same customers and seed give the same resamples, to be compared."""
    ready = _Ready(amounts)
    return _drawn(ready, ready.gini, seed)


def share(flags: Flags) -> Figure:
    """Give the share of rows of which something holds."""
    value, rows = float(flags.mean()) if len(flags) else 0.0, max(len(flags), 1)
    half = NORMAL_95 * float(np.sqrt(value * (1 - value) / rows))
    return Figure(value, value - half, value + half)


def curves(amounts: Amounts) -> dict[str, list[dict[str, float]]]:
    """Give foreseen beside what came by tenth of the customers, and what the highest so many hold of all."""
    tenth = np.minimum((rankdata(amounts.foreseen, "ordinal") - 1) * TENTHS // len(amounts.came), TENTHS - 1)
    frame = pl.DataFrame({"tenth": tenth, "foreseen": amounts.foreseen, "came": amounts.came})
    bins = frame.group_by("tenth").agg(
        predicted=pl.col("foreseen").mean(), observed=pl.col("came").mean(), customers=pl.len()
    )
    ready, ones = _Ready(amounts), np.ones(len(amounts.came))
    return {
        "reliability": bins.sort("tenth").drop("tenth").with_columns(pl.col(pl.Float64).round(6)).to_dicts(),
        "gains": [{"share": share, "captured": round(ready.captured(ones, share), 6)} for share in SHARES],
    }


class _Order:
    """Rows by a number from the lowest up, in groups of equal ones, and what came of each."""

    def __init__(self, by: Floats, came: Floats) -> None:
        self.places = np.argsort(by, kind="stable")
        self.starts = np.flatnonzero(np.append([True], np.diff(by[self.places]) != 0))
        self.came = came[self.places]

    def held(self, weights: Floats) -> tuple[Floats, Floats]:
        """Give each group's rows and what came of them."""
        sorted_weights = weights[self.places]
        return np.add.reduceat(sorted_weights, self.starts), np.add.reduceat(sorted_weights * self.came, self.starts)

    def concentration(self, weights: Floats) -> float:
        """Give how far what came lies with the highest: 0 for chance; equal ones share their place."""
        rows, worth = self.held(weights)
        middle = np.cumsum(rows) - rows / 2
        return 2 * _over((worth * middle).sum() / rows.sum(), worth.sum()) - 1


class _Ready:
    """Amounts in order, so that a resample is no more than sums over weights of the rows."""

    def __init__(self, amounts: Amounts) -> None:
        self.amounts = amounts
        self.order, self.best = (_Order(by, amounts.came) for by in (amounts.foreseen, amounts.came))
        self.ranks, self.came_ranks = (rankdata(one) / len(one) for one in (amounts.foreseen, amounts.came))
        self.missed = np.abs(amounts.foreseen - amounts.came)

    def total_error(self, weights: Floats) -> float:
        return _over((weights * self.amounts.foreseen).sum(), (weights * self.amounts.came).sum()) - 1

    def gini(self, weights: Floats) -> float:
        return _over(self.order.concentration(weights), self.best.concentration(weights))

    def spearman(self, weights: Floats) -> float:
        return _correlation(self.ranks, self.came_ranks, weights)

    def mae(self, weights: Floats) -> float:
        return _over((weights * self.missed).sum(), weights.sum())

    def capture(self, weights: Floats) -> float:
        return self.captured(weights, TOP_SHARE)

    def captured(self, weights: Floats, share: float) -> float:
        """Give the share of all that came held by the top share of the rows; a group is cut where the share ends."""
        rows, worth = (part[::-1] for part in self.order.held(weights))
        upto = np.cumsum(rows)
        taken = np.clip(share * upto[-1] - (upto - rows), 0.0, rows)
        part = np.divide(taken, rows, out=np.zeros_like(rows), where=rows > 0)
        return _over((worth * part).sum(), worth.sum())


def _drawn(ready: _Ready, statistic: Statistic, seed: int) -> Draws:
    customers = ready.amounts.customers
    resampled = np.array([statistic(weights) for weights in _resamples(customers, seed)])
    return Draws(statistic(np.ones(len(customers))), resampled)


def _correlation(one: Floats, other: Floats, weights: Floats) -> float:
    rows = weights.sum()
    mean, mean_other = (weights * one).sum() / rows, (weights * other).sum() / rows
    both = (weights * (one - mean) * (other - mean_other)).sum()
    spread, spread_other = (weights * (one - mean) ** 2).sum(), (weights * (other - mean_other) ** 2).sum()
    return _over(both, np.sqrt(spread * spread_other))


def _over(top: float, bottom: float) -> float:
    """Divide; nothing over nothing is 0."""
    return float(top / bottom) if bottom > 0 else 0.0


def _resamples(customers: Ints, seed: int) -> Iterator[Floats]:
    """Give how often each row was drawn, whole customers at a time."""
    _, owner = np.unique(customers, return_inverse=True)
    count = int(owner.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)[owner]
