"""Learners: a regularised logistic regression, a small boosting, their average, and the rules they have to beat."""

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from scoring import encoding
from scoring.encoding import Encoding, Matrix

LOGISTIC, BOOSTING, AVERAGE, NETWORK = "logistic", "boosting", "average", "network"
BASE_RATE, ONE_FIELD = "base rate", "one field"
MODELS = (LOGISTIC, BOOSTING, AVERAGE)
MEMBERS = {AVERAGE: (LOGISTIC, BOOSTING)}  # whom a learner that is not one itself asks
EDGE = 1e-6  # no chance is certain

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Sigmoid:
    """A calibration: the log-odds stretched and shifted (Platt scaling)."""

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, chances: Floats) -> Floats:
        odds: Floats = logit(np.clip(chances, EDGE, 1 - EDGE))
        calibrated: Floats = np.clip(expit(self.slope * odds + self.shift), EDGE, 1 - EDGE)
        return calibrated


@dataclass(frozen=True)
class Line:
    """A linear model with its filling and scaling folded into it: what a column adds, and adds where it is NaN."""

    start: float
    slopes: Floats
    missing: Floats

    def __call__(self, matrix: Matrix) -> Floats:
        """Give the log-odds of each row."""
        is_missing = np.isnan(matrix)
        holes = np.flatnonzero(is_missing.any(axis=0))
        odds: Floats = self.start + np.where(is_missing, 0.0, matrix) @ self.slopes
        return odds + is_missing[:, holes] @ self.missing[holes]


def line_of(pipeline: Pipeline) -> Line:
    """Give a fitted pipeline of `_logistic` as one line: the same log-odds up to the rounding of sums."""
    fill, scale, regression = (pipeline.named_steps[name] for name in ("fill", "scale", "logistic"))
    slopes = regression.coef_[0] / scale.scale_
    start = float(regression.intercept_[0] - slopes @ scale.mean_)
    width = len(fill.statistics_)
    missing = fill.statistics_ * slopes[:width]
    missing[fill.indicator_.features_] += slopes[width:]
    return Line(start, slopes[:width], missing)


@dataclass(frozen=True)
class Model:
    """A fitted pipeline: how to read a frame, the learners, which of them speaks, and its calibration."""

    reading: Encoding
    logistic: Pipeline
    boosting: HistGradientBoostingClassifier
    learner: str = AVERAGE
    calibration: Sigmoid = Sigmoid()
    network: Pipeline | None = None

    def chances(self, frame: pl.DataFrame) -> Floats:
        """Give each row's calibrated chance, 0 to 1. The frame has a column `as_of`."""
        return self.predict(self.reading.matrix(frame))

    def predict(self, matrix: Matrix) -> Floats:
        """Give the calibrated chance of each row of a matrix that `reading` made."""
        return self.calibration(self._raw(matrix, (self.learner,))[self.learner])

    def raw(self, frame: pl.DataFrame) -> dict[str, Floats]:
        """Give the uncalibrated chances by each learner."""
        return self._raw(self.reading.matrix(frame), MODELS)

    def _raw(self, matrix: Matrix, learners: tuple[str, ...]) -> dict[str, Floats]:
        """Give the chances by some learners; only these, and whom they ask, are reckoned."""
        asked = {member for learner in learners for member in MEMBERS.get(learner, (learner,))}
        with threadpool_limits(1):
            found = {member: self._chances(member, matrix) for member in asked}
        return {
            learner: np.mean([found[member] for member in MEMBERS.get(learner, (learner,))], axis=0)
            for learner in learners
        }

    def _chances(self, member: str, matrix: Matrix) -> Floats:
        """Give one learner's chances. Raises KeyError for one that was not fitted."""
        fitted = {LOGISTIC: self.logistic, BOOSTING: self.boosting, NETWORK: self.network}[member]
        if fitted is None:
            raise KeyError(member)
        if not len(matrix):
            return np.empty(0)
        chances: Floats = expit(self._line(matrix)) if member == LOGISTIC else fitted.predict_proba(matrix)[:, 1]
        return chances

    @functools.cached_property
    def _line(self) -> "Line":
        """Give the logistic regression as one line, worked out once."""
        return line_of(self.logistic)

    def calibrated(self, learner: str, calibration: Sigmoid) -> "Model":
        """Give the model speaking through one learner with this calibration."""
        return replace(self, learner=learner, calibration=calibration)


def fit(
    frame: pl.DataFrame, labels: Flags, seed: int, excluded: Collection[str] = (), *, has_network: bool = False
) -> Model:
    """Fit the learners on one thread, on all inputs but those excluded; the same rows and seed give the same model."""
    reading = encoding.learn(frame, excluded=excluded)
    matrix = reading.matrix(frame)
    with threadpool_limits(1):
        network = _network(seed).fit(matrix, labels) if has_network else None
        one, two = _logistic().fit(matrix, labels), _boosting(seed).fit(matrix, labels)
    return Model(reading, one, two, network=network)


def fit_one_field(values: Floats, labels: Flags) -> Callable[[Floats], Floats]:
    """Fit a logistic regression on one number alone, and give the function from values to chances."""
    rule = _logistic()
    with threadpool_limits(1):
        rule.fit(_one_column(values), labels)
    return lambda others: rule.predict_proba(_one_column(others))[:, 1]


def fit_sigmoid(chances: Floats, labels: Flags) -> Sigmoid:
    """Fit the calibration of out-of-sample chances (Platt scaling on the log-odds, hardly regularised).

    Where the chances say nothing, or point the wrong way, only the level is corrected.
    """
    odds = logit(np.clip(chances, EDGE, 1 - EDGE))
    if labels.all() or not labels.any():
        return Sigmoid()
    fitted = LogisticRegression(C=1e6, solver="newton-cholesky").fit(odds.reshape(-1, 1), labels)
    slope, shift = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Sigmoid(slope, shift) if slope > 0 else Sigmoid(0.0, float(logit(labels.mean())))


def _logistic() -> Pipeline:
    return Pipeline(
        [
            ("fill", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("logistic", LogisticRegression(C=1.0, max_iter=2000)),
        ]
    )


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, min_samples_leaf=40, early_stopping=False, random_state=seed
    )


def _network(seed: int) -> Pipeline:
    """Give two hidden layers of 64 and 32, stopped early."""
    layers = MLPClassifier((64, 32), alpha=1e-3, batch_size=512, max_iter=30, early_stopping=True, random_state=seed)
    return Pipeline(
        [
            ("fill", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("network", layers),
        ]
    )


def _one_column(values: Floats) -> Matrix:
    signed = np.sign(values) * np.log1p(np.abs(values))
    return np.ascontiguousarray(signed.reshape(-1, 1))
