"""Shares that follow the results cost less than equal ones, and weights keep their read-out from being biased."""

from dataclasses import dataclass

import numpy as np

from campaigns.stats import Mean, WeightedMean, adaptive_shares

CUSTOMERS, BATCH = 20_000, 500
BATCHES = CUSTOMERS // BATCH
DRAWS = 500  # of the chance to be the best: enough for a batch
LATE = 1  # batches: what a batch brought is known when the next but one is drawn
WORLDS = {
    "0.57, 0.88, 1.25 % convert": (0.0057, 0.0088, 0.0125),
    "10.6, 15.1, 18.3 % visit": (0.106, 0.151, 0.183),
    "five subject lines, 20 to 22 % open": (0.20, 0.205, 0.21, 0.215, 0.22),
}
EQUAL = {"two alike, 5 % convert": (0.05, 0.05), "three alike, 20 % open": (0.20, 0.20, 0.20)}
MOST_ALARMS, MOST_BIAS, LEAST_BIAS = 0.06, 0.01, 0.02
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Run:
    """What happened, by batch and arm: customers, those who did it, and the chance to be drawn into the arm."""

    count: Floats
    did: Floats
    share: Floats

    def until(self, batches: int) -> dict[str, WeightedMean]:
        """Give the arms after so many batches, each customer by her probability."""
        n, y, w = self.count[:batches], self.did[:batches], 1.0 / self.share[:batches]
        sums = [each.sum(axis=0) for each in (n, n * w, y * w, n * w * w, y * w * w, y * w * w)]
        return {
            str(arm): WeightedMean(int(told[0]), *map(float, told[1:])) for arm, told in enumerate(np.array(sums).T)
        }


def ran(rates: tuple[float, ...], seed: int, *, is_adaptive: bool) -> Run:
    """Share customers out to arms that truly do so well, batch by batch."""
    rng = np.random.default_rng(seed)
    k = len(rates)
    count, did, share = np.zeros((BATCHES, k)), np.zeros((BATCHES, k)), np.full((BATCHES, k), 1.0 / k)
    for batch in range(BATCHES):
        known = max(0, batch - LATE)
        if is_adaptive and known:
            n, y = count[:known].sum(axis=0), did[:known].sum(axis=0)
            arms = {str(arm): Mean(int(n[arm]), float(y[arm]), float(y[arm])) for arm in range(k)}
            share[batch] = list(adaptive_shares(arms, int(rng.integers(2**31)), is_share=True, draws=DRAWS).values())
        count[batch] = rng.multinomial(BATCH, share[batch] / share[batch].sum())
        did[batch] = rng.binomial(count[batch].astype(int), rates)
    return Run(count, did, share)
