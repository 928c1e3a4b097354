"""What so many customers can show, and how many it takes: the normal approximation (Cohen 1988).

`times` is how many standard errors the interval reaches to each side: 1.96 for one look, looks.times(...) for any.
"""

from math import ceil, sqrt

from scipy.special import ndtri

ONE_LOOK = float(ndtri(0.975))
POWER = 0.8


def smallest_effect(one: tuple[float, int], other: tuple[float, int], times: float = ONE_LOOK) -> float | None:
    """Give the smallest difference that is shown with 80 % chance, of each arm's variance and customers."""
    if min(one[1], other[1]) < 1:
        return None
    return (times + float(ndtri(POWER))) * sqrt(one[0] / one[1] + other[0] / other[1])


def customers_needed(
    effect: float, variances: tuple[float, float], other_share: float, times: float = ONE_LOOK
) -> int | None:
    """Give how many customers in both arms together show an effect with 80 % chance; None where none would.

    `variances` are those of the one and the other arm, `other_share` the part of the customers in the other one.
    """
    if effect == 0.0 or not 0.0 < other_share < 1.0:
        return None
    spread = variances[0] / (1 - other_share) + variances[1] / other_share
    return ceil(spread * ((times + float(ndtri(POWER))) / effect) ** 2)
