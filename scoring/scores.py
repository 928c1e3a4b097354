"""Scores: every live model's output for every customer, run by run. scoring.ranking says which run is read."""

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from django.db import transaction
from django.db.models import QuerySet

from customers import bulk, history
from customers.history import Lake
from customers.ids import among
from customers.past import Known
from customers.rows import Mask
from scoring import artifacts, populations, ranking, target_columns
from scoring.artifacts import Served
from scoring.encoding import Encoding, FrameMismatch, Inputs
from scoring.models import ModelVersion, Score, ScoredBucket, ScoreRun, Target
from scoring.ranking import DECIMALS, FEW
from scoring.seals import ArtifactError

KEY = ["run_id", "customer_id", "target_id"]
STORED: bulk.Schema = {**ranking.ROWS, "as_of": pl.Datetime}
COPIED: bulk.Schema = {**STORED, "bucket": pl.Int64}
log = logging.getLogger(__name__)


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
    bulk.open_partition(Score, run.pk, map(int, run.versions))
    return run


def score(
    frame: pl.DataFrame, as_of: datetime, run: ScoreRun, lake: Lake | None = None, seen: Known | None = None
) -> pl.DataFrame:
    """Give the frame with a column `scores.<key>` for every model of the run, and store the scores in the run.

    Customers a target does not speak of have no score. In a published run a customer's older score gives way, and who
    changes bands is noted; the others' ranks stay. A target whose model cannot be read, or reads what customers no
    longer have, keeps its scores. `seen` is the past that the frame came from, where it is at hand.
    """
    as_of = as_of.astimezone(UTC)
    found = ranking.without_scores(frame)
    stored = []
    for target, rows in _answers(found, as_of, run, lake or history.pin(), seen):
        ids = {"run_id": run.pk, "target_id": target.pk}
        columns = [pl.lit(pk, pl.Int64).alias(name) for name, pk in ids.items()]
        stored.append(found.select("customer_id", "bucket").hstack(rows).with_columns(columns))
        found = found.with_columns(rows["value"].alias(f"scores.{target.key}"))
    if stored:
        rows = pl.concat(stored).filter(pl.col("value").is_not_null())
        if run.state == ScoreRun.State.PUBLISHED:
            _replace(rows, run, as_of)
        else:
            _append(rows, run)
    return found


def replayed(
    frame: pl.DataFrame, as_of: datetime, versions: Collection[ModelVersion], lake: Lake, seen: Known
) -> pl.DataFrame:
    """Give a frame of a past time with `scores.<key>` by some versions, one a target; nothing is stored."""
    as_of = as_of.astimezone(UTC)
    found = ranking.without_scores(frame)
    known = target_columns.known([version.target for version in versions], found, as_of, lake, seen)
    moment = pl.lit(as_of).cast(bulk.UTC_MICROSECONDS)
    whole, asked = _asked(versions, found.with_columns(as_of=moment), known)
    inputs = Inputs(whole, [one.reading for one in asked])
    for one in asked:
        rows = np.flatnonzero(_spoken(one.version, found, known))
        values = np.full(found.height, np.nan)
        values[rows] = one.model.predict(inputs.matrix(one.reading, rows))
        value = pl.Series(f"scores.{one.version.target.key}", values).fill_nan(None).round(DECIMALS)
        found = found.with_columns(value)
    return found


def _spoken(version: ModelVersion, frame: pl.DataFrame, known: populations.Past) -> Mask:
    """Say of whom a version speaks."""
    return populations.speaks_of(version.target, frame, known, version.report.get("spend_line"))


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


class _Asked(NamedTuple):
    """A version with its model, and how that reads a frame where columns of its target alone have their own names."""

    version: ModelVersion
    model: Served
    reading: Encoding


def _answers(
    frame: pl.DataFrame, as_of: datetime, run: ScoreRun, lake: Lake, seen: Known | None
) -> Iterator[tuple[Target, pl.DataFrame]]:
    """Give every target of the run with value, as_of and version_id for each row of the frame.

    Whom a version does not speak of has no value; whom it is not yet to rescore keeps hers, with its time.
    """
    versions = list(_versions(run))
    known = target_columns.known([version.target for version in versions], frame, as_of, lake, seen)
    moment = pl.lit(as_of).cast(bulk.UTC_MICROSECONDS)
    whole, asked = _asked(versions, frame.with_columns(as_of=moment), known)
    silent = [version for version in versions if version not in {one.version for one in asked}]
    before = _rows_before(frame, run, silent)
    inputs = Inputs(whole, [one.reading for one in asked])
    for version, model, reading in asked:
        kept = _kept(frame, before.filter(pl.col("version_id") == version.pk))
        rows = np.flatnonzero(kept["value"].is_null().to_numpy() & _spoken(version, frame, known))
        values = kept["value"].to_numpy(writable=True)
        values[rows] = model.predict(inputs.matrix(reading, rows))
        value = pl.Series("value", values).fill_nan(None).round(DECIMALS)
        told = kept.with_columns(value, pl.col("as_of").fill_null(moment))
        yield version.target, told.with_columns(version_id=pl.lit(version.pk, pl.Int64))
    for version in silent if run.state != ScoreRun.State.PUBLISHED else ():
        yield version.target, _kept(frame, before.filter(pl.col("target_id") == version.target_id))


def _asked(
    versions: Collection[ModelVersion], frame: pl.DataFrame, known: populations.Past
) -> tuple[pl.DataFrame, list[_Asked]]:
    """Give the frame with the columns that are of one target alone, and the versions that can be asked about it."""
    asked = []
    for version in versions:
        try:
            model = artifacts.read(version)
            own = target_columns.columns(version, model.reading, frame, known)
            names = {column.name: _own_name(version, column.name) for column in own}
            reading = _renamed(model.reading, names) if names else model.reading
            whole = frame.with_columns(column.rename(names[column.name]) for column in own)
            reading.check(whole)
        except (ArtifactError, FrameMismatch) as error:
            log.error("“%s” keeps its old scores. %s", version.target, error)
        else:
            frame = whole
            asked.append(_Asked(version, model, reading))
    return frame, asked


def _kept(frame: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Give for each row of the frame what was scored before: value, as_of and version_id, or no value."""
    own = before.select("customer_id", "value", "as_of", "version_id")
    joined = frame.select("customer_id").join(own, on="customer_id", how="left", maintain_order="left")
    return joined.drop("customer_id")


def _own_name(version: ModelVersion, name: str) -> str:
    return f"{version.pk}:{name}"


def _renamed(reading: Encoding, names: Mapping[str, str]) -> Encoding:
    """Give the reading of the same columns by other names."""
    columns = (replace(column, name=names.get(column.name, column.name)) for column in reading.columns)
    return replace(reading, columns=tuple(columns))


def _rows_before(frame: pl.DataFrame, run: ScoreRun, silent: Collection[ModelVersion]) -> pl.DataFrame:
    """Give the published scores of targets that this run does not rescore, or cannot, of the frame's customers."""
    kept = [int(target) for target, at in run.scored_at.items() if datetime.fromisoformat(at) < run.as_of]
    kept += [version.target_id for version in silent]
    before = ranking.published() if kept else None
    if before is None or before.pk == run.pk:
        return pl.DataFrame(schema={**STORED, "as_of": bulk.UTC_MICROSECONDS})
    rows = Score.objects.filter(run=before, target__in=kept)
    if frame.height <= FEW:
        rows = rows.filter(among("customer_id", frame["customer_id"]))
    return bulk.read(rows.values_list(*STORED), STORED)


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
    with transaction.atomic():
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
