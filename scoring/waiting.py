"""How many days until it happens next: the chance that it does within the horizon, read through a curve over the days.

Customers' hazards are taken as proportional: who has the chance p of the whole horizon has, by a day, the chance
1 - (1 - p) ** share, where the share of the hazard that has passed by then is Breslow's estimate (Breslow, discussion
of Cox, 1972). What is told is the day by which it is as likely as not to have happened. For whom that is not within
the horizon, no day is told.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from scoring import learners
from scoring.encoding import Encoding, Matrix
from scoring.learners import AVERAGE, Flags, Floats, Sigmoid
from scoring.numbers import Curve

DAYS = 201  # points of the curve
CERTAIN = 1 - 1e-9


@dataclass(frozen=True)
class Model:
    """A fitted model of the chance, and the day by which each share of the hazard has passed."""

    chance: learners.Model
    days: Curve

    @property
    def reading(self) -> Encoding:
        return self.chance.reading

    def predict(self, matrix: Matrix) -> Floats:
        """Give each row's days until it happens, NaN where it is less likely than not within the horizon."""
        return self.told(self.chance.predict(matrix))

    def told(self, chances: Floats) -> Floats:
        """Give the day by which it is as likely as not, from the chance within the horizon."""
        return day_of(self.days, chances)

    def calibrated(self, calibration: Sigmoid) -> "Model":
        return replace(self, chance=self.chance.speaking(self.chance.learner, calibration))


def day_of(days: Curve, chances: Floats) -> Floats:
    """Give the day by which it is as likely as not, NaN where that is not within the horizon."""
    share = np.log(2) / -np.log1p(-np.clip(chances, 1e-9, CERTAIN))
    found: Floats = np.where(share <= 1, days(share), np.nan)
    return found


def fit(frame: pl.DataFrame, days: Floats, seed: int, excluded: Collection[str] = ()) -> Model:
    """Fit the chance and the curve; `days` are NaN where it did not happen within the horizon."""
    chance = learners.fit(frame, ~np.isnan(days), seed, excluded, {AVERAGE: {}})
    return Model(chance, curve(days, chance.chances(frame)))


def curve(days: Floats, chances: Floats) -> Curve:
    """Give the day by which each share of the horizon's hazard has passed (Breslow's estimate)."""
    hazards = -np.log1p(-np.clip(chances, 1e-9, CERTAIN))
    order = np.argsort(np.where(np.isnan(days), np.inf, days), kind="stable")
    at_risk = np.cumsum(hazards[order][::-1])[::-1]
    happened: Flags = ~np.isnan(days[order])
    passed = np.cumsum(happened / at_risk)[happened]
    if not len(passed):
        return Curve(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
    shares = np.linspace(0.0, 1.0, DAYS)
    by = np.interp(shares, np.append(0.0, passed / passed[-1]), np.append(0.0, days[order][happened]))
    return Curve(shares, by)
