"""Versions of models of numbers: stored with their evaluations, and told."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import Max

from scoring import artifacts, forecasts, number_champion, number_figures, training_set, versions, words
from scoring.artifacts import Served
from scoring.forecasts import Progress, Tested, Trained
from scoring.models import Evaluation, ModelVersion, Target
from scoring.number_rules import Rule
from scoring.report import Check, Report

LONGEST_REASON = 600
AMOUNT_BANDS = [{"name": n, "from_percentile": p} for n, p in (("low", 0.0), ("medium", 50.0), ("high", 90.0))]
DAY_BANDS = [{"name": n, "from_percentile": p} for n, p in (("soon", 0.0), ("later", 50.0))]
PARTS = ("gate", "season", "notes", "value", "drivers")  # of the report, in the summary


def train(target: Target, as_of: datetime, seed: int, progress: Progress) -> ModelVersion:
    """Train, test and store a version; it goes live if it surely ranks customers better than the simple rules."""
    progress("Looks back at past times", 0.0)
    trained = forecasts.learn(training_set.build(target, as_of), target, seed, progress, words.known())
    progress("Stores", 0.97)
    version = keep(trained, target, as_of, seed)
    progress("Done", 1.0)
    return version


class _Kept(NamedTuple):
    """What becomes of one version: who speaks, whether it goes live, why, and its report."""

    model: Served
    learner: str
    goes_live: bool
    reason: str
    report: Report


def keep(trained: Trained, target: Target, as_of: datetime, seed: int) -> ModelVersion:
    """Store the model, its version and its evaluations; it replaces the live version if it passes and is not worse.

    Where it does not and no model is live, the best simple rule goes live beside it, if that is better than chance.
    """
    live = target.versions.filter(state=ModelVersion.State.LIVE).first()
    report, checks = trained.report.copy(), trained.report["gate"]["checks"]
    if trained.passed and live:
        checks = [*checks, number_champion.compare(trained, live, seed)]
        report["gate"] = {**report["gate"], "checks": checks, "passed": all(check["passed"] for check in checks)}
    wins = report["gate"]["passed"]
    rule = None if wins or (live and not live.is_baseline) else trained.rule
    said = _reason(checks)
    if rule:
        said += f" Until a model does better, {forecasts.IN_WORDS[rule.learner]} is live."
    with transaction.atomic():
        Target.objects.select_for_update().get(pk=target.pk)
        made = _Kept(trained.model, trained.learner, wins, said, report)
        version = _store(made, trained, ModelVersion(target=target, as_of=as_of, seed=seed))
        if rule:
            beside = _Kept(rule, rule.learner, True, _why_rule(trained, rule), _report_of_rule(trained, rule))
            _store(beside, trained, ModelVersion(target=target, as_of=as_of, seed=seed, is_baseline=True))
    return version


def _store(kept: _Kept, trained: Trained, version: ModelVersion) -> ModelVersion:
    """Store a model file, its version and its evaluations."""
    target = version.target
    version.number = (target.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version.artefact, version.artefact_mac = artifacts.write(kept.model, target.key, version.number)
    version.learner, version.reason, version.report = kept.learner, kept.reason[:LONGEST_REASON], dict(kept.report)
    version.validated, version.created_at = trained.training_set.validated, version.as_of
    version.features = [column.name for column in kept.model.reading.columns]
    version.customers, version.positives = trained.report["customers"], trained.report["positives"]
    version.bands = DAY_BANDS if target.kind == Target.Kind.NEXT else AMOUNT_BANDS
    version.save(force_insert=True)
    Evaluation.objects.bulk_create(_evaluations(trained, version))
    if kept.goes_live:
        versions.go_live(version, version.as_of)
    return version


def _why_rule(trained: Trained, rule: Rule) -> str:
    gini = trained.pooled[rule.learner][number_figures.GINI]
    words = forecasts.IN_WORDS[rule.learner]
    return f"No model surely ranks customers better than {words}, which is better than chance: Gini {gini.value:.3f}."


def _report_of_rule(trained: Trained, rule: Rule) -> Report:
    """Give the report of the simple rule's own version: it had to beat chance alone."""
    report = trained.report.copy()
    check: Check = {"name": "chance", "passed": True, "sentence": _why_rule(trained, rule)}
    report["gate"] = {"passed": True, "baseline": rule.learner, "checks": [check]}
    report.pop("drivers", None)
    report.pop("season", None)
    report.pop("notes", None)
    return report


def _reason(checks: list[Check]) -> str:
    failed = [check["sentence"] for check in checks if not check["passed"]]
    return " ".join(failed or [check["sentence"] for check in checks if check["name"] != "chance"])


def _evaluations(trained: Trained, version: ModelVersion) -> list[Evaluation]:
    """Give the evaluations of all tests by name, and that of each origin for the learner and the best simple rule."""
    told = {trained.learner, trained.report["gate"]["baseline"]} & trained.pooled.keys()
    wanted: list[tuple[str, list[Tested]]] = [(name, trained.tests) for name in trained.pooled]
    wanted += [(name, [test]) for test in trained.tests for name in sorted(told)]
    made = []
    for name, tests in wanted:
        is_whole = tests is trained.tests
        amounts = forecasts.amounts_of(trained.training_set, version.target, tests, name)
        found = (
            trained.pooled[name]
            if is_whole
            else forecasts.figures_of(trained.training_set, version.target, tests, name, version.seed)
        )
        made.append(
            Evaluation(
                version=version,
                learner=name,
                origin=None if is_whole else tests[0].origin,
                customers=len(np.unique(amounts.customers)),
                positives=int((amounts.came > 0).sum()),
                figures={key: one.plain() for key, one in found.items()},
                curves=number_figures.curves(amounts),
            )
        )
    return made


def summary(version: ModelVersion) -> dict[str, Any]:
    """Give what `train --json` writes about a version of a number target."""
    pooled = version.evaluations.filter(origin=None)
    own, rule = pooled.get(learner=version.learner), version.report["gate"]["baseline"]
    origins_told = version.evaluations.filter(learner=version.learner).exclude(origin=None).order_by("origin")
    return {
        "target": version.target.key,
        "version": version.number,
        "live": version.state == ModelVersion.State.LIVE,
        "reason": version.reason,
        "learner": version.learner,
        "validated": version.validated,
        "customers": version.customers,
        **own.figures,
        "baseline": {"learner": rule, **pooled.get(learner=rule).figures},
        "learners": {one.learner: one.figures for one in pooled.order_by("pk")},
        "origins": [
            {"origin": one.origin.isoformat(), "customers": one.customers, "positives": one.positives, **one.figures}
            for one in origins_told
            if one.origin
        ],
        **{part: version.report.get(part) for part in PARTS},
    }
