"""Learners beside each other: logistic regression, tree, forest, boosting, network, and the average of two of them.

The settings that are tried are few and small: on marketing data large ones overfit (Telco, AUC in folds: boosting as
scikit-learn sets it 0.837, 150 trees of 8 leaves 0.849). Where there is nothing to learn from, because no column tells
customers apart or all have one answer, every learner says the base rate.
"""

import functools
import warnings
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit, logit
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import ThreadpoolController

from scoring import encoding
from scoring.encoding import Encoding, Matrix
from scoring.formula import Layers, Line
from scoring.tables import Tables, tables_of

LOGISTIC, TREE, FOREST, BOOSTING = "logistic", "tree", "forest", "boosting"
NETWORK, AVERAGE = "network", "average"
BASE_RATE, ONE_FIELD = "base rate", "one field"
MEMBERS = {AVERAGE: (LOGISTIC, BOOSTING)}  # whom a learner that is not one itself asks
Settings = Mapping[str, float | int]
CANDIDATES: dict[str, tuple[Settings, ...]] = {
    LOGISTIC: ({"C": 1.0}, {"C": 0.1}, {"C": 0.01}),
    TREE: ({"depth": 5, "least_rows": 50}, {"depth": 4, "least_rows": 200}),
    FOREST: ({"trees": 50, "least_rows": 10}, {"trees": 50, "least_rows": 40}),
    BOOSTING: ({"trees": 150, "leaves": 8}, {"trees": 150, "leaves": 4}),
    NETWORK: ({"alpha": 0.001}, {"alpha": 1.0}),
    AVERAGE: ({},),
    BASE_RATE: ({},),
}
MODELS: dict[str, Settings] = {name: tried[0] for name, tried in CANDIDATES.items() if name != BASE_RATE}
FOREST_ROWS = 10_000  # that each tree of a forest is grown on, drawn for it
EDGE = 1e-6  # no chance is certain

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


def one_thread() -> AbstractContextManager[object]:
    """Keep the libraries to one thread each while a block runs."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=1)
    return limited


@functools.cache
def _libraries() -> ThreadpoolController:
    """Give those that have threads of their own: to look for them takes as long as to ask a model."""
    return ThreadpoolController()


@dataclass(frozen=True)
class Sigmoid:
    """A calibration: the log-odds stretched and shifted (Platt scaling)."""

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, chances: Floats) -> Floats:
        odds: Floats = logit(np.clip(chances, EDGE, 1 - EDGE))
        calibrated: Floats = np.clip(expit(self.slope * odds + self.shift), EDGE, 1 - EDGE)
        return calibrated


def line_of(pipeline: Pipeline) -> Line:
    """Give a fitted pipeline of `_logistic` as one line: the same log-odds up to the rounding of sums."""
    fill, scale, regression = (pipeline.named_steps[name] for name in ("fill", "scale", "logistic"))
    slopes = regression.coef_[0] / scale.scale_
    start = float(regression.intercept_[0] - slopes @ scale.mean_)
    width = len(fill.statistics_)
    missing = fill.statistics_ * slopes[:width]
    missing[fill.indicator_.features_] += slopes[width:]
    return Line(start, slopes[:width], missing)


def layers_of(pipeline: Pipeline) -> Layers:
    """Give a fitted pipeline of `_network` as plain numbers: the same chances up to the rounding of sums."""
    fill, scale, network = (step for _, step in pipeline.steps)
    return Layers(
        fill.statistics_,
        fill.indicator_.features_,
        scale.mean_,
        scale.scale_,
        tuple(network.coefs_),
        tuple(network.intercepts_),
    )


@dataclass(frozen=True)
class Model:
    """A fitted pipeline: how to read a frame, the learners, which of them speaks, and its calibration."""

    reading: Encoding
    fitted: Mapping[str, Any]  # a scikit-learn classifier by learner
    learner: str = AVERAGE
    calibration: Sigmoid = Sigmoid()

    def chances(self, frame: pl.DataFrame) -> Floats:
        """Give each row's calibrated chance, 0 to 1. The frame has a column `as_of`."""
        return self.predict(self.reading.matrix(frame))

    def predict(self, matrix: Matrix) -> Floats:
        """Give the calibrated chance of each row of a matrix that `reading` made."""
        return self.calibration(self.reckon(matrix, (self.learner,))[self.learner])

    def raw(self, frame: pl.DataFrame) -> dict[str, Floats]:
        """Give the uncalibrated chances by each learner that was fitted, or whose members were."""
        names = [name for name in CANDIDATES if self.fitted.keys() >= set(members(name))]
        return self.reckon(self.reading.matrix(frame), names)

    def reckon(self, matrix: Matrix, names: Collection[str]) -> dict[str, Floats]:
        """Give the uncalibrated chances by some learners; only these, and whom they ask, are reckoned.

        Raises KeyError for one that was not fitted.
        """
        with one_thread():
            found = {one: self._chances(one, matrix) for name in names for one in members(name)}
        return {name: average(name, found) for name in names}

    def _chances(self, member: str, matrix: Matrix) -> Floats:
        fitted = self.fitted[member]
        if not len(matrix):
            return np.empty(0)
        if isinstance(fitted, Pipeline) and member == LOGISTIC:
            return self._line.chances(matrix)
        if isinstance(fitted, Pipeline):
            return self._layers.chances(matrix)
        if isinstance(fitted, HistGradientBoostingClassifier):
            chances: Floats = expit(self._tables(matrix))
            return chances
        return _of_yes(fitted, matrix)

    @functools.cached_property
    def _line(self) -> Line:
        """Give the logistic regression as one line, worked out once."""
        return line_of(self.fitted[LOGISTIC])

    @functools.cached_property
    def _layers(self) -> Layers:
        """Give the network's layers, worked out once."""
        return layers_of(self.fitted[NETWORK])

    @functools.cached_property
    def _tables(self) -> Tables:
        """Give the boosting's trees as tables, worked out once."""
        return tables_of(self.fitted[BOOSTING])

    def speaking(self, learner: str, calibration: Sigmoid) -> "Model":
        """Give the model speaking through one learner with this calibration."""
        return replace(self, learner=learner, calibration=calibration)


