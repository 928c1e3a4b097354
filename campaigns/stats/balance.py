"""Whether the arms are as large as the draws make them: the check for a sample ratio mismatch.

Fabijan and others, Diagnosing sample ratio mismatch in online controlled experiments, KDD 2019: below p = .001 the
split is broken, and no result may be read until that is explained.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

from scipy.special import chdtrc, ndtr

ALARM = 0.001
FEWEST = 5.0  # expected in a cell, below which the approximation does not hold


def is_balanced(control: int, expected: float, variance: float, alarm: float = ALARM) -> bool:
    """Say whether as many customers came into control as the draws' probabilities give; p below `alarm` is a fault."""
    return chance_of_control(control, expected, variance) >= alarm


def chance_of_control(control: int, expected: float, variance: float) -> float:
    """Give the chance of a control group as far from what is expected as this one or further; 1 of too few.

    On the normal approximation, for customers whose probabilities differ.
    """
    if variance < FEWEST:
        return 1.0
    return float(2 * ndtr(-abs(control - expected) / sqrt(variance)))


def chance_of_split(counts: Sequence[Mapping[str, int]], shares: Sequence[Mapping[str, float]]) -> float:
    """Give the chance of counts as uneven as these or more, if the arms were drawn with these shares.

    Each pair of counts and shares is one version of a campaign: their chi-squares add, and so do their degrees (Pearson
    1900). An arm whose share is none and that has customers is impossible: 0. A version with too few is left out.
    """
    total, degrees = 0.0, 0
    for counted, share in zip(counts, shares, strict=True):
        n, whole = sum(counted.values()), sum(share.values())
        if any(counted[name] and not share.get(name) for name in counted):
            return 0.0
        expected = {name: n * part / whole for name, part in share.items() if part}
        if min(expected.values(), default=0.0) < FEWEST:
            continue
        total += sum((counted.get(name, 0) - few) ** 2 / few for name, few in expected.items())
        degrees += len(expected) - 1
    return float(chdtrc(degrees, total)) if degrees else 1.0
