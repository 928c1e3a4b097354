"""Sums that add: any split of the customers gives the same sums, and so the same result."""

from dataclasses import dataclass

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
class Contrast:
    """One arm minus another: the estimate, the variance of the estimate, and Welch's degrees of freedom."""

    value: float
    variance: float
    degrees: float = float("inf")


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

    @property
    def as_mean(self) -> "Mean":
        """Give the same customers as a mean of ones and zeros."""
        return Mean(self.n, float(self.successes), float(self.successes))


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


@dataclass(frozen=True)
class CovariateMean:
    """A mean with what was known of each customer before the decision (y, and x before), and their products."""

    after: Mean = Mean()
    before: Mean = Mean()
    total_products: float = 0.0

    def __add__(self, other: "CovariateMean") -> "CovariateMean":
        products = self.total_products + other.total_products
        return CovariateMean(self.after + other.after, self.before + other.before, products)

    @property
    def covariance(self) -> float:
        """Give the covariance of before and after with n - 1; 0 of fewer than two."""
        n = self.after.n
        return (self.total_products - self.after.total * self.before.total / n) / (n - 1) if n > 1 else 0.0


@dataclass(frozen=True)
class WeightedMean:
    """The sums of a mean weighted by w, one over the probability of the arm: of w, wy, w2, w2y and w2y2."""

    n: int = 0
    weights: float = 0.0
    total: float = 0.0
    square_weights: float = 0.0
    square_total: float = 0.0
    square_squares: float = 0.0

    def __add__(self, other: "WeightedMean") -> "WeightedMean":
        return WeightedMean(
            self.n + other.n,
            self.weights + other.weights,
            self.total + other.total,
            self.square_weights + other.square_weights,
            self.square_total + other.square_total,
            self.square_squares + other.square_squares,
        )

    @property
    def value(self) -> float | None:
        """Give the mean, or None of nobody (Hajek 1971: the weights are made to add up to 1)."""
        return self.total / self.weights if self.weights else None

    @property
    def variance_of_mean(self) -> float:
        """Give the variance of the mean itself: of its linear part, w (y - mean) over the sum of w."""
        if not self.weights:
            return 0.0
        mean = self.total / self.weights
        spread = self.square_squares - 2 * mean * self.square_total + mean * mean * self.square_weights
        return max(0.0, spread) / self.weights**2

    @property
    def effective(self) -> float:
        """Give how many customers of equal weights would say as much (Kish 1965)."""
        return self.weights**2 / self.square_weights if self.square_weights else 0.0
