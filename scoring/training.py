"""Training: fit, test on what was not seen, keep the winner with its evaluation, and let it go live if it earned it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from django.db import transaction
from django.db.models import Max

from scoring import (
    artifacts,
    baselines,
    champion,
    changes,
    choice,
    drivers,
    evaluation,
    forecast_versions,
    gate,
    guard,
    minimums,
    money,
    preparation,
    season,
    spreads,
    target_words,
    targets,
    training_set,
    validation,
    versions,
    words,
)
from scoring.choice import Chosen
from scoring.drivers import PLAIN, Piece, Telling
from scoring.evaluation import MEAN_AUC, Figure, Outcome, Weights
from scoring.gate import Case
from scoring.learners import MODELS, Model, Sigmoid
from scoring.models import Evaluation, ModelVersion, Target
from scoring.ranking import BANDS
from scoring.report import Check, Gate, Report, Season
from scoring.training_set import TrainingRefused, TrainingSet
from scoring.validation import Judged

LONGEST_REASON = 600
PARTS = ("season", "guard", "gate", "learners", "preparation", "drivers", "money")  # of the report, in the summary

Progress = Callable[[str, float], None]  # a stage in plain words, and the portion of the whole that is done


def silent(stage: str, portion: float) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class Trained:
    """The chosen model and the best simple rule, fitted on all rows; how they did where nothing was chosen; a report.

    `pooled` has the figures of all tests, of the learner and of the simple rules. `rule` is None where none of them is
    surely better than chance.
    """

    model: Model
    rule: Model | None
    training_set: TrainingSet
    judged: Judged
    pooled: dict[str, dict[str, Figure]]
    report: Report

    @property
    def figures(self) -> dict[str, Figure]:
        """The model's own figures over all tests."""
        return self.pooled[self.judged.learner]

    @property
    def verdict(self) -> Gate:
        return self.report["gate"]

    @property
    def passed(self) -> bool:
        """Whether the model may go live."""
        return self.verdict["passed"]

    def reason(self) -> str:
        """Say in a sentence why the model goes live, or why it does not."""
        return gate.reason(self.verdict)


def train(
    target: Target,
    as_of: datetime,
    seed: int = 0,
    progress: Progress = silent,
    names: Collection[str] = tuple(MODELS),
) -> ModelVersion:
    """Train, test and store a version of the target's model; it goes live if it beats the best simple rule.

    Raises TargetError for a target that cannot be, TrainingRefused where there is too little to learn from.
    """
    targets.check(target)
    if targets.is_number(target):
        return forecast_versions.train(target, as_of, seed, progress)
    progress("Looks back at past times", 0.0)
    telling = Telling(target_words.meaning(target), words.known())
    trained = learn(training_set.build(target, as_of), seed, progress, names, telling)
    progress("Stores", 0.97)
    version = keep(trained, target, as_of, seed)
    progress("Done", 1.0)
    return version


def learn(
    examples: TrainingSet,
    seed: int,
    progress: Progress = silent,
    names: Collection[str] = tuple(MODELS),
    telling: Telling = PLAIN,
) -> Trained:
    """Give the learner of those named that does best, fitted on all rows and calibrated on predictions out of sample.

    It is chosen on some rows and judged on others; the gate says whether it may go live. `telling` has the words for
    what drives it.
    """
    check_enough(examples)
    progress("Looks for fields that know the answer", 0.1)
    guarded = guard.look(examples, seed)
    examples = examples.but([suspect["field"] for suspect in guarded["blocked"]])
    preparation.check(examples)
    chosen = choice.choose(
        examples, names, seed, lambda part: progress(f"Tries {len(names)} learners", 0.15 + 0.35 * part)
    )
    judged = validation.judge(examples, chosen, seed, lambda part: progress(_testing(examples), 0.5 + 0.3 * part))
    check_tested(judged)
    aucs = evaluation.aucs(judged.outcomes, judged.times, seed)
    pooled = {name: evaluation.figures(outcome, seed) for name, outcome in judged.outcomes.items()}
    pooled[judged.learner][MEAN_AUC] = evaluation.mean_auc(aucs[judged.learner])
    progress("Fits on everything", 0.85)
    model = chosen.final.fit(examples.frame, examples.labels(), seed, examples.excluded)
    model, foreseen = _levelled(model.speaking(judged.learner, judged.calibrations[judged.learner]), examples, judged)
    read = {column.name for column in model.reading.columns}
    unresolved = [one["field"] for one in guarded["blocked"] if one["field"] in read]
    case = replace(_case(examples, judged, aucs, foreseen), unresolved=unresolved)
    progress("Explains", 0.88)
    report = _report(examples, chosen, foreseen)
    report["preparation"] = preparation.look(examples, model.reading, telling.called)
    report["guard"], report["gate"] = guarded, gate.gate(case)
    telling = telling._replace(warned={one["field"]: one["why"] for one in guarded["warned"]})
    report["drivers"] = drivers.drivers(_pieces(examples, chosen, judged, seed), telling, seed)
    return Trained(model, _rule(case, examples, judged), examples, judged, pooled, report)