def members(learner: str) -> tuple[str, ...]:
    """Give whom a learner asks: itself, or those it is the average of."""
    return MEMBERS.get(learner, (learner,))


def average(learner: str, chances: Mapping[str, Floats]) -> Floats:
    """Give a learner's chances from those of whom it asks."""
    found: Floats = np.mean([chances[member] for member in members(learner)], axis=0)
    return found


def fit(
    frame: pl.DataFrame,
    labels: Flags,
    seed: int,
    excluded: Collection[str] = (),
    learners: Mapping[str, Settings] = MODELS,
) -> Model:
    """Fit learners with their settings, reading all inputs but those excluded.

    An average takes its members' settings from `learners`, or the first that are tried. It is done on one thread; the
    same rows and seed give the same model, whatever the columns' names and order.
    """
    return _fitted(encoding.learn(frame, excluded), (frame, labels), seed, learners)


def fit_only(frame: pl.DataFrame, labels: Flags, only: Collection[str]) -> Model:
    """Fit a simple rule: a logistic regression on the logarithms of a few columns, or the base rate on none."""
    read = encoding.learn(frame, only=only)
    columns = [replace(column, is_log=column.kind == "number") for column in read.columns]
    model = _fitted(replace(read, columns=tuple(columns), order=()), (frame, labels), 0, {LOGISTIC: MODELS[LOGISTIC]})
    return model.speaking(LOGISTIC, Sigmoid())


def _fitted(reading: Encoding, rows: tuple[pl.DataFrame, Flags], seed: int, learners: Mapping[str, Settings]) -> Model:
    frame, labels = rows
    if labels.all() or not labels.any():
        reading = replace(reading, columns=(), order=())
    matrix = reading.matrix(frame)
    asked = dict.fromkeys(member for name in learners for member in members(name))
    fitted = {}
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a learner that stopped early is judged as it is
        for name in asked:
            blank = _blank(name, learners.get(name, CANDIDATES[name][0]), seed) if reading.columns else _base_rate()
            if name == FOREST and reading.columns:
                blank.set_params(max_samples=min(FOREST_ROWS, len(matrix)))
            fitted[name] = blank.fit(matrix, labels)
    return Model(reading, fitted, next(iter(learners)))


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


def _of_yes(fitted: Any, matrix: Matrix) -> Floats:
    """Give the chance of yes, also by a classifier that never saw one."""
    classes = list(fitted.classes_)
    if True not in classes:
        return np.zeros(len(matrix))
    chances: Floats = fitted.predict_proba(matrix)[:, classes.index(True)]
    return chances


def _blank(learner: str, settings: Settings, seed: int) -> Any:
    """Give a learner that is not yet fitted."""
    make = {LOGISTIC: _logistic, TREE: _tree, FOREST: _forest, BOOSTING: _boosting, NETWORK: _network}
    return make[learner](settings, seed) if learner in make else _base_rate()


def _base_rate() -> DummyClassifier:
    return DummyClassifier(strategy="prior")


def _logistic(settings: Settings, _seed: int) -> Pipeline:
    return _scaled(LOGISTIC, LogisticRegression(C=settings["C"], solver="newton-cholesky", max_iter=200))


def _tree(settings: Settings, seed: int) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(
        max_depth=settings["depth"], min_samples_leaf=settings["least_rows"], random_state=seed
    )


def _forest(settings: Settings, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        settings["trees"], min_samples_leaf=settings["least_rows"], max_features="sqrt", random_state=seed
    )


def _boosting(settings: Settings, seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=settings["trees"],
        max_leaf_nodes=settings["leaves"],
        min_samples_leaf=40,
        early_stopping=False,
        random_state=seed,
    )


def _network(settings: Settings, seed: int) -> Pipeline:
    """Give two hidden layers of 32 and 16, stopped early."""
    layers = MLPClassifier(
        (32, 16), alpha=settings["alpha"], batch_size=256, max_iter=60, early_stopping=True, random_state=seed
    )
    return _scaled(NETWORK, layers)


def _scaled(name: str, last: Any) -> Pipeline:
    """Give a pipeline that fills holes by the median, marks them, and standardises."""
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return Pipeline([("fill", fill), ("scale", StandardScaler()), (name, last)])
