"""Intervals that hold at every look at once, however often anybody looks and whenever she stops.

`Planned` is for a number of customers that was planned, `Endless` for when none was. Both see the standardised estimate
as Brownian motion B over t, the customers so far in parts of the plan: B(t) is the root of t times estimate over error.
Where an arm is small its error is a guess itself: Student's t takes the normal's place at the same tail chance
(Jennison and Turnbull 2000, Group Sequential Methods, 3.8). docs/decisions/0002-looks.md tells why these.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, isfinite, log, pi, sqrt

import numpy as np
from scipy.special import lambertw, ndtr, ndtri, stdtr, stdtrit

from campaigns.stats.values import CONFIDENCE, Contrast, Difference, Interval

POINTS = 128  # of Gauss and Legendre
SMALLEST = 1e-12
BURN_IN = 0.2  # of what it was tuned to: before, an endless sequence gives no interval, for it holds asymptotically

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Planned:
    """Looks at any time, narrowest when so many customers are there; afterwards the width stays.

    Until the plan |B(t)| stays below a constant, O'Brien and Fleming's (1979) boundary for looks without end (Lan and
    DeMets 1983); after it |B(t)| stays below that times t, the same turned round by time inversion, t B(1/t).
    """

    customers: int

    def times(self, so_far: int, confidence: float = CONFIDENCE) -> float:
        """Give how many standard errors to each side the interval reaches."""
        return _limit(confidence) / self._rooted(so_far)

    def p_value(self, found: Contrast, so_far: int) -> float:
        """Give the smallest risk at which zero is outside, valid at any look."""
        return min(1.0, crossing(_errors_away(found) * self._rooted(so_far)))

    def _rooted(self, so_far: int) -> float:
        """Give the root of t, after the plan of 1 / t."""
        return sqrt(min(so_far / self.customers, self.customers / so_far))


@dataclass(frozen=True)
class Endless:
    """Looks at any time, without a plan: narrowest near so many customers, and narrowing for ever.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit
    theory and asymptotic confidence sequences, Annals of Statistics 2024, theorem 2.2, with rho tuned as in their B.2.
    """

    customers: int

    def times(self, so_far: int, confidence: float = CONFIDENCE) -> float:
        """Give how many standard errors to each side the interval reaches."""
        if so_far < BURN_IN * self.customers:
            return inf
        r = self._mixed(so_far)
        return sqrt(2 * (r + 1) / r * log(sqrt(r + 1) / (1 - confidence)))

    def p_value(self, found: Contrast, so_far: int) -> float:
        """Give the smallest risk at which zero is outside, valid at any look."""
        if so_far < BURN_IN * self.customers:
            return 1.0
        r = self._mixed(so_far)
        return min(1.0, sqrt(r + 1) * exp(-(_errors_away(found) ** 2) * r / (2 * (r + 1))))

    def _mixed(self, so_far: int) -> float:
        """Give t times rho squared."""
        return _tuned() * so_far / self.customers


def at_any_look(found: Contrast, so_far: int, looks: Planned | Endless, confidence: float = CONFIDENCE) -> Difference:
    """Give a contrast of so many customers with the interval that holds at every look at once."""
    if found.variance <= 0.0 or so_far == 0:
        return Difference(None, "No interval: the values do not vary.")
    half = _student(looks.times(so_far, confidence), found.degrees) * sqrt(found.variance)
    if not isfinite(half):
        return Difference(None, "Too few customers yet for an interval that holds at any look.")
    return Difference(Interval(found.value, found.value - half, found.value + half))


def crossing(limit: float) -> float:
    """Give the chance that |B(t)| ever reaches limit until t = 1, or limit times t after it.

    Given B(1) = x, a line `limit` above is crossed before with chance exp(-2 limit (limit - x)) (Siegmund 1985,
    Sequential Analysis, chapter III), after it, by time inversion, with the same chance and independently. That both
    lines are crossed in one half is counted twice, on the safe side.
    """

    places, weights = _legendre()
    x = limit * places
    above, below = np.exp(-2 * limit * (limit - x)), np.exp(-2 * limit * (limit + x))
    stays = np.exp(-x * x / 2) / sqrt(2 * pi) * np.maximum(0.0, 1 - above - below) ** 2
    return 1.0 - limit * float(stays @ weights)


def _errors_away(found: Contrast) -> float:
    """Give how many standard errors a contrast is from zero, as the normal has them."""
    if found.variance <= 0.0:
        return 0.0
    return -float(ndtri(stdtr(found.degrees, -abs(found.value) / sqrt(found.variance))))


def _student(times: float, degrees: float) -> float:
    """Give the quantile of Student's t that has the same chance beyond it as so many standard errors."""
    return -float(stdtrit(degrees, ndtr(-times))) if isfinite(degrees) else times


@lru_cache(maxsize=16)
def _limit(confidence: float) -> float:
    """Give the limit that is crossed with a chance of 1 - confidence, halving between 1 and 8."""
    low, high = 1.0, 8.0
    while high - low > SMALLEST:
        middle = (low + high) / 2
        low, high = (middle, high) if crossing(middle) > 1 - confidence else (low, middle)
    return high


@lru_cache(maxsize=1)
def _legendre() -> tuple[Floats, Floats]:
    """Give the points and weights of an integral from -1 to 1."""
    return np.polynomial.legendre.leggauss(POINTS)


@lru_cache(maxsize=1)
def _tuned() -> float:
    """Give rho squared times the plan that makes the sequence narrowest there."""
    return -float(lambertw(-((1 - CONFIDENCE) ** 2) / exp(1), -1).real) - 1
