"""Versions of models of numbers: stored with their evaluations, and told."""

from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max

from scoring import artifacts, forecasts, number_champion, number_figures, training_set, words
from scoring.forecasts import Progress, Tested, Trained
from scoring.models import Evaluation, ModelVersion, Target
from scoring.report import Check

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


def keep(trained: Trained, target: Target, as_of: datetime, seed: int) -> ModelVersion:
    """Store the model, its version and its evaluations.

    It replaces the live version if it passes the gate and is not worse.
    """
    live = target.versions.filter(state=ModelVersion.State.LIVE).first()
    report, checks = trained.report, trained.report["gate"]["checks"]
    if trained.passed and live:
        checks = [*checks, number_champion.compare(trained, live, seed)]
        report = report.copy()
        report["gate"] = {**report["gate"], "checks": checks, "passed": all(check["passed"] for check in checks)}
    wins = report["gate"]["passed"]
    with transaction.atomic():
        Target.objects.select_for_update().get(pk=target.pk)
        number = (target.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        artefact, mac = artifacts.write(trained.model, target.key, number)
        if wins:
            target.versions.filter(state=ModelVersion.State.LIVE).update(
                state=ModelVersion.State.RETIRED, retired_at=as_of
            )
        version = ModelVersion.objects.create(
            target=target,
            number=number,
            state=ModelVersion.State.LIVE if wins else ModelVersion.State.CANDIDATE,
            reason=_reason(checks)[:LONGEST_REASON],
            learner=trained.learner,
            validated=trained.training_set.validated,
            as_of=as_of,
            created_at=as_of,
            live_since=as_of if wins else None,
            seed=seed,
            features=[column.name for column in trained.model.reading.columns],
            artefact=artefact,
            artefact_mac=mac,
            customers=trained.report["customers"],
            positives=trained.report["positives"],
            bands=DAY_BANDS if target.kind == Target.Kind.NEXT else AMOUNT_BANDS,
            report=report,
        )
        Evaluation.objects.bulk_create(_evaluations(trained, version))
    return version


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
