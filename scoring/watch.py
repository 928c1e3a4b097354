"""What is looked after while models are in use: retraining, back-tests, drift, and the alerts that follow from them.

Every look finds the causes anew: what is still there is raised again, what is gone is settled.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
from django.urls import reverse

from customers import alerts, features, history, snapshot
from customers.alerts import Cause
from customers.models import Alert, Attribute
from scoring import backtest, drift, seals, targets, training_queue, training_set
from scoring.models import Backtest, Drift, Evaluation, ModelVersion, Target, TrainingRun
from scoring.number_figures import GINI, TOTAL
from scoring.report import TIME_ONLY, Guarded, Report

PREFIX = "scoring."
FEWEST = 200  # customers left alone, to judge by
MOST = 50_000
LOOKBACK = timedelta(days=90)  # to be left alone, where a target has no horizon
NAMED = 3  # fields in a sentence
NOTHING: Guarded = {"blocked": [], "warned": []}
TOLD = ("features.", "attributes.")  # by the snapshot
FAR = 0.25  # of a total of amounts, beyond chance


def watch(at: datetime) -> None:
    """Ask for due trainings, judge closed windows, look for drift once a day, and bring the inbox up to date.

    Safe to do twice.
    """
    alerts.wake(at)
    training_queue.ask_due(at)
    backtest.judge_due(at)
    for version in _live():
        look_for_drift(version, at)
    causes = list(found())
    for cause in causes:
        alerts.raise_(cause, at)
    alerts.settle_others(PREFIX, [cause.key for cause in causes], at)


def look_for_drift(version: ModelVersion, at: datetime) -> Drift | None:
    """Compare the newest snapshot with what a version was trained on, once a day; among those we left alone."""
    taken_at = snapshot.latest(at)
    report: Report = version.report
    known = report.get("spreads", {})
    if taken_at is None or not known or taken_at < version.as_of:
        return None
    day = taken_at.astimezone(UTC).date()
    if version.drifts.filter(day=day).exists():
        return None
    frame = _scored_and_alone(version, taken_at, [*known])
    if frame.height < FEWEST:
        return None
    shifts = drift.fields(frame, known, version.customers)
    figures = {
        "customers": frame.height,
        "fields": {name: {"psi": one.psi, "line": one.line} for name, one in shifts.items()},
        "drifted": sorted((name for name in shifts if shifts[name].is_drift), key=lambda name: -shifts[name].psi),
    }
    return Drift.objects.create(version=version, day=day, as_of=taken_at, figures=figures)


def found() -> Iterator[Cause]:
    """Give what somebody should mend about the models, as the rows say."""
    live = {version.target_id: version for version in _live()}
    for target in Target.objects.filter(is_active=True).order_by("pk"):
        if (refused := _refused(target)) is not None:
            yield refused
        version = live.get(target.pk)
        if version is None or version.is_baseline:
            yield from _baseline_only(target, version)
        if version is not None:
            yield from _unreadable(version)
            yield from _drifted(version)
            yield from _judged(version)


def _live() -> list[ModelVersion]:
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE, target__is_active=True)
    return list(live.select_related("target").order_by("target"))


def _scored_and_alone(version: ModelVersion, as_of: datetime, names: list[str]) -> pl.DataFrame:
    """Give the customers of a snapshot whom the target speaks of and whom we left alone, at most so many."""
    column = f"scores.{version.target.key}"
    frame = snapshot.load(as_of, columns=[*names, "seed", column])
    if column not in frame.columns:
        return frame.clear()
    frame = frame.filter(pl.col(column).is_not_null())
    if frame.height > MOST:
        frame = frame.filter(pl.Series(training_set.some(frame, version.seed, MOST / frame.height)))
    horizon = version.target.horizon_days
    since = as_of - (timedelta(days=horizon) if horizon else LOOKBACK)
    alone = backtest.left_alone(frame["customer_id"], since, as_of, history.pin())
    return frame.filter(alone).with_columns(pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("as_of"))


def _refused(target: Target) -> Cause | None:
    last = target.training_runs.exclude(state__in=training_queue.OPEN).order_by("-pk").first()
    if last is None or last.state == TrainingRun.State.DONE:
        return None
    how = "was refused" if last.state == TrainingRun.State.REFUSED else "failed"
    return _cause(
        target, Alert.Kind.TRAINING, f"The training of “{target}” as of {_day(last.as_of)} {how}: {last.sentence}"
    )


def _baseline_only(target: Target, live: ModelVersion | None) -> Iterator[Cause]:
    last = target.versions.filter(is_baseline=False).order_by("-number").first()
    if last is None:
        return
    by = "a simple rule alone" if live else "nothing: no version is live"
    yield _cause(target, Alert.Kind.BASELINE, f"“{target}” is foreseen by {by}. {last}: {last.reason}")


def _unreadable(version: ModelVersion) -> Iterator[Cause]:
    """Give that a version's file is torn, or that it reads fields which customers no longer have."""
    said = ""
    fields = {one.column for one in features.names()}  # what scoring itself adds to them is always there
    fields |= {f"attributes.{name}" for name in Attribute.objects.values_list("name", flat=True)}
    gone = [name for name in version.features if name.startswith(TOLD) and name not in fields]
    try:
        seals.content_of(version)
    except seals.ArtifactError as error:
        said = str(error)
    else:
        said = f"{version} reads {', '.join(gone)}, which customers no longer have; train it again." if gone else ""
    if said:
        yield _cause(version.target, Alert.Kind.ARTEFACT, f"“{version.target}” keeps its old scores. {said}")


