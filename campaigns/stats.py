"""Statistics as small frozen values that add: any split of the customers gives the same sums and the same result."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, sqrt

from scipy.stats import norm, t
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

ENOUGH = 20  # customers in an arm below which no interval is given
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A value with the range that covers the truth with 95 % confidence."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Say whether an effect is shown, of either sign."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True)
class Difference:
    """A difference of two arms, or the sentence that says why there is none."""

    interval: Interval | None
    message: str = ""


@dataclass(frozen=True)
class Proportion:
    """So many of so many."""

    n: int = 0
    successes: int = 0

    def __add__(self, other: "Proportion") -> "Proportion":
        return Proportion(self.n + other.n, self.successes + other.successes)

    @property
    def value(self) -> float | None:
        """Give the share, or None of nobody."""
        return self.successes / self.n if self.n else None


@dataclass(frozen=True)
class Mean:
    """The sums a mean and its variance follow from."""

    n: int = 0
    total: float = 0.0
    total_squares: float = 0.0

    def __add__(self, other: "Mean") -> "Mean":
        return Mean(self.n + other.n, self.total + other.total, self.total_squares + other.total_squares)

    @property
    def value(self) -> float | None:
        """Give the mean, or None of nobody."""
        return self.total / self.n if self.n else None

    @property
    def variance(self) -> float:
        """Give the variance with n - 1, at least 0; 0 of fewer than two."""
        if self.n < 2:
            return 0.0
        return max(0.0, (self.total_squares - self.total**2 / self.n) / (self.n - 1))


def wilson(share: Proportion, confidence: float = CONFIDENCE) -> Interval:
    """Give the score interval of a share of at least one (Wilson 1927)."""
    low, high = proportion_confint(share.successes, share.n, alpha=1 - confidence, method="wilson")
    return Interval(share.successes / share.n, float(low), float(high))


def difference_of_proportions(one: Proportion, other: Proportion, confidence: float = CONFIDENCE) -> Difference:
    """Give one minus other, with the hybrid score interval without continuity correction (Newcombe 1998, method 10)."""
    if too_few := _too_few(one.n, other.n):
        return Difference(None, too_few)
    low, high = confint_proportions_2indep(
        one.successes, one.n, other.successes, other.n, method="newcomb", compare="diff", alpha=1 - confidence
    )
    return Difference(Interval(one.successes / one.n - other.successes / other.n, float(low), float(high)))


def pooled_ratio(strata: Sequence[tuple[Proportion, Proportion]], confidence: float = CONFIDENCE) -> Difference:
    """Give how many times the first share of each pair is as large as the second, pooled over pairs by their numbers.

    The estimate is Mantel and Haenszel's (1959), so that pairs whose arms differ in size do not pass for an effect; its
    interval is Greenland and Robins's (1985), of one pair that of Katz and others (1978).
    """
    one, other = (sum((pair[side] for pair in strata), Proportion()) for side in (0, 1))
    if too_few := _too_few(one.n, other.n):
        return Difference(None, too_few)
    sizes = [(a.n, b.n, a.n + b.n) for a, b in strata if a.n and b.n]
    counts = [(a.successes, b.successes) for a, b in strata if a.n and b.n]
    up = sum(x * n0 / n for (x, _), (_, n0, n) in zip(counts, sizes, strict=True))
    down = sum(y * n1 / n for (_, y), (n1, _, n) in zip(counts, sizes, strict=True))
    if up == 0.0 or down == 0.0:
        return Difference(None, "No interval: in one of the arms there is no case to compare.")
    spread = sum((x + y) * n1 * n0 / n**2 - x * y / n for (x, y), (n1, n0, n) in zip(counts, sizes, strict=True))
    half = float(norm.ppf(0.5 + confidence / 2)) * sqrt(max(0.0, spread) / (up * down))
    return Difference(Interval(up / down, up / down * exp(-half), up / down * exp(half)))


def difference_of_means(one: Mean, other: Mean, confidence: float = CONFIDENCE) -> Difference:
    """Give one minus other, with the interval of unequal variances (Welch 1947)."""
    if too_few := _too_few(one.n, other.n):
        return Difference(None, too_few)
    a, b = one.variance / one.n, other.variance / other.n
    value = one.total / one.n - other.total / other.n
    if a + b == 0.0 or not isfinite(a + b):
        return Difference(None, "No interval: the values do not vary.")
    degrees = (a + b) ** 2 / (a * a / (one.n - 1) + b * b / (other.n - 1))
    half = float(t.ppf(0.5 + confidence / 2, degrees)) * sqrt(a + b)
    return Difference(Interval(value, value - half, value + half))


def is_balanced(control: int, expected: float, variance: float, alarm: float = 0.001) -> bool:
    """Say whether as many customers came into control as the draws' probabilities give; p below `alarm` is a fault.

    The check for a sample ratio mismatch (Fabijan et al., KDD 2019), on the normal approximation.
    """
    if variance < 5.0:
        return True
    return bool(2 * norm.sf(abs(control - expected) / sqrt(variance)) >= alarm)


def _too_few(one: int, other: int) -> str:
    if min(one, other) >= ENOUGH:
        return ""
    return f"Too few customers to compare: {one} against {other}; each side needs {ENOUGH}."
