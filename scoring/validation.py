"""Judgement: what the chosen learner and the simple rules said of rows that took no part in choosing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from scoring import baselines, evaluation, learners, season, splits
from scoring.choice import Choice, Chosen, Tell
from scoring.evaluation import Outcome
from scoring.learners import BASE_RATE, Flags, Floats, Model, Sigmoid
from scoring.splits import Split
from scoring.training_set import Ints, TrainingSet

Errors = tuple[list[float], list[float]]


class Trial(NamedTuple):
    """One split's uncalibrated chances of its test rows and of the rows aside, by name; and the models."""

    split: Split
    test: dict[str, Floats]
    aside: dict[str, Floats]
    models: dict[str, Model]


class Ruling(NamedTuple):
    """The calibrated chances of a trial's test rows, and the threshold from which they are flagged."""

    chances: Floats
    threshold: float


@dataclass(frozen=True)
class Judged:
    """All predictions that judge, by the learner and by the simple rules; and what the live model takes from them.

    `rows` are numbers of the training set's rows, `times` their as_of in microseconds. `level_errors` are by how much
    the level was off at each origin, without and with the season.
    """

    learner: str
    rows: Ints
    times: Ints
    origins: list[datetime]
    outcomes: dict[str, Outcome]
    calibrations: dict[str, Sigmoid]
    thresholds: dict[str, float]
    trials: list[Trial]
    level_errors: Errors

    @property
    def outcome(self) -> Outcome:
        """The learner's own."""
        return self.outcomes[self.learner]


def judge(examples: TrainingSet, chosen: Chosen, seed: int, tell: Tell) -> Judged:
    """Fit and predict split by split, each with what was chosen without it.

    A part's calibration and threshold come from the other parts' predictions of rows on the training side, made by
    models that had not seen those rows; the calibration that the live model gets comes from all predictions here.
    """
    trials = _try(examples, chosen, seed, tell)
    labels, learner = examples.labels(), chosen.final.learner
    asked = {learner: [name_of(chosen.at(number)) for number in range(len(trials))]}
    asked |= {rule: [rule] * len(trials) for rule in baselines.columns(examples)}
    rulings = {
        name: [_rule(trial, trials, one, labels) for trial, one in zip(trials, each, strict=True)]
        for name, each in asked.items()
    }
    errors = _set_levels(examples, trials, rulings, learner)
    rows = np.concatenate([np.flatnonzero(trial.split.test) for trial in trials])
    names = {learner: name_of(chosen.final)} | {rule: rule for rule in baselines.columns(examples)}
    return Judged(
        learner,
        rows,
        examples.frame["as_of"].to_physical().to_numpy()[rows],
        sorted({trial.split.origin for trial in trials if trial.split.origin}),
        {name: _outcome(examples, rows, each) for name, each in rulings.items()},
        {
            name: learners.fit_sigmoid(np.concatenate([trial.test[key] for trial in trials]), labels[rows])
            for name, key in names.items()
        },
        {name: float(np.mean([one.threshold for one in each])) for name, each in rulings.items()},
        trials,
        errors,
    )


def _try(examples: TrainingSet, chosen: Chosen, seed: int, tell: Tell) -> list[Trial]:
    """Fit what was chosen, by any of the splits, and the simple rules on each split; and predict."""
    found = []
    rules, labels = baselines.columns(examples), examples.labels()
    wanted = {name_of(choice): choice for choice in (chosen.final, *chosen.others)}
    judging = splits.judging(examples, seed)
    for number, split in enumerate(judging):
        tell(number / len(judging))
        train = examples.frame.filter(pl.Series(split.train))
        models = {
            name: choice.fit(train, labels[split.train], seed, examples.excluded) for name, choice in wanted.items()
        }
        models |= {name: baselines.fit(read, train, labels[split.train]) for name, read in rules.items()}
        test, aside = (
            {name: model.chances(examples.frame.filter(pl.Series(rows))) for name, model in models.items()}
            for rows in (split.test, split.aside)
        )
        found.append(Trial(split, test, aside, models))
    return found


def _rule(trial: Trial, trials: Iterable[Trial], name: str, labels: Flags) -> Ruling:
    """Calibrate a trial's predictions, and find the threshold, on the other parts' rows of the training side."""
    others = [other for other in trials if other.split.origin == trial.split.origin and other is not trial]
    seen = np.concatenate([other.aside[name] for other in others])
    happened = np.concatenate([labels[other.split.aside] for other in others])
    calibration = Sigmoid() if name == BASE_RATE else learners.fit_sigmoid(seen, happened)
    return Ruling(calibration(trial.test[name]), evaluation.best_threshold(happened, calibration(seen)))


def _set_levels(examples: TrainingSet, trials: list[Trial], rulings: dict[str, list[Ruling]], learner: str) -> Errors:
    """Shift the chances of each origin to the level that could be foreseen at it. Give how far off the level was."""
    errors: Errors = ([], [])
    labels, levels = examples.labels(), season.levels_of(examples)
    for origin in sorted({trial.split.origin for trial in trials if trial.split.origin}):
        level = season.forecast(levels, origin, examples.horizon)
        if level is None:
            continue
        parts = [number for number, trial in enumerate(trials) if trial.split.origin == origin]
        came = float(np.concatenate([labels[trials[part].split.test] for part in parts]).mean())
        for name, each in rulings.items():
            before = np.concatenate([each[part].chances for part in parts])
            by = Sigmoid(1.0, season.shift(before, level))
            for part in parts:
                each[part] = each[part]._replace(chances=by(each[part].chances))
            if name == learner:
                errors[0].append(season.off(before, came))
                errors[1].append(season.off(by(before), came))
    return errors


def _outcome(examples: TrainingSet, rows: Ints, rulings: list[Ruling]) -> Outcome:
    return Outcome(
        examples.labels()[rows],
        np.concatenate([one.chances for one in rulings]),
        np.concatenate([one.chances >= one.threshold for one in rulings]),
        examples.frame["customer_id"].to_numpy()[rows],
    )


def name_of(choice: Choice) -> str:
    """Name a choice with its settings."""
    return f"{choice.learner} {sorted((name, sorted(each.items())) for name, each in choice.settings.items())}"
