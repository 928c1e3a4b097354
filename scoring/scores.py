"""Scores: every live model's output for every customer, run by run. scoring.ranking says which run is read."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from django.db import transaction
from django.db.models import QuerySet

from customers import bulk, history
from customers.history import Lake
from customers.ids import among
from customers.rows import numbered
from scoring import artifacts, ranking, training_set
from scoring.encoding import Inputs
from scoring.learners import Flags
from scoring.models import ModelVersion, Score, ScoredBucket, ScoreRun, Target
from scoring.ranking import DECIMALS, FEW

KEY = ["run_id", "customer_id", "target_id"]
STORED: bulk.Schema = {**ranking.ROWS, "as_of": pl.Datetime}
COPIED: bulk.Schema = {**STORED, "bucket": pl.Int64}


def begin(as_of: datetime) -> ScoreRun | None:
    """Give the run to score into; None if the published run is of the same time, lake and live versions.

    A target that is rescored less often keeps its scores until their time has come.
    """
    versions = {str(version.target_id): version.pk for version in _live()}
    inputs = hashlib.sha256(json.dumps([history.pin().generation, sorted(versions.values())]).encode()).hexdigest()
    same = ScoreRun.objects.filter(as_of=as_of, inputs=inputs)
    if same.filter(state=ScoreRun.State.PUBLISHED).exists():
        return None
    run = same.filter(state=ScoreRun.State.RUNNING).order_by("-pk").first()
    if run is None:
        scored_at = {target: (_kept_since(target, pk, as_of) or as_of).isoformat() for target, pk in versions.items()}
        run = ScoreRun.objects.create(as_of=as_of, inputs=inputs, versions=versions, scored_at=scored_at)
    bulk.open_partition(Score, run.pk)
    return run


def score(frame: pl.DataFrame, as_of: datetime, run: ScoreRun, lake: Lake | None = None) -> pl.DataFrame:
    """Give the frame with a column `scores.<key>` for every model of the run, and store the scores in the run.

    Customers a target does not speak of have no score. In a published run a customer's older score gives way, and who
    changes bands is noted; the others' ranks stay.
    """
    as_of = as_of.astimezone(UTC)
    found = ranking.without_scores(frame)
    stored = []
    for version, values, times in _answers(found, as_of, run, lake or history.pin()):
        ids = {"run_id": run.pk, "target_id": version.target_id, "version_id": version.pk}
        rows = found.select("customer_id", "bucket", value=values, as_of=times)
        stored.append(rows.with_columns(pl.lit(pk, pl.Int64).alias(name) for name, pk in ids.items()))
        found = found.with_columns(values.alias(f"scores.{version.target.key}"))
    if stored:
        rows = pl.concat(stored).filter(pl.col("value").is_not_null())
        if run.state == ScoreRun.State.PUBLISHED:
            _replace(rows, run, as_of)
        else:
            _append(rows, run)
    return found


def take_over(run: ScoreRun, buckets: Collection[int]) -> None:
    """Copy the published scores of buckets that a run could not score into it, before it is published."""
    before = ranking.published()
    missing = set(buckets) - set(run.buckets.values_list("bucket", flat=True))
    if before is None or before.pk == run.pk or not missing:
        return
    rows = bulk.read(Score.objects.filter(run=before, bucket__in=missing).values_list(*COPIED), COPIED)
    if rows.height:
        _append(rows.with_columns(run_id=pl.lit(run.pk, pl.Int64)), run)


def keep_newer(run: ScoreRun, before: ScoreRun, customers: Collection[int]) -> None:
    """Copy what these customers scored as of a later time than the published run, in the run before, into it."""
    newer = Score.objects.filter(among("customer_id", customers), run=before, as_of__gt=run.as_of)
    rows = bulk.read(newer.filter(version__in=run.versions.values()).values_list(*COPIED), COPIED)
    if rows.height:
        rows = rows.with_columns(run_id=pl.lit(run.pk, pl.Int64))
        bulk.upsert(Score, rows, key=KEY, update=["value", "version_id", "as_of"], newer="as_of")


def _answers(
    frame: pl.DataFrame, as_of: datetime, run: ScoreRun, lake: Lake
) -> Iterator[tuple[ModelVersion, pl.Series, pl.Series]]:
    """Give every version of the run with a value for each row of the frame and the time it is as of.

    Whom a version does not speak of has no value; whom it is not yet to rescore keeps hers, with its time.
    """
    versions = list(_versions(run))
    models = [artifacts.read(version) for version in versions]
    moment = pl.lit(as_of).cast(bulk.UTC_MICROSECONDS)
    inputs = Inputs(frame.with_columns(as_of=moment), [model.reading for model in models])
    did, before = _who_did(versions, frame, as_of, lake), _rows_before(frame, run)
    for version, model in zip(versions, models, strict=True):
        own = before.filter(pl.col("version_id") == version.pk).select("customer_id", "value", "as_of")
        kept = frame.select("customer_id").join(own, on="customer_id", how="left", maintain_order="left")
        asked = kept["value"].is_null().to_numpy()
        if version.target.kind != Target.Kind.ATTRIBUTE:
            asked = asked & did[version.target.event]
        rows = np.flatnonzero(asked)
        values = kept["value"].to_numpy(writable=True)
        values[rows] = model.predict(inputs.matrix(model.reading, rows))
        times = kept.select(pl.col("as_of").fill_null(moment)).to_series()
        yield version, pl.Series("value", values).fill_nan(None).round(DECIMALS), times


def _rows_before(frame: pl.DataFrame, run: ScoreRun) -> pl.DataFrame:
    """Give the published scores of targets that this run does not rescore, of the frame's customers."""
    before = ranking.published()
    kept = [int(target) for target, at in run.scored_at.items() if datetime.fromisoformat(at) < run.as_of]
    if before is None or before.pk == run.pk or not kept:
        return pl.DataFrame(schema={**STORED, "as_of": bulk.UTC_MICROSECONDS})
    rows = Score.objects.filter(run=before, target__in=kept)
    if frame.height <= FEW:
        rows = rows.filter(among("customer_id", frame["customer_id"]))
    return bulk.read(rows.values_list(*STORED), STORED)


