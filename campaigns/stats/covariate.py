"""A narrower interval from what was known before: CUPED.

Deng, Xu, Kohavi and Walker, Improving the sensitivity of online controlled experiments by utilizing pre-experiment
data, WSDM 2013. What a customer was worth before the decision explains a part of what she is worth after it, in both
arms alike; that part is taken away. It makes no bias, for nothing before the decision depends on the arm.
"""

from dataclasses import dataclass

from campaigns.stats.intervals import contrast, contrast_of_means
from campaigns.stats.values import Contrast, CovariateMean

WORTH_IT = 0.01  # of the variance; less is not worth a second way to count


@dataclass(frozen=True)
class Adjusted:
    """A contrast of two arms, and which part of its variance the time before took away; 0 where it was not used."""

    contrast: Contrast
    cut: float = 0.0


def adjusted(one: CovariateMean, other: CovariateMean) -> Adjusted:
    """Give one minus other of two arms with customers, adjusted by the time before where that narrows the interval."""
    plain = contrast_of_means(one.after, other.after)
    theta = slope((one, other))
    apart = one.before.total / one.before.n - other.before.total / other.before.n
    rest = [(_variance_left(arm, theta), arm.after.n) for arm in (one, other)]
    found = contrast(plain.value - theta * apart, rest[0], rest[1])
    cut = 1.0 - found.variance / plain.variance if plain.variance else 0.0
    return Adjusted(found, cut) if cut >= WORTH_IT else Adjusted(plain)


def slope(arms: tuple[CovariateMean, ...]) -> float:
    """Give theta, how much after goes with one more before: one for all arms, from the differences within each."""
    spread = sum(arm.before.variance * (arm.before.n - 1) for arm in arms)
    together = sum(arm.covariance * (arm.after.n - 1) for arm in arms)
    return together / spread if spread > 0.0 else 0.0


def _variance_left(arm: CovariateMean, theta: float) -> float:
    return max(0.0, arm.after.variance - 2 * theta * arm.covariance + theta * theta * arm.before.variance)
