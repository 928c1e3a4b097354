"""Intervals for one look, decided on before: of a share, a difference, a ratio."""

from collections.abc import Sequence
from math import exp, isfinite, sqrt

from scipy.special import ndtri, stdtrit

from campaigns.stats.values import CONFIDENCE, ENOUGH, Contrast, Difference, Interval, Mean, Proportion, WeightedMean
from customers import shares


def wilson(share: Proportion, confidence: float = CONFIDENCE) -> Interval:
    """Give the score interval of a share of at least one (Wilson 1927)."""
    return Interval(share.successes / share.n, *shares.wilson(share.successes, share.n, _errors(confidence)))


def difference_of_proportions(one: Proportion, other: Proportion, confidence: float = CONFIDENCE) -> Difference:
    """Give one minus other, with the hybrid score interval without continuity correction (Newcombe 1998, method 10)."""
    if message := too_few(one.n, other.n):
        return Difference(None, message)
    value = one.successes / one.n - other.successes / other.n
    low, high = shares.difference((one.successes, one.n), (other.successes, other.n), _errors(confidence))
    return Difference(Interval(value, low, high))


def pooled_ratio(strata: Sequence[tuple[Proportion, Proportion]], confidence: float = CONFIDENCE) -> Difference:
    """Give how many times the first share of each pair is as large as the second, pooled over pairs by their numbers.

    The estimate is Mantel and Haenszel's (1959), so that pairs whose arms differ in size do not pass for an effect; its
    interval is Greenland and Robins's (1985), of one pair that of Katz and others (1978).
    """
    one, other = (sum((pair[side] for pair in strata), Proportion()) for side in (0, 1))
    if message := too_few(one.n, other.n):
        return Difference(None, message)
    sizes = [(a.n, b.n, a.n + b.n) for a, b in strata if a.n and b.n]
    counts = [(a.successes, b.successes) for a, b in strata if a.n and b.n]
    up = sum(x * n0 / n for (x, _), (_, n0, n) in zip(counts, sizes, strict=True))
    down = sum(y * n1 / n for (_, y), (n1, _, n) in zip(counts, sizes, strict=True))
    if up == 0.0 or down == 0.0:
        return Difference(None, "No interval: in one of the arms there is no case to compare.")
    spread = sum((x + y) * n1 * n0 / n**2 - x * y / n for (x, y), (n1, n0, n) in zip(counts, sizes, strict=True))
    half = _errors(confidence) * sqrt(max(0.0, spread) / (up * down))
    return Difference(Interval(up / down, up / down * exp(-half), up / down * exp(half)))


def difference_of_means(one: Mean, other: Mean, confidence: float = CONFIDENCE) -> Difference:
    """Give one minus other, with the interval of unequal variances (Welch 1947)."""
    if message := too_few(one.n, other.n):
        return Difference(None, message)
    return at_one_look(contrast_of_means(one, other), confidence)


def difference_of_weighted(one: WeightedMean, other: WeightedMean, confidence: float = CONFIDENCE) -> Difference:
    """Give one minus other where the arms' shares changed or followed the results: each customer by her probability.

    Plain means are biased by what chose the shares; means weighted by inverse probability are not (Horvitz and Thompson
    1952; for adaptive shares Hadad and others, PNAS 2021).
    """
    if message := too_few(int(one.effective), int(other.effective)):
        return Difference(None, message)
    return at_one_look(contrast_of_weighted(one, other), confidence)


def at_one_look(found: Contrast, confidence: float = CONFIDENCE) -> Difference:
    """Give a contrast with its interval for one look that was fixed before (Student's t with Welch's degrees)."""
    if found.variance == 0.0 or not isfinite(found.variance):
        return Difference(None, "No interval: the values do not vary.")
    half = float(stdtrit(min(found.degrees, 1e12), 0.5 + confidence / 2)) * sqrt(found.variance)
    return Difference(Interval(found.value, found.value - half, found.value + half))


def contrast_of_means(one: Mean, other: Mean) -> Contrast:
    """Give one minus other of two arms that both have customers."""
    return contrast(one.total / one.n - other.total / other.n, (one.variance, one.n), (other.variance, other.n))


def contrast_of_proportions(one: Proportion, other: Proportion) -> Contrast:
    """Give one minus other of two arms that both have customers.

    Its variance is that with one success and one failure more in each arm, so that none of few is not taken for never
    (Agresti and Caffo 2000).
    """
    more = [Proportion(arm.n + 2, arm.successes + 1) for arm in (one, other)]
    a, b = ((arm.as_mean.variance, arm.n) for arm in more)
    return contrast(one.successes / one.n - other.successes / other.n, a, b)


def contrast_of_weighted(one: WeightedMean, other: WeightedMean) -> Contrast:
    """Give one minus other of two arms that both have customers."""
    a, b = ((arm.variance_of_mean * arm.effective, int(arm.effective)) for arm in (one, other))
    return contrast(one.total / one.weights - other.total / other.weights, a, b)


def contrast(value: float, one: tuple[float, int], other: tuple[float, int]) -> Contrast:
    """Give a difference with its variance, of each arm's variance and number (Welch 1947; Satterthwaite 1946).

    An arm that does not vary at all may vary yet; then the degrees are those of the smaller arm.
    """
    a, b = one[0] / one[1], other[0] / other[1]
    if a == 0.0 or b == 0.0 or min(one[1], other[1]) < 2:
        return Contrast(value, a + b, max(1, min(one[1], other[1]) - 1))
    return Contrast(value, a + b, (a + b) ** 2 / (a * a / (one[1] - 1) + b * b / (other[1] - 1)))


def too_few(one: int, other: int) -> str:
    """Say that an arm has too few customers for an interval; nothing where both have enough."""
    if min(one, other) >= ENOUGH:
        return ""
    return f"Too few customers to compare: {one} against {other}; each side needs {ENOUGH}."


def _errors(confidence: float) -> float:
    """Give how many standard errors to each side hold so much of the normal distribution."""
    return float(ndtri(0.5 + confidence / 2))
