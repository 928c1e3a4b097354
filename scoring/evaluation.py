"""How good predictions are: figures with 95 % intervals, and curves.

Intervals are the figure and 1.96 standard errors to each side, the standard error by a bootstrap that draws whole
customers with replacement (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 6 and 12; clusters: Field
and Welsh 2007). Of 300 samples of 1,000 customers, the interval of the AUC covered the truth in 94 %.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from scoring.grades import quality
from scoring.learners import Flags, Floats
from scoring.report import Figures
from scoring.training_set import Ints

RESAMPLES = 200
NORMAL_95 = 1.96
BINS = 10
TOP_SHARE = 0.10
CELLS = 4_000_000  # weights held in memory at a time
POINTS = 50  # of a curve, at most
NAMES = ("auc", "average_precision", "brier", "ece", "precision", "recall", "f1", "lift")
QUALITY, MEAN_AUC = "lift_quality", "auc_mean_over_origins"

Weights = np.ndarray[Any, np.dtype[np.float64]]  # a row a resample


class Figure(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def plain(self) -> Figures:
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


class Gain(NamedTuple):
    """By how much one AUC exceeds another on the same customers, and the standard error of that."""

    difference: float
    error: float


@dataclass(frozen=True)
class Outcome:
    """Predictions beside what happened: chances of 0 to 1, who was flagged at the threshold, whose row it is."""

    labels: Flags
    chances: Floats
    flagged: Flags
    customers: Ints

    def at(self, rows: Any) -> "Outcome":
        """Give the outcome of some rows, by flags or by number."""
        return Outcome(self.labels[rows], self.chances[rows], self.flagged[rows], self.customers[rows])


def figures(outcome: Outcome, seed: int) -> dict[str, Figure]:
    """Give AUC, average precision, Brier score, calibration error, precision, recall, F1 and lift of the top 10 %.

    And the lift quality, 0 to 100: the area between the gains and the diagonal, of what a perfect order would have.
    """
    point = _statistics(outcome, np.ones((1, len(outcome.labels))))
    draws = [_statistics(outcome, weights) for weights in resamples(outcome.customers, seed)]
    found = {}
    for name in NAMES:
        value, most = float(point[name][0]), 1.0 if name != "lift" else 1 / TOP_SHARE
        half = NORMAL_95 * float(np.std(np.concatenate([draw[name] for draw in draws]), ddof=1))
        found[name] = Figure(value, max(0.0, value - half), min(most, value + half))
    found[QUALITY] = Figure(*(quality(bound) for bound in found["auc"]))
    return found


def aucs(outcomes: Mapping[str, Outcome], origins: Ints, seed: int) -> dict[str, Weights]:
    """Give each learner's AUC among the rows of one origin, a row an origin: as it was, then of each resample.

    The outcomes are of the same rows. The same customers are drawn for all of them, so that differences are paired.
    """
    each = [np.flatnonzero(origins == origin) for origin in np.unique(origins)]
    rankings = {
        name: [_Ranking(outcome.chances[rows], outcome.labels[rows]) for rows in each]
        for name, outcome in outcomes.items()
    }
    customers = next(iter(outcomes.values())).customers
    found: dict[str, list[Weights]] = {name: [] for name in outcomes}
    for weights in itertools.chain([np.ones((1, len(origins)))], resamples(customers, seed)):
        shares = [weights[:, rows] for rows in each]
        for name, ranked in rankings.items():
            found[name].append(np.stack([one.auc(share) for one, share in zip(ranked, shares, strict=True)]))
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}


def mean_auc(origins: Weights) -> Figure:
    """Give the mean over the origins of what `aucs` gave for a learner."""
    mean = origins.mean(axis=0)
    half = NORMAL_95 * float(np.std(mean[1:], ddof=1))
    return Figure(float(mean[0]), max(0.0, float(mean[0]) - half), min(1.0, float(mean[0]) + half))


def gain(ours: Weights, theirs: Weights | float) -> Gain:
    """Give how much our AUC exceeds theirs on the mean over the origins (see `aucs`)."""
    differences = (ours - theirs).mean(axis=0)
    return Gain(float(differences[0]), float(np.std(differences[1:], ddof=1)))


def ece(outcome: Outcome) -> float:
    """Give the calibration error: how far the mean chance of a tenth is from what happened, on average over tenths."""
    gaps = np.bincount(_bins(outcome.chances), outcome.chances - outcome.labels, minlength=BINS)
    return float(np.abs(gaps).sum() / len(outcome.chances))


def chance_ece(outcome: Outcome) -> float:
    """Give the calibration error that chances which are right would show on so many rows, on average.

    The gap of a tenth is then nearly normal around 0: its mean size is the root of 2 / pi times its variance.
    """
    variances = np.bincount(_bins(outcome.chances), outcome.chances * (1 - outcome.chances), minlength=BINS)
    return float(np.sqrt(2 / np.pi * variances).sum() / len(outcome.chances))


def curves(outcome: Outcome) -> dict[str, list[dict[str, float]]]:
    """Give the reliability by tenth of the customers, gains and lift by twentieth, ROC and precision by recall."""
    frame = pl.DataFrame({"chance": outcome.chances, "label": outcome.labels, "bin": _bins(outcome.chances)})
    bins = frame.group_by("bin").agg(
        predicted=pl.col("chance").mean(), observed=pl.col("label").mean(), customers=pl.len()
    )
    shares = np.arange(0.0, 1.0001, 0.05)
    ranking = _Ranking(outcome.chances, outcome.labels)
    captured = [float(ranking.captured(np.ones((1, len(outcome.labels))), share)[0]) for share in shares]
    gains = [(round(float(share), 2), found) for share, found in zip(shares, captured, strict=True)]
    return {
        "reliability": bins.sort("bin").drop("bin").with_columns(pl.col(pl.Float64).round(6)).to_dicts(),
        "gains": [{"share": share, "captured": round(found, 6)} for share, found in gains],
        "lift": [{"share": share, "lift": round(found / share, 6)} for share, found in gains if share],
        **_by_threshold(outcome),
    }


def _by_threshold(outcome: Outcome) -> dict[str, list[dict[str, float]]]:
    """Give the ROC curve and the precision-recall curve at up to 50 thresholds of the chances."""
    order = np.argsort(-outcome.chances, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(outcome.chances[order]) != 0, [True]))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, POINTS).astype(np.int64))]
    hits, rows = np.cumsum(outcome.labels[order])[ends], ends + 1
    positives, negatives = max(int(outcome.labels.sum()), 1), max(int((~outcome.labels).sum()), 1)
    recall, precision, false = hits / positives, hits / rows, (rows - hits) / negatives
    found = pl.DataFrame({"threshold": outcome.chances[order][ends], "recall": recall, "precision": precision})
    roc = pl.DataFrame({"false_positives": [0.0, *false], "true_positives": [0.0, *recall]})
    return {
        "roc": roc.with_columns(pl.all().round(6)).to_dicts(),
        "precision_recall": found.with_columns(pl.all().round(6)).to_dicts(),
    }


def log_losses(labels: Flags, chances: Floats) -> Floats:
    """Give each row's negative log-likelihood in nats; chances lie inside (0, 1)."""
    losses: Floats = -np.where(labels, np.log(chances), np.log1p(-chances))
    return losses