def _who_did(versions: Iterable[ModelVersion], frame: pl.DataFrame, as_of: datetime, lake: Lake) -> dict[str, Flags]:
    """Say for each event that a target speaks of which of the frame's customers did it in the year before."""
    names = {one.target.event for one in versions if one.target.kind != Target.Kind.ATTRIBUTE}
    since = as_of - timedelta(days=training_set.POPULATION_DAYS)
    events = lake.events(history.scope_of(frame, FEW)).filter(
        pl.col("name").is_in(names), pl.col("occurred_at") > since, pl.col("occurred_at") <= as_of
    )
    known = events.filter(pl.col("known_at") <= as_of).select("customer_id", "name").collect()
    who = numbered(frame["customer_id"].to_numpy(), known["customer_id"].to_numpy())
    found = {}
    for name in names:
        did = who[(known["name"] == name).to_numpy()]
        found[name] = np.zeros(frame.height, dtype=bool)
        found[name][did[did >= 0]] = True
    return found


def _append(rows: pl.DataFrame, run: ScoreRun) -> None:
    """Load the scores of a run that nobody reads yet. What a worker before stored of these customers gives way."""
    buckets = rows.select("run_id", "bucket").unique()
    with transaction.atomic():
        if bulk.insert(ScoredBucket, buckets, ignore=["run_id", "bucket"]) < buckets.height:
            bulk.delete(Score, rows.select(KEY), partition=run.pk)
        bulk.insert(Score, rows, partition=run.pk)


def _replace(rows: pl.DataFrame, run: ScoreRun, as_of: datetime) -> None:
    """Write newer scores over older ones of the published run, and note the bands that change."""
    before = ranking.rows_of(run, rows)
    changed = ["value", "version_id"]
    bulk.upsert(Score, rows, key=KEY, update=[*changed, "as_of"], newer="as_of", compare=changed)
    ranking.note(before, ranking.rows_of(run, rows), as_of)


def _kept_since(target: str, version: int, as_of: datetime) -> datetime | None:
    """Give the time of the target's published scores if it is not yet due to be rescored."""
    hours = Target.objects.values_list("rescore_hours", flat=True).get(pk=target)
    run = ranking.published()
    if run is None or not hours or run.versions.get(target) != version:
        return None
    scored_at = datetime.fromisoformat(run.scored_at[target])
    return scored_at if scored_at <= as_of < scored_at + timedelta(hours=hours) else None


def _versions(run: ScoreRun) -> "QuerySet[ModelVersion]":
    versions = ModelVersion.objects.filter(pk__in=run.versions.values())
    return versions.select_related("target").order_by("target__key")


def _live() -> "QuerySet[ModelVersion]":
    return ModelVersion.objects.filter(state=ModelVersion.State.LIVE, target__is_active=True)
