"""More to what does better, while it is still being found out: Thompson sampling in batches, with a floor.

Thompson, On the likelihood that one unknown probability exceeds another, Biometrika 1933; Chapelle and Li, An empirical
evaluation of Thompson sampling, NIPS 2011. An arm gets the chance that it is the best, given what is known; a share
that chance cannot take from it keeps every arm measurable (Hadad and others, PNAS 2021).
"""

from collections.abc import Mapping
from math import sqrt

import numpy as np

from campaigns.stats.values import Mean

FLOOR = 0.02
DRAWS = 20_000
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def adaptive_shares(
    arms: Mapping[str, Mean], seed: int, *, is_share: bool, floor: float = FLOOR, draws: int = DRAWS
) -> dict[str, float]:
    """Give each arm's share of the next batch, together 1 and none below `floor`: the chance that it is the best.

    `is_share`: of each customer it is known whether she did it or not (Beta); else how much it brought (Normal).
    """
    rng = np.random.default_rng(seed)
    drawn = _shares(arms, rng, draws) if is_share else _means(arms, rng, draws)
    best = np.bincount(np.argmax(drawn, axis=1), minlength=len(arms)) / draws
    least = min(floor, 1.0 / len(arms))
    shares = least + (1.0 - least * len(arms)) * best
    return dict(zip(arms, map(float, shares), strict=True))


def _shares(arms: Mapping[str, Mean], rng: np.random.Generator, draws: int) -> Floats:
    """Draw what share each arm may have, from the Beta distribution that a flat one became."""
    did = np.array([arm.total for arm in arms.values()])
    count = np.array([arm.n for arm in arms.values()])
    return rng.beta(1.0 + did, 1.0 + count - did, (draws, len(arms)))


def _means(arms: Mapping[str, Mean], rng: np.random.Generator, draws: int) -> Floats:
    """Draw what mean each arm may have, from a Normal distribution.

    Before it was looked at, an arm is worth one customer at the mean of all; all arms vary alike.
    """
    whole = sum(arms.values(), Mean())
    middle, spread = whole.value or 0.0, sqrt(whole.variance) or 1.0
    count = np.array([arm.n + 1 for arm in arms.values()])
    means = (np.array([arm.total for arm in arms.values()]) + middle) / count
    return rng.normal(means, spread / np.sqrt(count), (draws, len(arms)))