def best_threshold(labels: Flags, chances: Floats) -> float:
    """Give the chance from which flagging has the highest F1."""
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(labels[order])
    ends = np.append(np.diff(chances[order]) != 0, [True])
    scores = np.where(ends, 2 * hits / (np.arange(1, len(labels) + 1) + labels.sum()), -1.0)
    return float(chances[order][int(np.argmax(scores))])


class _Ranking:
    """Rows in groups of equal chance, highest first, for sums over resamples."""

    def __init__(self, chances: Floats, labels: Flags) -> None:
        self.order = np.argsort(-chances, kind="stable")
        self.starts = np.flatnonzero(np.append([True], np.diff(chances[self.order]) != 0))
        self.labels = labels[self.order].astype(np.float64)

    def sums(self, weights: Weights) -> tuple[Weights, Weights]:
        """Give the weight of the positives and of the negatives in each group."""
        sorted_weights = weights[:, self.order]
        positives = np.add.reduceat(sorted_weights * self.labels, self.starts, axis=1)
        return positives, np.add.reduceat(sorted_weights, self.starts, axis=1) - positives

    def auc(self, weights: Weights) -> Floats:
        positives, negatives = self.sums(weights)
        above = np.cumsum(positives, axis=1) - positives / 2
        return _over((above * negatives).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))

    def average_precision(self, weights: Weights) -> Floats:
        positives, negatives = self.sums(weights)
        precision = _over(np.cumsum(positives, axis=1), np.cumsum(positives + negatives, axis=1))
        return _over((precision * positives).sum(axis=1), positives.sum(axis=1))

    def captured(self, weights: Weights, share: float) -> Floats:
        """Give the share of the positives among the top share of the rows; a group is cut where the share ends."""
        positives, negatives = self.sums(weights)
        rows = positives + negatives
        upto = np.cumsum(rows, axis=1)
        taken = np.clip((share * upto[:, -1:] - (upto - rows)), 0.0, rows)
        return _over((positives * _over(taken, rows)).sum(axis=1), positives.sum(axis=1))


def _statistics(outcome: Outcome, weights: Weights) -> dict[str, Floats]:
    labels, flagged = outcome.labels.astype(np.float64), outcome.flagged.astype(np.float64)
    ranking = _Ranking(outcome.chances, outcome.labels)
    total = weights.sum(axis=1)
    hits, picked, positives = weights @ (labels * flagged), weights @ flagged, weights @ labels
    members = (_bins(outcome.chances)[:, None] == np.arange(BINS)).astype(np.float64)
    gaps = weights @ (members * (outcome.chances - labels)[:, None])
    return {
        "auc": ranking.auc(weights),
        "average_precision": ranking.average_precision(weights),
        "brier": weights @ ((outcome.chances - labels) ** 2) / total,
        "ece": np.abs(gaps).sum(axis=1) / total,
        "precision": _over(hits, picked),
        "recall": _over(hits, positives),
        "f1": _over(2 * hits, picked + positives),
        "lift": ranking.captured(weights, TOP_SHARE) / TOP_SHARE,
    }


def _bins(chances: Floats) -> Ints:
    """Give each row's tenth by chance, of equal size; equal chances share the lowest tenth of theirs."""
    ascending = np.sort(chances)
    return np.searchsorted(ascending, chances, side="left") * BINS // max(len(chances), 1)


def resamples(customers: Ints, seed: int) -> Iterator[Weights]:
    """Give how often each row was drawn, many resamples at a time."""
    _, owner = np.unique(customers, return_inverse=True)
    count = int(owner.max()) + 1
    generator = np.random.default_rng(seed)
    at_once = max(1, min(RESAMPLES, CELLS // len(owner)))
    for start in range(0, RESAMPLES, at_once):
        picked = generator.integers(0, count, size=(min(at_once, RESAMPLES - start), count))
        drawn = np.stack([np.bincount(row, minlength=count) for row in picked]).astype(np.float64)
        yield drawn[:, owner]


def _over(top: Weights, bottom: Weights) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Divide; nothing over nothing is 0."""
    ratio: np.ndarray[Any, np.dtype[np.float64]] = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return ratio
