"""Intervals of shares by the score method, and of the difference of two, for data and campaigns alike."""

from math import hypot, sqrt


def wilson(successes: float, rows: int, errors: float) -> tuple[float, float]:
    """Give the score interval of a share of at least one row, at so many standard errors (Wilson, JASA 22, 1927)."""
    share, wide = successes / rows, 1 + errors**2 / rows
    middle = (share + errors**2 / (2 * rows)) / wide
    half = errors / wide * sqrt(share * (1 - share) / rows + (errors / (2 * rows)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(one: tuple[float, int], other: tuple[float, int], errors: float) -> tuple[float, float]:
    """Give the interval of the one share less the other, each as successes and rows.

    The hybrid score interval without continuity correction (Newcombe, Statistics in Medicine 17, 1998, method 10).
    """
    (low_one, high_one), (low_other, high_other) = wilson(*one, errors), wilson(*other, errors)
    a, b = one[0] / one[1], other[0] / other[1]
    return a - b - hypot(a - low_one, high_other - b), a - b + hypot(high_one - a, b - low_other)
