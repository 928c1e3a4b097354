"""Training: fit, test on what was not seen, keep the winner with its evaluation, and let it go live if it earned it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from django.db import transaction
from django.db.models import Max

from scoring import artifacts, changes, evaluation, learners, spreads, targets, training_set, validation, versions
from scoring.evaluation import Figure, Gain
from scoring.learners import MODELS, Model
from scoring.models import Evaluation, ModelVersion, Target
from scoring.ranking import BANDS
from scoring.report import Report
from scoring.training_set import TrainingRefused, TrainingSet
from scoring.validation import COMPARED, FEWEST, Validation

FEWEST_CUSTOMERS = 500
FEWEST_TESTED = 50
CHANCE_ERRORS = 3  # so many standard errors above 0.5: of pure noise, one in 740 gets there

Progress = Callable[[str, float], None]  # a stage in plain words, and the portion of the whole that is done


def silent(stage: str, portion: float) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class Trained:
    """A fitted model, how it and the others did, and whether it may go live."""

    model: Model
    training_set: TrainingSet
    validation: Validation
    baseline: str
    pooled: dict[str, dict[str, Figure]]
    gain: Gain
    over_chance: Gain
    report: Report

    @property
    def figures(self) -> dict[str, Figure]:
        """Its own figures over all tests."""
        return self.pooled[self.model.learner]

    @property
    def is_chance(self) -> bool:
        return self.over_chance.difference <= CHANCE_ERRORS * self.over_chance.error

    @property
    def is_better(self) -> bool:
        return not self.is_chance and self.gain.difference > self.gain.error

    def reason(self) -> str:
        """Say in a sentence why the model goes live, or why it does not."""
        auc = self.figures["auc"]
        ours, theirs = f"AUC {auc.value:.3f}", f"{auc.value - self.gain.difference:.3f}"
        rule = name_of_baseline(self.baseline, self.training_set)
        compared = f"{ours} against {theirs} by {rule}, a difference of {self.gain.difference:.3f}"
        if self.is_better:
            return f"It ranks customers better than {rule}: {compared} with a standard error of {self.gain.error:.3f}."
        if self.is_chance:
            error = f"standard error {self.over_chance.error:.3f}"
            return (
                f"Its ranking cannot be told from chance: {ours}, {error}; it takes {CHANCE_ERRORS} of those above 0.5."
            )
        return f"It does not beat {rule} by more than one standard error ({self.gain.error:.3f}): {compared}."


def train(target: Target, as_of: datetime, seed: int = 0, progress: Progress = silent) -> ModelVersion:
    """Train, test and store a version of the target's model; it goes live if it beats the best simple rule.

    Raises TargetError for a target that cannot be, TrainingRefused where there is too little to learn from.
    """
    targets.check(target)
    progress("Looks back at past times", 0.0)
    trained = learn(training_set.build(target, as_of), seed, progress)
    progress("Stores", 0.97)
    version = keep(trained, target, as_of, seed)
    progress("Done", 1.0)
    return version


def learn(examples: TrainingSet, seed: int, progress: Progress = silent) -> Trained:
    """Give the best learner, fitted on all rows and calibrated on predictions out of sample."""
    check_enough(examples)
    progress("Tests on later times", 0.3)
    tried = validation.validate(examples, seed)
    tested = int(next(iter(tried.outcomes.values())).labels.sum())
    if tested < FEWEST_TESTED:
        raise TrainingRefused(f"Testing takes {FEWEST_TESTED} customers of whom it came true; there are {tested}.")
    losses = {name: evaluation.log_loss(outcome.labels, outcome.chances) for name, outcome in tried.outcomes.items()}
    winner = min(COMPARED, key=losses.__getitem__)
    found = {name: evaluation.figures(outcome, seed) for name, outcome in tried.outcomes.items()}
    baseline = max(found.keys() - set(MODELS), key=lambda name: (found[name]["auc"].value, name))
    progress("Fits on everything", 0.8)
    model = learners.fit(examples.frame, examples.labels(), seed, examples.excluded, COMPARED)
    progress("Explains", 0.85)
    return Trained(
        model.speaking(winner, tried.calibrations[winner]),
        examples,
        tried,
        baseline,
        found,
        evaluation.gain(tried.outcomes[winner], tried.outcomes[baseline].chances, seed),
        evaluation.gain(tried.outcomes[winner], np.full(len(tried.rows), 0.5), seed),
        _report(examples, model),
    )


def _report(examples: TrainingSet, model: Model) -> Report:
    """Give what the training saw."""
    labels = examples.labels()
    found: Report = {
        "customers": examples.frame["customer_id"].n_unique(),
        "positives": int(labels.sum()),
        "rows": len(labels),
        "base_rate": round(float(labels.mean()), 6),
        "times": [f"{t:%Y-%m-%d}" for t in examples.frame["as_of"].unique().sort()],
        "spreads": spreads.spreads(examples.frame, model.reading.columns),
    }
    if examples.value is not None:
        found["value"] = examples.value.plain()
    if examples.spend_line is not None:
        found["spend_line"] = examples.spend_line
    return found


def check_enough(examples: TrainingSet) -> None:
    """Raise TrainingRefused, saying how much is missing, unless there are enough customers of both kinds."""
    positives = int(examples.labels().sum())
    negatives = len(examples.labels()) - positives
    customers = examples.frame["customer_id"].n_unique()
    if customers < FEWEST_CUSTOMERS:
        missing = FEWEST_CUSTOMERS - customers
        raise TrainingRefused(f"Training takes {FEWEST_CUSTOMERS} customers; there are {customers}, {missing} too few.")
    for count, what in ((positives, "came true"), (negatives, "did not come true")):
        if count < FEWEST:
            raise TrainingRefused(
                f"Training takes {FEWEST} cases that {what}; there are {count}, {FEWEST - count} too few."
            )


def keep(trained: Trained, target: Target, as_of: datetime, seed: int) -> ModelVersion:
    """Store the model file, the version and its evaluations; a version that is better replaces the live one."""
    examples = trained.training_set
    with transaction.atomic():
        Target.objects.select_for_update().get(pk=target.pk)
        number = (target.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        artefact, mac = artifacts.write(trained.model, target.key, number)
        version = ModelVersion.objects.create(
            target=target,
            number=number,
            reason=trained.reason()[:600],
            learner=trained.model.learner,
            validated=examples.validated,
            as_of=as_of,
            created_at=as_of,
            seed=seed,
            features=[column.name for column in trained.model.reading.columns],
            artefact=artefact,
            artefact_mac=mac,
            customers=examples.frame["customer_id"].n_unique(),
            positives=int(examples.labels().sum()),
            threshold=round(trained.validation.thresholds[trained.model.learner], 6),
            bands=BANDS,
            report=trained.report,
        )
        Evaluation.objects.bulk_create(_evaluations(trained, version, seed))
        version.report["changes"] = changes.since_before(version)
        version.save(update_fields=["report"])
        if trained.is_better:
            versions.go_live(version, as_of)
    return version


def summary(version: ModelVersion) -> dict[str, Any]:
    """Give what `train --json` writes about a version: figures with intervals, the baseline, the origins."""
    pooled = version.evaluations.filter(origin=None)
    own = pooled.get(learner=version.learner)
    rules = pooled.exclude(learner__in=MODELS)
    baseline = max(rules, key=lambda one: float(one.figures["auc"]["value"]))
    origins = version.evaluations.filter(learner=version.learner).exclude(origin=None).order_by("origin")
    return {
        "target": version.target.key,
        "version": version.number,
        "live": version.state == ModelVersion.State.LIVE,
        "reason": version.reason,
        "learner": version.learner,
        "validated": version.validated,
        "customers": version.customers,
        **own.figures,
        "threshold": version.threshold,
        "baseline": {"learner": baseline.learner, **baseline.figures},
        "origins": [
            {"origin": one.origin.isoformat(), "customers": one.customers, "positives": one.positives, **one.figures}
            for one in origins
            if one.origin
        ],
    }


def name_of_baseline(learner: str, examples: TrainingSet) -> str:
    """Name a simple rule in words."""
    if learner == learners.BASE_RATE:
        return "the base rate"
    if examples.baseline == training_set.RECENCY:
        return "recency alone"
    return f"{examples.baseline.removeprefix('attributes.').removeprefix('features.')} alone"


def _evaluations(trained: Trained, version: ModelVersion, seed: int) -> list[Evaluation]:
    tried = trained.validation
    times = trained.training_set.frame["as_of"].gather(pl.Series(tried.rows))
    everything = np.ones(len(tried.rows), dtype=bool)
    wanted = [(name, None, everything) for name in tried.outcomes]
    late = [(name, t, (times == t).to_numpy()) for name in (version.learner, trained.baseline) for t in tried.origins]
    made = []
    for name, origin, rows in [*wanted, *late]:
        outcome = tried.outcomes[name].at(rows)
        found = evaluation.figures(outcome, seed) if origin else trained.pooled[name]
        made.append(
            Evaluation(
                version=version,
                learner=name,
                origin=origin,
                customers=len(np.unique(outcome.customers)),
                positives=int(outcome.labels.sum()),
                figures={name: figure.plain() for name, figure in found.items()},
                curves=evaluation.curves(outcome),
            )
        )
    return made
