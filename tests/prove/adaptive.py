"""Shares that follow the results cost less than equal ones, and weights keep their read-out from being biased."""

from dataclasses import dataclass

import numpy as np

from campaigns.stats import Endless, Mean, Planned, WeightedMean, adaptive_shares, best_of
from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home

CUSTOMERS, BATCH = 20_000, 500
BATCHES = CUSTOMERS // BATCH
DRAWS = 500  # of the chance to be the best: enough for a batch
LATE = 1  # batches: what a batch brought is known when the next but one is drawn
WORLDS = {
    "0.57, 0.88, 1.25 % convert": (0.0057, 0.0088, 0.0125),
    "10.6, 15.1, 18.3 % visit": (0.106, 0.151, 0.183),
    "five subject lines, 20 to 22 % open": (0.20, 0.205, 0.21, 0.215, 0.22),
}
EQUAL = {
    "two alike, 1 % convert": (0.01, 0.01),
    "two alike, 5 % convert": (0.05, 0.05),
    "three alike, 20 % open": (0.20, 0.20, 0.20),
}
MOST_ALARMS, LEAST_BIAS = 0.06, 0.03
ROUGH, ENOUGH = 0.005, 300  # parts of the truth; runs from which the limits hold without slack
LOOKS: dict[str, Planned | Endless] = {"planned": Planned(CUSTOMERS // 2), "endless": Endless(1_000)}
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


@dataclass(frozen=True)
class Told:
    """What many runs of one world cost and told."""

    lost: float  # conversions, against giving all the best arm
    found: float  # of the runs, in which the best arm leads at the end
    wrong: float  # of the runs, in which another arm was called the winner at any look
    plain: Floats  # bias of each arm's plain mean, in parts of the truth
    weighted: Floats
    error: Floats  # of the weighted one


def prove(_home: Home, size: int) -> Evidence:
    """Run each world `size` times with equal and with adaptive shares, and worlds without a difference as often."""
    told = {
        (name, way): _told(rates, size, is_adaptive=way == "adaptive")
        for name, rates in WORLDS.items()
        for way in ("equal", "adaptive")
    }
    alarms = {
        (name, way, looks): _alarms(rates, size, looks, is_adaptive=way == "adaptive")
        for name, rates in EQUAL.items()
        for way in ("equal", "adaptive")
        for looks in LOOKS
    }
    evidence = Evidence("Adaptive shares", _says(size), _tables(told, alarms))
    slack = 3 * np.sqrt(MOST_ALARMS / size)
    for (name, way, looks), part in alarms.items():
        if part > MOST_ALARMS + slack * (size < ENOUGH):
            evidence.missed.append(f"{name}, {way}, {looks}: a winner in {part:.1%}")
    for name in WORLDS:
        equal, adaptive = told[name, "equal"], told[name, "adaptive"]
        if adaptive.lost >= equal.lost:
            evidence.missed.append(f"{name}: {adaptive.lost:.0f} lost, {equal.lost:.0f} with equal shares")
        if max(equal.wrong, adaptive.wrong) > MOST_ALARMS + slack * (size < ENOUGH):
            evidence.missed.append(f"{name}: another arm was called the winner in {adaptive.wrong:.1%}")
        if (np.abs(adaptive.weighted) > 3 * adaptive.error + ROUGH).any():
            evidence.missed.append(f"{name}: weighted means are biased by {adaptive.weighted}")
    worst = told[next(iter(WORLDS)), "adaptive"]
    if size >= ENOUGH and worst.plain[0] > -LEAST_BIAS:
        evidence.missed.append(f"plain means are biased by {worst.plain[0]:.1%} only: these worlds show nothing")
    return evidence


def _says(size: int) -> str:
    return (
        f"{CUSTOMERS:,} customers come in batches of {BATCH}, and what a batch brought is known when the next but one "
        f"is shared out. Each world is run {size:,} times. What is lost is against giving everybody the best arm from "
        f"the start. Plain means of adaptive shares are biased downwards, most in the arms that lost: an unlucky start "
        f"is kept, a lucky one is corrected. Means weighted by one over the probability are not. A winner is named at "
        f"any of {BATCHES} looks; where all arms are alike, in at most {MOST_ALARMS:.0%} of the worlds."
    )


def _told(rates: tuple[float, ...], size: int, *, is_adaptive: bool) -> Told:
    truth, best = np.array(rates), len(rates) - 1
    runs = [ran(rates, seed, is_adaptive=is_adaptive) for seed in range(size)]
    plain = np.array([run.did.sum(axis=0) / np.maximum(1, run.count.sum(axis=0)) for run in runs])
    weighted = np.array([[arm.value or 0.0 for arm in run.until(BATCHES).values()] for run in runs])
    winners = [_winner(run, LOOKS["planned"]) for run in runs]
    return Told(
        lost=float(np.mean([((truth.max() - truth) * run.count.sum(axis=0)).sum() for run in runs])),
        found=float(np.mean(weighted.argmax(axis=1) == best)),
        wrong=float(np.mean([won not in ("", str(best)) for won in winners])),
        plain=plain.mean(axis=0) / truth - 1,
        weighted=weighted.mean(axis=0) / truth - 1,
        error=weighted.std(axis=0) / truth / np.sqrt(size),
    )


def _alarms(rates: tuple[float, ...], size: int, looks: str, *, is_adaptive: bool) -> float:
    """Give the part of the worlds in which a winner is named at any look, where there is none."""
    runs = (ran(rates, 10_000 + seed, is_adaptive=is_adaptive) for seed in range(size))
    return float(np.mean([bool(_winner(run, LOOKS[looks])) for run in runs]))


def _winner(run: Run, looks: Planned | Endless) -> str:
    """Give the first winner or the end without one, looking after every batch."""
    for batches in range(1, BATCHES + 1):
        found = best_of(run.until(batches), looks)
        if found.winner or found.alike:
            return found.winner
    return ""


def _tables(told: dict[tuple[str, str], Told], alarms: dict[tuple[str, str, str], float]) -> list[Table]:
    costs = [(name, way, round(one.lost), f"{one.found:.0%}", f"{one.wrong:.1%}") for (name, way), one in told.items()]
    biases = [
        (name, way, *(f"{float(each[0]):+.1%}" for each in (one.plain, one.weighted)), f"{float(one.error[0]):.1%}")
        for (name, way), one in told.items()
    ]
    named = [
        (name, way, *(f"{alarms[name, way, looks]:.1%}" for looks in LOOKS))
        for name in EQUAL
        for way in ("equal", "adaptive")
    ]
    return [
        Table(("world", "shares", "lost", "best leads at the end", "another named"), costs, "What it costs."),
        Table(("world", "shares", "plain", "weighted", "its error"), biases, "Bias of the mean of the worst arm."),
        Table(("no difference", "shares", *LOOKS), named, "Winners named where there are none."),
    ]