def _pieces(examples: TrainingSet, chosen: Chosen, judged: Judged, seed: int) -> list[Piece]:
    """Give the models that judged with the rows they had not seen."""
    calibration, labels = judged.calibrations[judged.learner], examples.labels()
    few = drivers.few(examples.frame, len(judged.rows), seed)
    found = []
    for number, trial in enumerate(judged.trials):
        choice = chosen.at(number)
        model = trial.models[validation.name_of(choice)].speaking(choice.learner, calibration)
        rows = trial.split.test & few
        found.append(Piece(model, examples.frame.filter(pl.Series(rows)), labels[rows]))
    return found


def _testing(examples: TrainingSet) -> str:
    over_time = examples.validated == ModelVersion.Validated.OVER_TIME
    return "Tests on later times and other customers" if over_time else "Tests in folds"


def _case(examples: TrainingSet, judged: Judged, aucs: Mapping[str, Weights], foreseen: Season | None) -> Case:
    rules = judged.outcomes.keys() - {judged.learner}
    return Case(
        judged.learner,
        judged.outcome,
        aucs,
        {name: baselines.words(name, examples) for name in rules},
        [f"{origin:%Y-%m-%d}" for origin in judged.origins],
        foreseen is None or foreseen["known"],
    )


def _levelled(model: Model, examples: TrainingSet, judged: Judged) -> tuple[Model, Season | None]:
    """Set the level that is foreseen from the end of the last window on; in folds there is no season."""
    if not judged.origins:
        return model, None
    newest = examples.frame.filter(pl.col("as_of") == pl.col("as_of").max())
    end = newest["as_of"].max()
    if not isinstance(end, datetime):
        raise TypeError("as_of must be a time")
    before = model.chances(newest)
    level = season.forecast(season.levels_of(examples), end + examples.horizon, examples.horizon)
    foreseen = season.told(float(before.mean()), level, judged.level_errors)
    if level is None:
        return model, foreseen
    usual = model.calibration
    moved = Sigmoid(usual.slope, usual.shift + season.shift(before, level))
    return model.speaking(model.learner, moved), foreseen


def _rule(case: Case, examples: TrainingSet, judged: Judged) -> Model | None:
    """Give the best simple rule fitted on all rows, where it is surely better than chance."""
    if not gate.may_serve(case):
        return None
    name = case.baseline
    rule = baselines.fit(baselines.columns(examples)[name], examples.frame, examples.labels())
    return _levelled(rule.speaking(rule.learner, judged.calibrations[name]), examples, judged)[0]


def _report(examples: TrainingSet, chosen: Chosen, foreseen: Season | None) -> Report:
    """Give what the training saw and chose."""
    labels = examples.labels()
    report: Report = {
        "customers": examples.frame["customer_id"].n_unique(),
        "positives": int(labels.sum()),
        "rows": len(labels),
        "base_rate": round(float(labels.mean()), 6),
        "times": [f"{t:%Y-%m-%d}" for t in examples.frame["as_of"].unique().sort()],
        "learners": chosen.tried,
    }
    if examples.value is not None:
        report["value"] = examples.value.plain()
    if examples.spend_line is not None:
        report["spend_line"] = examples.spend_line
    if foreseen is not None:
        report["season"] = foreseen
    return report


def check_enough(examples: TrainingSet) -> None:
    """Raise TrainingRefused, saying how much is missing, unless there are enough customers of both kinds."""
    positives, rows = int(examples.labels().sum()), len(examples.labels())
    missing = minimums.too_few(examples.frame["customer_id"].n_unique(), positives, rows - positives)
    if missing:
        raise TrainingRefused(missing)


def check_tested(judged: Judged) -> None:
    """Raise TrainingRefused unless there is enough to judge by."""
    missing = minimums.untested(int(judged.outcome.labels.sum()))
    if missing:
        raise TrainingRefused(missing)


class _Kept(NamedTuple):
    """What becomes of one version: who speaks, its name, whether it goes live, why, and its report."""

    model: Model
    learner: str
    goes_live: bool
    reason: str
    report: Report


