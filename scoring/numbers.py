"""Learners of amounts: what customers will spend within a time. Each is scaled to the total of all customers.

Members rank customers about equally well and differ in how much they foresee. The average is of amounts. The blend is
of ranks: they are averaged, and the blended rank is given the amount that is foreseen on average at that rank.
Everything it needs of others is kept in it, so that one customer's amount never depends on whoever else is scored.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, TweedieRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from scoring import encoding, value
from scoring.encoding import Encoding, Matrix
from scoring.learners import Floats, one_thread

BOOSTING, REGRESSION, VALUE, AVERAGE, BLEND = "boosting", "regression", "value", "average", "blend"
MEMBERS = (BOOSTING, REGRESSION, VALUE)
SPEAKERS = (AVERAGE, BLEND, BOOSTING, VALUE)  # the regression ranks well, and foresees far too much for the largest
POINTS = 2001  # of a curve from amounts to ranks and back
RIDGE = 10.0
TWEEDIE_POWER, TWEEDIE_ALPHA = 1.5, 0.1  # between counts and amounts: many zeros, a long tail


@dataclass(frozen=True)
class Curve:
    """A rising line from some numbers to others, level beyond its ends."""

    at: Floats
    to: Floats

    def __call__(self, values: Floats) -> Floats:
        found: Floats = np.interp(values, self.at, self.to)
        return found


@dataclass(frozen=True)
class Blend:
    """How members' amounts become ranks (0 to 1), and their mean rank an amount."""

    ranks: Mapping[str, Curve]
    amounts: Curve

    def __call__(self, found: Mapping[str, Floats]) -> Floats:
        return self.amounts(np.mean([curve(found[name]) for name, curve in self.ranks.items()], axis=0))


@dataclass(frozen=True)
class Model:
    """Fitted learners of an amount: how to read a frame, the members' levels, the blend, and which of them speaks."""

    reading: Encoding
    fitted: Mapping[str, Any]
    place: int | None  # the matrix's column with what BG/NBD and Gamma-Gamma expect, as a logarithm
    most: float  # the largest amount that was seen: no member foresees more before the level is set
    levels: Mapping[str, float]
    blend: Blend | None = None
    learner: str = AVERAGE
    season: float = 1.0  # how much more all spend than their levels say, by the time of year

    def amounts(self, frame: pl.DataFrame) -> Floats:
        """Give each row's amount. The frame has a column `as_of`."""
        return self.predict(self.reading.matrix(frame))

    def predict(self, matrix: Matrix) -> Floats:
        """Give the amount of each row of a matrix that `reading` made."""
        return self.reckon(matrix, (self.learner,))[self.learner]

    def reckon(self, matrix: Matrix, names: Collection[str]) -> dict[str, Floats]:
        """Give the amounts by those of some learners that there are: only these, and whom a blend asks, are asked."""
        asked = [name for name in self.members if name in names or BLEND in names or AVERAGE in names]
        with one_thread():
            found = {name: self.levels.get(name, 1.0) * self._raw(name, matrix) for name in asked}
        if AVERAGE in names:
            found[AVERAGE] = np.mean(_foreseeing(found), axis=0)
        if BLEND in names and self.blend:
            found[BLEND] = self.levels.get(BLEND, 1.0) * self.blend(found)
        return {name: self.season * found[name] for name in names if name in found}

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(name for name in MEMBERS if name in self.fitted or (name == VALUE and self.place is not None))

    def _raw(self, name: str, matrix: Matrix) -> Floats:
        if not len(matrix):
            return np.empty(0)
        if name == VALUE:
            return np.expm1(np.nan_to_num(matrix[:, self.place or 0]))
        found: Floats = self.fitted[name].predict(matrix)
        if name == REGRESSION:
            found = np.expm1(np.clip(found, 0.0, np.log1p(self.most)))
        return np.minimum(found, self.most)

    def speaking(self, learner: str) -> "Model":
        return replace(self, learner=learner)