def _drifted(version: ModelVersion) -> Iterator[Cause]:
    """Give that fields which weigh in the version have changed."""
    last = version.drifts.order_by("-day").first()
    names = [name for name in last.figures["drifted"] if _weighs(version, name)] if last else []
    if last is None or not names:
        return
    told = ", ".join(f"{name} ({last.figures['fields'][name]['psi']:.2f})" for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    sentence = (
        f"The customers of “{version.target}” are others than those {version} learnt from, as of {_day(last.as_of)}"
    )
    yield _cause(version.target, Alert.Kind.DRIFT, f"{sentence}: {told}{more}. Train it again.")


def _weighs(version: ModelVersion, name: str) -> bool:
    """Tell whether a version is known to lose without a field; where nothing is known, every field weighs.

    Fields of which the guard says that they mostly tell the time change with it: of them nothing is to be mended.
    """
    report: Report = version.report
    if any(one["field"] == name and one["kind"] == TIME_ONLY for one in report.get("guard", NOTHING)["warned"]):
        return False
    drivers = report.get("drivers")
    return not drivers or any(one["field"] == name and one["importance"]["low"] > 0 for one in drivers)


def _judged(version: ModelVersion) -> Iterator[Cause]:
    """Give what the newest back-test among those we left alone says of level and ranking."""
    last = version.backtests.filter(who=Backtest.Who.LEFT_ALONE, customers__gte=FEWEST).order_by("-as_of").first()
    tested = version.evaluations.filter(origin=None, learner=version.learner).first()
    if last is None:
        return
    if targets.is_number(version.target):
        yield from _judged_number(version, last, tested)
        return
    about = f"{version} of “{version.target}”, judged by {last.customers:,} customers as of {_day(last.as_of)}"
    level = drift.level(last.figures["foreseen"], last.positives, last.customers)
    if level.is_off:
        yield _cause(
            version.target,
            Alert.Kind.LEVEL,
            f"{about}, foresaw {level.foreseen:.1%} and {level.happened:.1%} happened. Train it again.",
        )
    if tested is not None and drift.is_worse(last.figures["auc"], tested.figures["auc"]):
        now, then = last.figures["auc"], tested.figures["auc"]
        yield _cause(
            version.target,
            Alert.Kind.PERFORMANCE,
            f"{about}, sorts worse than when it was tested: AUC {now['value']:.3f} ({now['low']:.3f} to "
            f"{now['high']:.3f}), then {then['value']:.3f} ({then['low']:.3f} to {then['high']:.3f}). Train it again.",
        )


def _judged_number(version: ModelVersion, last: Backtest, tested: Evaluation | None) -> Iterator[Cause]:
    """Give that amounts foreseen were far off in all, or are sorted worse than when they were tested."""
    about = f"{version} of “{version.target}”, judged by {last.customers:,} customers as of {_day(last.as_of)}"
    total, ranking = last.figures.get(TOTAL), last.figures.get(GINI)
    if total and min(abs(total["low"]), abs(total["high"])) > FAR and total["low"] * total["high"] > 0:
        sentence = f"{about}, foresaw a total that was off by {total['value']:+.0%} ({total['low']:+.0%} to "
        yield _cause(version.target, Alert.Kind.LEVEL, f"{sentence}{total['high']:+.0%}). Train it again.")
    then = tested.figures.get(GINI) if tested else None
    if ranking and then and drift.is_worse(ranking, then):
        sentence = f"{about}, sorts worse than when it was tested: normalised Gini {ranking['value']:.3f}, then "
        yield _cause(version.target, Alert.Kind.PERFORMANCE, f"{sentence}{then['value']:.3f}. Train it again.")


def _cause(target: Target, kind: Alert.Kind, sentence: str) -> Cause:
    link = reverse("admin:scoring_target_change", args=[target.pk])
    return Cause(f"{PREFIX}{target.key}.{kind}", kind, sentence, link, target.owner_id)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
