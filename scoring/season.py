"""The level of chances: how many it comes true for differs by season and by growth, which a ranking does not tell.

The chances are shifted on the log-odds so that their mean equals the average of two forecasts: the level of the newest
closed windows, and that of the same season a year before (the error of the forecast over five origins of Online Retail
is 13.7 % without, 14.8 % by last year alone, and 4.9 % by the average).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy.special import expit, logit

from scoring.learners import EDGE, Floats
from scoring.report import Season
from scoring.training_set import TrainingSet

YEAR = timedelta(days=365)
NEAR = timedelta(days=15)  # so close to a year before is the same season
HISTORY = timedelta(days=456)  # 15 months: less holds no whole window of last year's season
RECENT = 3  # newest closed windows
BAND = 0.30  # by so much of itself the level may be off where the season is not known
ROUNDS = 60

Levels = Mapping[datetime, float]  # the share of customers of whom it came true in the window that began then


def levels_of(examples: TrainingSet) -> Levels:
    """Give the levels that a training set tells: its own, and those of longer ago."""
    own = examples.frame.group_by("as_of").agg(pl.col("label").cast(pl.Float64).mean())
    return {**examples.levels, **dict(own.iter_rows())}


def forecast(levels: Levels, at: datetime, horizon: timedelta) -> float | None:
    """Give the level to expect of the window that begins at a time, from those closed by then.

    None where a year before is not known: the history must be 15 months long.
    """
    closed = {t: share for t, share in levels.items() if t + horizon <= at}
    if not closed or at - min(closed) + horizon < HISTORY:
        return None
    away = {t: abs(t - (at - YEAR)) for t in closed}
    nearest = min(closed, key=lambda t: (away[t], t))
    if away[nearest] > NEAR:
        return None
    newest = [closed[t] for t in sorted(closed)[-RECENT:]]
    return (float(np.mean(newest)) + closed[nearest]) / 2


def shift(chances: Floats, level: float) -> float:
    """Give what to add to the log-odds of chances so that their mean is the level, by halving."""
    odds = logit(np.clip(chances, EDGE, 1 - EDGE))
    low, high = -30.0, 30.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).mean() < level else (low, middle)
    return (low + high) / 2


def off(chances: Floats, level: float) -> float:
    """Give by how much of the level the mean of the chances is off."""
    return abs(float(chances.mean()) - level) / max(level, EDGE)


def told(before: float, after: float | None, errors: tuple[list[float], list[float]]) -> Season:
    """Tell how the level was set; `errors` are by how much it was off at each tested time, without and with it."""
    if after is None:
        sentence = (
            f"Season unknown: the history is shorter than 15 months, so that the share foreseen, {before:.1%}, may be "
            f"off by {BAND:.0%} of itself: {before * (1 - BAND):.1%} to {before * (1 + BAND):.1%}."
        )
        return {"known": False, "before": round(before, 6), "after": round(before, 6), "sentence": sentence}
    sentence = (
        f"The share foreseen is set from {before:.1%} to {after:.1%}, between that of the newest windows and of the "
        "same season last year."
    )
    if errors[1]:
        without, with_it = (float(np.mean(each)) for each in errors)
        sentence += (
            f" At the tested times it was off by {with_it:.1%} of itself on average, {without:.1%} without that."
        )
    return {"known": True, "before": round(before, 6), "after": round(after, 6), "sentence": sentence}
