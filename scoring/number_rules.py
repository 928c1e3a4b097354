"""The simple rules that a model of a number has to beat, served as they are where no model does.

What is spent: everybody's own rate so far, over the days foreseen. Days until the next order: how far the last order
lies off the customer's usual gap, read as a chance and that as a day, as scoring.waiting does.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from scoring import learners, waiting
from scoring.encoding import Column, Encoding, Matrix
from scoring.learners import Floats, Sigmoid
from scoring.numbers import Curve

RATE, GAP = "last rate", "usual gap"
SPEND, SINCE = "features.spend_365d", "features.first_order_days"
RECENCY, USUAL = "features.recency_days", "features.gap_mean_days"
RATE_DAYS = (30.0, 365.0)  # a rate is taken over no shorter and no longer a past
LATEST = 3  # times whose total sets the level
NEVER = -1e6  # days off the usual gap of whom has none


@dataclass(frozen=True)
class Rate:
    """What a customer spent in a year, by the days she was known, over the days foreseen; scaled to all there were."""

    days: float
    level: float = 1.0
    learner: str = RATE

    @property
    def reading(self) -> Encoding:
        return _reading(SPEND, SINCE)

    def predict(self, matrix: Matrix) -> Floats:
        """Give each row's amount; who never ordered is foreseen to spend nothing."""
        spend, since = matrix.T
        found: Floats = self.level * np.nan_to_num(spend / np.clip(since, *RATE_DAYS)) * self.days
        return found

    ranks = predict


@dataclass(frozen=True)
class Gap:
    """How far off her usual gap a customer's last order lies, the chance that follows, and the day."""

    days: float
    calibration: Sigmoid
    curve: Curve
    learner: str = GAP

    @property
    def reading(self) -> Encoding:
        return _reading(RECENCY, USUAL)

    def predict(self, matrix: Matrix) -> Floats:
        """Give each row's days until it happens, NaN where it is less likely than not within the horizon."""
        return waiting.day_of(self.curve, self.ranks(matrix))

    def ranks(self, matrix: Matrix) -> Floats:
        """Give each row's chance that it happens within the horizon."""
        return self.calibration(near(matrix, self.days))


Rule = Rate | Gap


def _reading(*names: str) -> Encoding:
    return Encoding(tuple(Column(name, "number") for name in names))


def near(matrix: Matrix, days: float) -> Floats:
    """Give a number from 0 to 0.5 that is higher the nearer the last order lies to the usual gap."""
    recency, usual = matrix.T
    off = np.where(np.isnan(recency + usual), NEVER, -np.abs(recency - usual))
    found: Floats = 1 / (1 + np.exp(np.clip(-off / days, None, 500.0)))
    return found


def may_read(frame: pl.DataFrame, name: str) -> bool:
    """Tell whether a frame has the columns of a rule."""
    return {RATE: {SPEND, SINCE}, GAP: {RECENCY, USUAL}}[name].issubset(frame.columns)


def fit(name: str, frame: pl.DataFrame, came: Floats, horizon: timedelta) -> Rule:
    """Fit a rule by its name on what came: amounts, or days that are NaN where it did not happen in time."""
    return fit_rate(frame, came, horizon) if name == RATE else fit_gap(frame, came, horizon)


def fit_rate(frame: pl.DataFrame, amounts: Floats, horizon: timedelta) -> Rate:
    """Set the rule's level by the latest three times in the frame, as learners' levels are."""
    rule = Rate(horizon / timedelta(days=1))
    late = frame["as_of"].is_in(frame["as_of"].unique().sort().tail(LATEST).implode()).to_numpy()
    there = float(rule.predict(rule.reading.matrix(frame))[late].sum())
    total = float(np.maximum(amounts[late], 0.0).sum())
    return Rate(rule.days, total / there if there > 0 else 1.0)


def fit_gap(frame: pl.DataFrame, days: Floats, horizon: timedelta) -> Gap:
    """Fit the chance and the curve; `days` are NaN where it did not happen within the horizon."""
    span = horizon / timedelta(days=1)
    found = near(_reading(RECENCY, USUAL).matrix(frame), span)
    calibration = learners.fit_sigmoid(found, ~np.isnan(days))
    return Gap(span, calibration, waiting.curve(days, calibration(found)))
