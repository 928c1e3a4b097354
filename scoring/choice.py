"""Which learner, with which settings: the one that did best on rows that judge nothing.

What counts is the log loss after calibration, and what serving costs: of those that are as good as the best, within one
standard error of the difference on the same customers, the cheapest is chosen.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from scoring import baselines, evaluation, learners, serving, splits
from scoring.evaluation import Outcome
from scoring.learners import CANDIDATES, MEMBERS, Flags, Floats, Model, Settings
from scoring.models import ModelVersion
from scoring.report import Tried
from scoring.splits import Split
from scoring.training_set import Ints, TrainingSet, some

MOST_ROWS = 40_000  # to choose with, of whole customers

Tell = Callable[[float], None]  # of the portion that is done
Parts = Sequence[int]  # numbers of splits
Chances = list[Floats]  # of the test rows, split by split


@dataclass(frozen=True)
class Choice:
    """A learner, and the settings it is fitted with: its own, or of those whom it asks."""

    learner: str
    settings: Mapping[str, Settings]

    def fit(self, frame: pl.DataFrame, labels: Flags, seed: int, excluded: Collection[str]) -> Model:
        """Fit it, so that it speaks, uncalibrated."""
        asked = {self.learner: self.settings.get(self.learner, {}), **self.settings}
        return learners.fit(frame, labels, seed, excluded, asked)


@dataclass(frozen=True)
class Chosen:
    """What did best over all, what did best on the other folds (of each fold, in folds), and how each learner did."""

    final: Choice
    others: list[Choice]
    tried: list[Tried]

    def at(self, split: int) -> Choice:
        """Give what was chosen without the rows that the split tests."""
        return self.others[split] if self.others else self.final


class _Candidate(NamedTuple):
    """A learner with the number of its settings among those that are tried; a simple rule has one."""

    learner: str
    number: int = 0


class _Found(NamedTuple):
    """A learner with its best settings: log losses of rows, the cost of serving one, uncalibrated chances."""

    choice: Choice
    losses: Floats
    microseconds: float
    chances: Chances

    @property
    def loss(self) -> float:
        return float(self.losses.mean())


@dataclass(frozen=True)
class _Trials:
    """Chances by candidate, the answers and customers beside them, and what serving by each candidate costs."""

    splits: Sequence[Split]
    chances: Mapping[_Candidate, Chances]
    labels: Sequence[Flags]
    customers: Sequence[Ints]
    microseconds: Mapping[_Candidate, float]

    def losses(self, chances: Chances, parts: Parts) -> Floats:
        """Give each row's log loss by calibrated chances on some of the splits."""
        raw, labels = (np.concatenate([each[part] for part in parts]) for each in (chances, self.labels))
        return evaluation.log_losses(labels, learners.fit_sigmoid(raw, labels)(raw))

    def pick(self, found: Mapping[str, _Found], parts: Parts) -> _Found:
        """Give the cheapest of those that are as good as the best."""
        best = min(found.values(), key=lambda one: (one.loss, one.choice.learner))
        _, owner = np.unique(np.concatenate([self.customers[part] for part in parts]), return_inverse=True)
        errors = {name: _error(one.losses - best.losses, owner) for name, one in found.items()}
        losses = {name: one.loss for name, one in found.items()}
        return found[serving.choose(losses, errors, {name: one.microseconds for name, one in found.items()})]


def choose(examples: TrainingSet, names: Collection[str], seed: int, tell: Tell) -> Chosen:
    """Try the learners with each of their settings, split by split, on at most 40,000 rows."""
    trials = _try(examples, names, seed, tell)
    parts = range(len(trials.splits))
    found = _best(trials, names, parts)
    final = trials.pick(found, parts)
    others = []
    if examples.validated == ModelVersion.Validated.IN_FOLDS:
        without = [[part for part in parts if part != one] for one in parts]
        others = [trials.pick(_best(trials, names, rest), rest) for rest in without]
    compared = [*found.values(), *_rules(trials, examples)]
    told = _told(compared, final, trials)
    return Chosen(final.choice, [one.choice for one in others], told)


def _error(differences: Floats, owner: Ints) -> float:
    """Give the standard error of the mean of differences, of which those of one customer go together."""
    sums = np.bincount(owner, differences - differences.mean())
    return float(np.sqrt((sums**2).sum()) / len(differences))


def _sample(examples: TrainingSet, tried: list[Split], seed: int) -> list[Split]:
    """Keep whole customers, as many as fit."""
    used = np.any([split.train | split.test for split in tried], axis=0).sum()
    if used <= MOST_ROWS:
        return tried
    kept = some(examples.frame, seed, MOST_ROWS / used)
    return [Split(one.origin, one.train & kept, one.test & kept, one.aside & kept) for one in tried]


