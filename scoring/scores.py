"""Scores: every live model's output for every customer, run by run; the published run is the one that is read."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import polars as pl
from django.db import transaction

from customers import bulk, history
from customers.history import Lake, Scope
from scoring import artifacts, training_set
from scoring.models import BandChange, ModelVersion, Score, ScoreRun, Target
from scoring.training import BANDS

DECIMALS = 6
KEPT_RUNS = 2
Bands = dict[int, list[dict[str, Any]]]  # by model version
FEW = 5_000  # customers that are asked for by id, not by bucket
KEY = ["run_id", "target_id", "customer_id"]
ROWS: bulk.Schema = {
    "target_id": pl.Int64,
    "customer_id": pl.Int64,
    "version_id": pl.Int64,
    "value": pl.Float64,
    "percentile": pl.Float64,
    "rank": pl.Int64,
    "band": pl.String,
}


def begin(as_of: datetime) -> ScoreRun | None:
    """Give the run to score into; None if the published run is of the same time, lake and live versions."""
    inputs = _inputs()
    same = ScoreRun.objects.filter(as_of=as_of, inputs=inputs)
    if same.filter(state=ScoreRun.State.PUBLISHED).exists():
        return None
    running = same.filter(state=ScoreRun.State.RUNNING).order_by("-pk").first()
    return running or ScoreRun.objects.create(as_of=as_of, inputs=inputs)


def score(frame: pl.DataFrame, as_of: datetime, run: ScoreRun) -> pl.DataFrame:
    """Give the frame with a column `scores.<key>` for every live model, and store the scores in the run.

    Customers a target does not speak of have no score. In a published run a customer's older score gives way, with its
    band; percentile and rank stay those of the last ranking.
    """
    as_of = as_of.astimezone(UTC)
    plain = _without_scores(frame).with_columns(pl.lit(as_of).cast(bulk.UTC_MICROSECONDS).alias("as_of"))
    lake = history.pin()
    found = plain.drop("as_of")
    for version in _live():
        chances = _chances(version, plain, as_of, lake)
        _store(chances, version, as_of, run)
        column = chances.select("customer_id", pl.col("value").alias(f"scores.{version.target.key}"))
        found = found.join(column, on="customer_id", how="left", maintain_order="left")
    return found


def rank(run: ScoreRun) -> None:
    """Rank the run's scores over all customers, note who changed bands, publish the run, and keep the newest two."""
    rows = ranked(_rows(run), _bands())
    keyed = rows.select(
        pl.lit(run.pk, dtype=pl.Int64).alias("run_id"), "target_id", "customer_id", "percentile", "rank", "band"
    )
    bulk.update(Score, keyed, key=KEY)
    before = ScoreRun.objects.filter(state=ScoreRun.State.PUBLISHED).exclude(pk=run.pk).first()
    if before:
        _note_changes(_rows(before), rows, run.as_of)
    with transaction.atomic():
        ScoreRun.objects.filter(state=ScoreRun.State.PUBLISHED).exclude(pk=run.pk).update(state=ScoreRun.State.OLD)
        ScoreRun.objects.filter(pk=run.pk).update(state=ScoreRun.State.PUBLISHED)
    run.state = ScoreRun.State.PUBLISHED
    _forget_old_runs(run)


