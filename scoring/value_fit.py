"""The parameters of both models of orders and spending, estimated from the customers who ordered (see value).

It stands apart since only training needs an optimiser: who predicts, and every page, starts without one.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from customers.draws import draw
from scoring.value import READS, Baskets, Buying, Floats, History, Parameters, Spending, told

MOST_FITTED = 50_000  # customers the parameters are estimated from
FEWEST_BUYERS, FEWEST_REPEATERS = 200, 50
LEAST = 1e-4  # of any parameter
MOST_BUYING, MOST_SPENDING = (1e3, 1e5, 50.0, 1e3), (1e4, 1e4, 1e9)  # beyond, customers hardly differ

Step = tuple[float, Floats]


def fit(frame: pl.DataFrame) -> Parameters | None:
    """Estimate the parameters from the frame's customers, 50,000 at most; None where too few ordered again."""
    buyers = frame.filter(pl.col(READS[0]) > 0)
    if buyers.height > MOST_FITTED:
        drawn = draw(buyers["seed"], "scoring.value").rank("ordinal") <= MOST_FITTED
        buyers = buyers.filter(drawn)
    history, baskets = told(buyers)
    if len(history.age) < FEWEST_BUYERS or (history.repeats > 0).sum() < FEWEST_REPEATERS or not baskets.mean.any():
        return None
    return Parameters(fit_buying(history), fit_spending(baskets), correlation(baskets))


def fit_buying(history: History) -> Buying:
    """Estimate BG/NBD by maximum likelihood."""
    x, last, age = history
    counts = np.bincount(x.astype(np.int64)).astype(np.float64)
    seen = np.flatnonzero(counts).astype(np.float64)
    times, is_repeat = counts[seen.astype(np.int64)], x > 0

    def slope(logs: Floats) -> Step:
        r, alpha, a, b = np.exp(logs)
        more = np.maximum(x, 1.0)
        silent, left = -(r + x) * np.log(alpha + age), np.log(a) - np.log(b + more - 1) - (r + x) * np.log(alpha + last)
        left = np.where(is_repeat, left, -np.inf)
        each = np.logaddexp(silent, left)
        stays = np.exp(silent - each)
        leaves = 1 - stays
        by_count = gammaln(r + seen) - gammaln(r) + r * np.log(alpha)
        by_count += gammaln(a + b) - gammaln(a + b + seen) + gammaln(b + seen) - gammaln(b)
        stay_or_leave = digamma(a + b) - digamma(a + b + seen)
        steps = np.array(
            [
                times @ (digamma(r + seen) - digamma(r) + np.log(alpha))
                - (stays * np.log(alpha + age) + leaves * np.log(alpha + last)).sum(),
                len(x) * r / alpha - ((r + x) * (stays / (alpha + age) + leaves / (alpha + last))).sum(),
                times @ stay_or_leave + leaves.sum() / a,
                times @ (stay_or_leave + digamma(b + seen) - digamma(b)) - (leaves / (b + more - 1)).sum(),
            ]
        )
        return float(times @ by_count + each.sum()), steps

    return Buying(*_highest(slope, (1.0, float(age.mean()), 1.0, 1.0), MOST_BUYING, len(x)))


def fit_spending(baskets: Baskets) -> Spending:
    """Estimate Gamma-Gamma by maximum likelihood from the customers who spent anything."""
    n, mean = (column[(baskets.days > 0) & (baskets.mean > 0)] for column in baskets)
    log_mean, log_n = np.log(mean), np.log(n)
    unit = float(np.exp(log_mean.mean()))

    def slope(logs: Floats) -> Step:
        p, rest, v = np.exp(logs)
        q = 1 + rest  # or else nobody's mean would be finite
        total = np.log(v + n * mean)
        both = digamma(p * n + q)
        likelihood = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v)
        likelihood += (p * n - 1) * log_mean + p * n * log_n - (p * n + q) * total
        by_p = n * (both - digamma(p * n) + log_mean + log_n - total)
        by_q, by_v = both - digamma(q) + np.log(v) - total, q / v - (p * n + q) / (v + n * mean)
        return float(likelihood.sum()), np.array([by_p.sum(), by_q.sum(), by_v.sum()])

    p, rest, v = _highest(slope, (2.0, 2.0, unit), MOST_SPENDING, len(n))
    return Spending(p, 1 + rest, v)


def correlation(baskets: Baskets) -> float:
    """Give the correlation of how many orders there are and what they are worth, of those who ordered again."""
    again = baskets.days > 1
    if again.sum() < 2 or not baskets.days[again].std() or not baskets.mean[again].std():
        return 0.0
    return float(np.corrcoef(baskets.days[again], baskets.mean[again])[0, 1])


def _highest(
    slope: Callable[[Floats], Step], first: tuple[float, ...], most: tuple[float, ...], rows: int
) -> list[float]:
    """Give the parameters of the highest likelihood; `slope` gives it and its derivatives, by their logarithms."""

    def loss(logs: Floats) -> Step:
        likelihood, steps = slope(logs)
        return -likelihood / rows, -steps * np.exp(logs) / rows

    bounds = [(np.log(LEAST), np.log(limit)) for limit in most]
    options = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}
    start = np.clip(np.log(first), *np.transpose(bounds))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return [float(one) for one in np.exp(found.x)]