def keep(trained: Trained, target: Target, as_of: datetime, seed: int) -> ModelVersion:
    """Store the model with its evaluations; it replaces the live version if it passes the gate and is not worse.

    Where it does not and no model is live, the best simple rule goes live beside it, if that is better than chance.
    """
    live = target.versions.filter(state=ModelVersion.State.LIVE).first()
    check = champion.compare(trained.training_set, trained.judged, live, seed) if trained.passed and live else None
    wins = trained.passed and (check is None or check["passed"])
    rule = None if wins or (live and not live.is_baseline) else trained.rule
    said = [trained.reason(), *([check["sentence"]] if check else [])]
    if rule:
        said.append(f"Until a model does better, {_rule_in_words(trained)} is live.")
    report = trained.report.copy()
    if check:
        report["gate"] = {**trained.verdict, "passed": wins, "checks": [*trained.verdict["checks"], check]}
    with transaction.atomic():
        Target.objects.select_for_update().get(pk=target.pk)
        made = _Kept(trained.model, trained.judged.learner, wins, " ".join(said), report)
        version = _store(made, trained, ModelVersion(target=target, as_of=as_of, seed=seed))
        if rule:
            beside = _Kept(rule, trained.verdict["baseline"], True, _why_rule(trained), _report_of_rule(trained))
            _store(beside, trained, ModelVersion(target=target, as_of=as_of, seed=seed, is_baseline=True))
    return version


def _rule_in_words(trained: Trained) -> str:
    return baselines.words(trained.verdict["baseline"], trained.training_set)


def _why_rule(trained: Trained) -> str:
    auc = trained.pooled[trained.verdict["baseline"]]["auc"]
    said = f"No model surely beats {_rule_in_words(trained)}, which is better than chance: AUC {auc.value:.3f}."
    return f"{said[:1].upper()}{said[1:]}"


def _report_of_rule(trained: Trained) -> Report:
    """Give the report of the simple rule's own version: it had to beat chance alone."""
    report = trained.report.copy()
    check: Check = {"name": "chance", "passed": True, "sentence": _why_rule(trained)}
    report["gate"] = {"passed": True, "baseline": trained.verdict["baseline"], "checks": [check]}
    report.pop("drivers", None)
    return report


def _store(kept: _Kept, trained: Trained, version: ModelVersion) -> ModelVersion:
    """Store a model file, its version and its evaluations."""
    examples, target = trained.training_set, version.target
    version.number = (target.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version.artefact, version.artefact_mac = artifacts.write(kept.model, target.key, version.number)
    version.learner, version.reason, version.report = kept.learner, kept.reason[:LONGEST_REASON], dict(kept.report)
    version.report["spreads"] = spreads.spreads(examples.frame, kept.model.reading.columns)
    if terms := money.terms_of(target):
        version.report["money"] = money.cut(trained.judged.outcomes[kept.learner], terms, version.seed)
    version.validated, version.created_at, version.bands = examples.validated, version.as_of, BANDS
    version.features = [column.name for column in kept.model.reading.columns]
    version.customers, version.positives = trained.report["customers"], trained.report["positives"]
    version.threshold = round(trained.judged.thresholds[kept.learner], 6)
    version.save(force_insert=True)
    Evaluation.objects.bulk_create(_evaluations(trained, version))
    version.report["changes"] = changes.since_before(version)
    version.save(update_fields=["report"])
    if kept.goes_live:
        versions.go_live(version, version.as_of)
    return version


def summary(version: ModelVersion) -> dict[str, Any]:
    """Give what `train --json` writes about a version: figures with intervals, and what its report holds."""
    if targets.is_number(version.target):
        return forecast_versions.summary(version)
    pooled = version.evaluations.filter(origin=None)
    own = pooled.get(learner=version.learner)
    report = version.report
    rule = pooled.get(learner=report["gate"]["baseline"])
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
        "baseline": {"learner": rule.learner, **rule.figures},
        "origins": [
            {"origin": one.origin.isoformat(), "customers": one.customers, "positives": one.positives, **one.figures}
            for one in origins
            if one.origin
        ],
        **{part: report.get(part) for part in PARTS},
    }


def _evaluations(trained: Trained, version: ModelVersion) -> list[Evaluation]:
    """Give the learner's and the rules' evaluations of all tests, and that of each origin for the two that matter."""
    judged = trained.judged
    wanted: list[tuple[str, datetime | None, Outcome]] = [(name, None, one) for name, one in judged.outcomes.items()]
    for origin in judged.origins:
        rows = judged.times == int(origin.timestamp() * 1_000_000)
        wanted += [(name, origin, judged.outcomes[name].at(rows)) for name in _told(trained)]
    return [
        Evaluation(
            version=version,
            learner=name,
            origin=origin,
            customers=len(np.unique(outcome.customers)),
            positives=int(outcome.labels.sum()),
            figures={
                key: one.plain()
                for key, one in (evaluation.figures(outcome, version.seed) if origin else trained.pooled[name]).items()
            },
            curves=evaluation.curves(outcome),
        )
        for name, origin, outcome in wanted
    ]


def _told(trained: Trained) -> list[str]:
    return [trained.judged.learner, trained.verdict["baseline"]]
