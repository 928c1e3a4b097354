"""Predictions for customers and times that a learner has not seen: rolling origins over time, or folds."""

from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from scoring import evaluation, learners
from scoring.evaluation import Outcome
from scoring.learners import AVERAGE, BASE_RATE, BOOSTING, LOGISTIC, MODELS, ONE_FIELD, Flags, Floats, Sigmoid
from scoring.models import ModelVersion
from scoring.training_set import Ints, TrainingRefused, TrainingSet, draws

COMPARED = {name: MODELS[name] for name in (AVERAGE, LOGISTIC, BOOSTING)}
MOST_ORIGINS = 3
PARTS = 3  # of the customers, over time: each is tested by a model that never saw it
FOLDS = 5
FEWEST = 200  # positives, and negatives, to learn from
DRAWS = 1 << 40


class Split(NamedTuple):
    """Rows to learn from, rows to predict, and the same customers' earlier rows, for calibrating the other parts."""

    origin: datetime | None
    train: Flags
    test: Flags
    aside: Flags


class Trial(NamedTuple):
    """One split's uncalibrated chances by learner, of its test rows and of the rows aside."""

    split: Split
    test: dict[str, Floats]
    aside: dict[str, Floats]


class Validation(NamedTuple):
    """All predictions out of sample: rows of the training set, their chances, and what a live model takes from them."""

    rows: Ints
    origins: list[datetime]
    outcomes: dict[str, Outcome]
    calibrations: dict[str, Sigmoid]
    thresholds: dict[str, float]


def validate(training_set: TrainingSet, seed: int) -> Validation:
    """Fit and predict split by split.

    A part's calibration and threshold come from the other parts' predictions of rows on the training side, made by
    models that had not seen those rows; the calibration that the live model gets comes from all predictions here.
    """
    trials = [_try(training_set, split, seed) for split in splits(training_set, seed)]
    names = list(trials[0].test)
    labels = training_set.labels()
    judged = {name: [_judge(trial, trials, name, labels) for trial in trials] for name in names}
    rows = np.concatenate([np.flatnonzero(trial.split.test) for trial in trials])
    customers = training_set.frame["customer_id"].to_numpy()[rows]
    raw = {name: np.concatenate([trial.test[name] for trial in trials]) for name in names}
    return Validation(
        rows=rows,
        origins=sorted({trial.split.origin for trial in trials if trial.split.origin}),
        outcomes={
            name: Outcome(
                labels[rows],
                np.concatenate([one.chances for one in judged[name]]),
                np.concatenate([one.chances >= one.threshold for one in judged[name]]),
                customers,
            )
            for name in names
        },
        calibrations={name: learners.fit_sigmoid(raw[name], labels[rows]) for name in names},
        thresholds={name: float(np.mean([one.threshold for one in judged[name]])) for name in names},
    )


def splits(training_set: TrainingSet, seed: int) -> list[Split]:
    """Give the splits: three late origins by three parts of the customers, or five stratified folds."""
    if training_set.validated == ModelVersion.Validated.IN_FOLDS:
        folds = _stratified(training_set, seed)
        return [Split(None, folds != fold, folds == fold, folds == fold) for fold in range(FOLDS)]
    times = training_set.frame["as_of"]
    labels = training_set.labels()
    found: list[tuple[datetime, Flags]] = []
    for origin in times.unique().sort(descending=True).to_list():
        closed = (times + training_set.horizon <= origin).to_numpy()
        if min((labels & closed).sum(), (~labels & closed).sum()) < FEWEST or len(found) == MOST_ORIGINS:
            break
        found.append((origin, closed))
    if not found:
        raise TrainingRefused(_too_short(training_set))
    parts = draws(training_set.frame, seed, PARTS)
    return [
        Split(
            origin, closed & (parts != part), (times == origin).to_numpy() & (parts == part), closed & (parts == part)
        )
        for origin, closed in reversed(found)
        for part in range(PARTS)
    ]


class _Judged(NamedTuple):
    chances: Floats
    threshold: float


def _try(training_set: TrainingSet, split: Split, seed: int) -> Trial:
    train, test, aside = (training_set.frame.filter(pl.Series(rows)) for rows in (split.train, split.test, split.aside))
    labels = training_set.labels()[split.train]
    model = learners.fit(train, labels, seed, training_set.excluded, COMPARED)
    found = [model.raw(test), model.raw(aside)]
    for frame, chances in zip((test, aside), found, strict=True):
        chances[BASE_RATE] = np.full(frame.height, labels.mean())
    if training_set.baseline:
        rule = learners.fit_only(train, labels, {training_set.baseline})
        for frame, chances in zip((test, aside), found, strict=True):
            chances[ONE_FIELD] = rule.chances(frame)
    return Trial(split, *found)


def _judge(trial: Trial, trials: list[Trial], name: str, labels: Flags) -> _Judged:
    """Calibrate a trial's predictions, and find the threshold, on the other parts' rows of the training side."""
    others = [other for other in trials if other.split.origin == trial.split.origin and other is not trial]
    seen = np.concatenate([other.aside[name] for other in others])
    happened = np.concatenate([labels[other.split.aside] for other in others])
    calibration = Sigmoid() if name == BASE_RATE else learners.fit_sigmoid(seen, happened)
    return _Judged(calibration(trial.test[name]), evaluation.best_threshold(happened, calibration(seen)))


def _stratified(training_set: TrainingSet, seed: int) -> Ints:
    """Give every row a fold, with equal shares of positives, by the customers' own hash."""
    drawn = training_set.frame.select("label", draw=pl.Series(draws(training_set.frame, seed, DRAWS)))
    return drawn.select((pl.col("draw").rank("ordinal").over("label").cast(pl.Int64)) % FOLDS).to_series().to_numpy()


def _too_short(training_set: TrainingSet) -> str:
    days = training_set.horizon.days
    return (
        f"No window of {days} days had closed with {FEWEST} customers of each kind when a later one began, so that the "
        "model could not be tested on later times. It takes a longer history, more customers, or a shorter horizon."
    )