def fit(
    frame: pl.DataFrame, amounts: Floats, seed: int, excluded: Collection[str] = (), learner: str = AVERAGE
) -> Model:
    """Fit all members and their blend on one thread; each foresees the total of the latest three times in the frame."""
    reading, place = _read(frame, excluded)
    matrix = reading.matrix(frame)
    amounts = np.maximum(amounts, 0.0)
    with one_thread():
        fitted = {
            BOOSTING: _boosting(seed).fit(matrix, amounts),
            REGRESSION: _regression().fit(matrix, np.log1p(amounts)),
        }
    model = Model(reading, fitted, place, float(amounts.max()), {})
    times = frame["as_of"].unique().sort()
    late = frame["as_of"].is_in(times.tail(3).implode()).to_numpy()
    found, total = model.reckon(matrix[late], model.members), float(amounts[late].sum())
    levels = {name: _ratio(total, float(one.sum())) for name, one in found.items()}
    blended = blend({name: one * levels[name] for name, one in found.items()})
    model = replace(model, levels=dict(levels), blend=blended).speaking(BLEND)
    levels[BLEND] = _ratio(total, float(model.predict(matrix[late]).sum()))
    return replace(model, levels=levels).speaking(learner)


def blend(found: Mapping[str, Floats]) -> Blend:
    """Give the blend of members that foresee these amounts of the same customers."""
    shares = np.linspace(0.0, 1.0, POINTS)
    ranks = {name: Curve(np.quantile(one, shares), shares) for name, one in found.items()}
    mean_rank = np.mean([curve(found[name]) for name, curve in ranks.items()], axis=0)
    mean_amount = np.mean([np.sort(one) for one in _foreseeing(found)], axis=0)
    return Blend(ranks, Curve(np.quantile(mean_rank, shares), np.quantile(mean_amount, shares)))


def _foreseeing(found: Mapping[str, Floats]) -> list[Floats]:
    """Give the amounts of those who foresee them well: the regression is asked for ranks alone."""
    return [one for name, one in found.items() if name != REGRESSION]


def same_season(frame: pl.DataFrame, amounts: Floats, present: pl.DataFrame) -> float:
    """Give what the customers of `present` spend together if they do as those of the frame did, a year before.

    A regression with a Tweedie loss, so that totals agree, of what they spent and when (Tweedie 1984).
    """
    reading = encoding.learn(frame, only=[name for name in (*value.READS, *value.COLUMNS) if name in frame.columns])
    columns = tuple(replace(column, is_log=column.kind == "number") for column in reading.columns)
    reading = replace(reading, columns=columns, order=())
    regression = TweedieRegressor(
        power=TWEEDIE_POWER, alpha=TWEEDIE_ALPHA, link="log", solver="newton-cholesky", max_iter=200
    )
    pipeline = _scaled("tweedie", regression)
    with one_thread():
        pipeline.fit(reading.matrix(frame), np.maximum(amounts, 0.0))
        return float(np.minimum(pipeline.predict(reading.matrix(present)), amounts.max()).sum())


def _read(frame: pl.DataFrame, excluded: Collection[str]) -> tuple[Encoding, int | None]:
    """Give how the frame is read, and which column of the matrix is the value model's spend, always a logarithm."""
    reading = encoding.learn(frame, excluded)
    names = [column.name for column in reading.columns]
    columns = tuple(
        replace(column, is_log=True) if column.name == value.SPEND else column for column in reading.columns
    )
    reading = replace(reading, columns=columns)
    if value.SPEND not in names:
        return reading, None
    return reading, int(np.flatnonzero(reading.sources() == names.index(value.SPEND))[0])


def _boosting(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="poisson",
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=seed,
    )


def _regression() -> Pipeline:
    return _scaled("ridge", Ridge(alpha=RIDGE))


def _scaled(name: str, last: Any) -> Pipeline:
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return Pipeline([("fill", fill), ("scale", StandardScaler()), (name, last)])


def _ratio(wanted: float, there: float) -> float:
    return float(wanted / there) if there > 0 else 1.0