def _try(examples: TrainingSet, names: Collection[str], seed: int, tell: Tell) -> _Trials:
    """Fit every learner with all its settings, and every simple rule, and predict."""
    labels, rules = examples.labels(), baselines.columns(examples)
    tried = _sample(examples, splits.choosing(examples, seed), seed)
    chances: dict[_Candidate, Chances] = {}
    microseconds: dict[_Candidate, float] = {}
    for number, split in enumerate(tried):
        tell(number / len(tried))
        train, test = (examples.frame.filter(pl.Series(rows)) for rows in (split.train, split.test))
        for at, settings in enumerate(_rounds(names)):
            model = learners.fit(train, labels[split.train], seed, examples.excluded, settings)
            for name, found in model.raw(test).items():
                if name in settings:
                    chances.setdefault(_Candidate(name, at), []).append(found)
                    if not number:
                        microseconds[_Candidate(name, at)] = serving.cost(model, name)
        for name, read in rules.items():
            rule = baselines.fit(read, train, labels[split.train])
            chances.setdefault(_Candidate(name), []).append(rule.chances(test))
            microseconds[_Candidate(name)] = serving.cost(rule, rule.learner)
    customers = examples.frame["customer_id"].to_numpy()
    known = [labels[split.test] for split in tried], [customers[split.test] for split in tried]
    return _Trials(tried, chances, *known, microseconds)


def _rounds(names: Collection[str]) -> list[dict[str, Settings]]:
    """Give which learners are fitted together: all with their first settings, then with their second ..."""
    asked = _asked(names)
    most = max(len(CANDIDATES[name]) for name in asked)
    return [{name: CANDIDATES[name][at] for name in asked if at < len(CANDIDATES[name])} for at in range(most)]


def _asked(names: Collection[str]) -> list[str]:
    """Give those learners that are fitted: of an average, its members."""
    return list(dict.fromkeys(member for name in names for member in learners.members(name)))


def _best(trials: _Trials, names: Collection[str], parts: Parts) -> dict[str, _Found]:
    """Give each learner with the settings that did best on some of the splits."""
    found: dict[str, _Found] = {}
    for name in _asked(names):
        losses = {one: trials.losses(trials.chances[one], parts) for one in trials.chances if one.learner == name}
        best = min(losses, key=lambda one: (float(losses[one].mean()), one.number))
        choice = Choice(name, {name: CANDIDATES[name][best.number]})
        found[name] = _Found(choice, losses[best], trials.microseconds[best], trials.chances[best])
    for name in set(names) & MEMBERS.keys():
        asked = [found[member] for member in MEMBERS[name]]
        chances = [
            learners.average(name, {one.choice.learner: one.chances[part] for one in asked})
            for part in range(len(trials.splits))
        ]
        settings = {key: value for one in asked for key, value in one.choice.settings.items()}
        cost = sum(one.microseconds for one in asked)
        found[name] = _Found(Choice(name, settings), trials.losses(chances, parts), cost, chances)
    return {name: found[name] for name in names}


def _rules(trials: _Trials, examples: TrainingSet) -> list[_Found]:
    """Give how the simple rules did."""
    parts = range(len(trials.splits))
    return [
        _Found(
            Choice(name, {}),
            trials.losses(trials.chances[_Candidate(name)], parts),
            trials.microseconds[_Candidate(name)],
            trials.chances[_Candidate(name)],
        )
        for name in baselines.columns(examples)
    ]


def _told(found: Sequence[_Found], final: _Found, trials: _Trials) -> list[Tried]:
    """Tell how each learner did where the choice was made, the best AUC first."""
    labels, customers = np.concatenate(trials.labels), np.concatenate(trials.customers)
    none = np.zeros(len(labels), dtype=bool)
    at = {origin: number for number, origin in enumerate(dict.fromkeys(split.origin for split in trials.splits))}
    origins = np.concatenate([np.full(split.test.sum(), at[split.origin]) for split in trials.splits])
    outcomes = {one.choice.learner: Outcome(labels, np.concatenate(one.chances), none, customers) for one in found}
    aucs = evaluation.aucs(outcomes, origins, 0)
    told = [
        Tried(
            learner=one.choice.learner,
            is_baseline=not one.choice.settings,
            auc=evaluation.mean_auc(aucs[one.choice.learner]).plain(),
            log_loss=round(one.loss, 6),
            microseconds=round(one.microseconds, 3),
            settings=_flat(one.choice),
            is_chosen=one is final,
        )
        for one in found
    ]
    return sorted(told, key=lambda one: (-one["auc"]["value"], one["learner"]))


def _flat(choice: Choice) -> dict[str, float | int | str]:
    """Give the settings of a learner, or those of its members behind their names."""
    if choice.learner in choice.settings:
        return dict(choice.settings[choice.learner])
    return {f"{name} {key}": value for name, each in choice.settings.items() for key, value in each.items()}