def attach(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the frame with `scores.<key>`, `.percentile`, `.rank` and `.band` of the published run."""
    found = _without_scores(frame)
    run = ScoreRun.objects.filter(state=ScoreRun.State.PUBLISHED).first()
    rows = _rows(run, found) if run else pl.DataFrame(schema=ROWS)
    targets = Target.objects.filter(versions__state=ModelVersion.State.LIVE).order_by("key")
    for pk, key in targets.values_list("pk", "key"):
        name = f"scores.{key}"
        column = rows.filter(pl.col("target_id") == pk).select(
            "customer_id",
            pl.col("value").alias(name),
            pl.col("percentile").alias(f"{name}.percentile"),
            pl.col("rank").alias(f"{name}.rank"),
            pl.when(pl.col("band") != "").then(pl.col("band")).alias(f"{name}.band"),
        )
        found = found.join(column, on="customer_id", how="left", maintain_order="left")
    return found


def ranked(rows: pl.DataFrame, bands: Bands) -> pl.DataFrame:
    """Give each target's rows with percentile (share at or below, 0 to 100), rank (1 is the highest) and band."""
    value = pl.col("value")
    share = value.rank("max").over("target_id") / pl.len().over("target_id") * 100
    rows = rows.with_columns(
        percentile=share.round(DECIMALS),
        rank=value.rank("min", descending=True).over("target_id").cast(pl.Int64),
    )
    return with_bands(rows, bands)


def with_bands(rows: pl.DataFrame, bands: Bands) -> pl.DataFrame:
    """Give the rows with the name of their version's band, by value (`from`) or by percentile (`from_percentile`)."""
    band = pl.lit("")
    for version, ranges in bands.items():
        own = pl.col("version_id") == version
        for one in ranges:
            at_least = (
                pl.col("percentile") >= one["from_percentile"]
                if "from_percentile" in one
                else pl.col("value") >= one["from"]
            )
            band = pl.when(own & at_least).then(pl.lit(one["name"])).otherwise(band)
    return rows.with_columns(band=band)


def _chances(version: ModelVersion, frame: pl.DataFrame, as_of: datetime, lake: Lake) -> pl.DataFrame:
    """Give customer_id, bucket and value of the customers the version's target speaks of."""
    target = version.target
    if target.kind != Target.Kind.ATTRIBUTE:
        events = training_set.events_of(target, lake, _scope(frame), as_of)
        known = training_set.past(events, as_of).select("customer_id")
        frame = frame.join(known, on="customer_id", how="semi")
    value = pl.Series("value", artifacts.read(version).chances(frame), dtype=pl.Float64).round(DECIMALS)
    return frame.select("customer_id", "bucket").with_columns(value)


def _store(chances: pl.DataFrame, version: ModelVersion, as_of: datetime, run: ScoreRun) -> None:
    rows = chances.with_columns(
        run_id=pl.lit(run.pk, dtype=pl.Int64),
        target_id=pl.lit(version.target_id, dtype=pl.Int64),
        version_id=pl.lit(version.pk, dtype=pl.Int64),
        as_of=pl.lit(as_of).cast(bulk.UTC_MICROSECONDS),
        band=pl.lit(""),
    )
    if run.state != ScoreRun.State.PUBLISHED:
        compare = ["value", "version_id", "as_of"]
        bulk.upsert(Score, rows, key=KEY, update=compare, newer="as_of", compare=compare)
        return
    before = _rows(run, chances).filter(pl.col("target_id") == version.target_id)
    old = before.select("target_id", "customer_id", "percentile")
    rows = rows.join(old, on=["target_id", "customer_id"], how="left")
    rows = with_bands(rows, {version.pk: version.bands or BANDS})
    changed = ["value", "version_id", "band"]
    bulk.upsert(Score, rows, key=KEY, update=[*changed, "as_of"], newer="as_of", compare=changed)
    _note_changes(before, rows, as_of)


def _note_changes(before: pl.DataFrame, after: pl.DataFrame, as_of: datetime) -> None:
    """Store who had another band before."""
    old = before.select("target_id", "customer_id", band_before="band")
    both = after.select("target_id", "customer_id", "band").join(old, on=["target_id", "customer_id"])
    moved = both.filter((pl.col("band") != pl.col("band_before")) & (pl.col("band_before") != ""))
    moved = moved.with_columns(pl.lit(as_of).cast(bulk.UTC_MICROSECONDS).alias("as_of"))
    bulk.insert(BandChange, moved, ignore=["customer_id", "target_id", "as_of"])


def _rows(run: ScoreRun, frame: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give the run's scores, of the frame's customers if there is one."""
    rows = Score.objects.filter(run=run)
    if frame is not None and frame.is_empty():
        return pl.DataFrame(schema=ROWS)
    if frame is not None and frame.height <= FEW:
        rows = rows.filter(customer_id__in=frame["customer_id"].to_list())
    elif frame is not None:
        rows = rows.filter(bucket__in=frame["bucket"].unique().to_list())
    return bulk.read(rows.values_list(*ROWS), ROWS)


def _scope(frame: pl.DataFrame) -> Scope:
    """Give the part of the lake the frame's customers are in."""
    if frame.height <= FEW:
        return Scope(ids=tuple(frame["customer_id"].to_list()))
    buckets = frame["bucket"].unique()
    return Scope(bucket=int(buckets[0])) if buckets.len() == 1 else Scope()


def _without_scores(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop([name for name in frame.columns if name.startswith("scores.")])


def _live() -> Iterable[ModelVersion]:
    return (
        ModelVersion.objects.filter(state=ModelVersion.State.LIVE, target__is_active=True)
        .select_related("target")
        .order_by("target__key")
    )


def _bands() -> Bands:
    return {pk: bands or list(BANDS) for pk, bands in ModelVersion.objects.values_list("pk", "bands")}


def _inputs() -> str:
    """Give a hash of all that a run's scores follow from, beside its time."""
    live = sorted(version.pk for version in _live())
    return hashlib.sha256(json.dumps([history.pin().generation, live]).encode()).hexdigest()


def _forget_old_runs(run: ScoreRun) -> None:
    """Delete runs older than the newest two, bucket by bucket so that no transaction is long."""
    kept = ScoreRun.objects.filter(pk__lte=run.pk).order_by("-pk").values_list("pk", flat=True)[:KEPT_RUNS]
    for old in ScoreRun.objects.filter(pk__lt=min(kept)):
        rows = Score.objects.filter(run=old)
        for bucket in rows.order_by("bucket").values_list("bucket", flat=True).distinct():
            rows.filter(bucket=bucket).delete()
        old.delete()
