"""Where each score stands among all: percentiles, ranks and bands of the published run, and its publishing.

A run's scores of a target are kept in order once; where one score stands among them is looked up, for everybody or for
the few who were rescored since.
"""

import functools
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from django.db import transaction
from django.db.models import BinaryField, Q
from django.db.models.functions import Length, Substr

from customers import bulk
from customers.ids import among
from scoring import windows
from scoring.models import BandChange, ModelVersion, Ranking, Score, ScoreRun, Target

DECIMALS = 6
MILLION = 10**DECIMALS
NOTED = ["customer_id", "target_id", "as_of"]  # what a change of band is known by
KEPT_RUNS = 2
MANY = 50_000  # values of a probability that are looked up in a table; fewer are searched one by one
FEW = 5_000  # customers whose scores are asked for by id
BANDS: list[dict[str, Any]] = [
    {"name": "low", "from": 0.0},
    {"name": "medium", "from": 0.3},
    {"name": "high", "from": 0.7},
]
FOLLOWERS: list[Callable[[pl.DataFrame, datetime], None]] = []  # told of every band that changes, in its transaction
MOVED: bulk.Schema = {
    "target_id": pl.Int64,
    "customer_id": pl.Int64,
    "band": pl.String,
    "band_before": pl.String,
}
ROWS: bulk.Schema = {"target_id": pl.Int64, "customer_id": pl.Int64, "version_id": pl.Int64, "value": pl.Float64}

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Order:
    """All scores of one target in one run, in millionths from the lowest up, and the bands of its model version."""

    millionths: Ints
    bands: list[dict[str, Any]]

    def placed(self, values: pl.Series) -> pl.DataFrame:
        """Give for each value its percentile, its rank (1 is the highest, equal values share a place) and its band.

        The percentile is the share of scores at or below the value, 0 to 100.
        """
        below = self._at_or_below(values)
        rank = pl.Series(1 + len(self.millionths) - below, dtype=pl.Int64)
        return pl.DataFrame({"percentile": self._share(below), "rank": rank, "band": self.band(values)})

    def band(self, values: pl.Series) -> pl.Series:
        """Give the name of the highest band each value reaches, by value (`from`) or by `from_percentile`; or ""."""
        frame = pl.DataFrame({"value": values})
        if any("from_percentile" in one for one in self.bands):
            frame = frame.with_columns(percentile=self._share(self._at_or_below(values)))
        named = pl.lit("")
        for one in self.bands:
            by = "percentile" if "from_percentile" in one else "value"
            line = one["from_percentile" if by == "percentile" else "from"]
            named = pl.when(pl.col(by) >= line).then(pl.lit(one["name"])).otherwise(named)
        return frame.with_columns(band=named)["band"]

    def beyond(self, percentile: float, *, is_above: bool) -> int:
        """Give how many scores have at least, or at most, this percentile."""
        shares = self._share(np.searchsorted(self.millionths, self.millionths, side="right"))
        return int(((shares >= percentile) if is_above else (shares <= percentile)).sum())

    def _at_or_below(self, values: pl.Series) -> Ints:
        asked = _millionths(values)
        if len(asked) < MANY or not len(self.millionths) or self.millionths[0] < 0 or self.millionths[-1] > MILLION:
            found: Ints = np.searchsorted(self.millionths, asked, side="right")
            return found
        at_or_below: Ints = np.cumsum(np.bincount(self.millionths, minlength=MILLION + 1))
        return np.where(asked < 0, 0, at_or_below[np.clip(asked, 0, MILLION)])

    def _share(self, below: Ints) -> pl.Series:
        return pl.Series(below / max(len(self.millionths), 1) * 100, dtype=pl.Float64).round(DECIMALS)


class Stored(NamedTuple):
    """A ranking as it is known again: its id, how many scores it holds, and their sum."""

    ranking: int
    customers: int
    check: bytes


def rank(run: ScoreRun, frames: Iterable[pl.DataFrame] | None = None) -> None:
    """Order the run's scores over all customers, publish the run in one flip, and keep the newest two.

    `frames` hold everybody's `scores.<key>`; without them the run's rows are read, and who changed bands is noted.
    A run as of an earlier time than the published one is left alone.
    """
    before = published()
    if before is not None and before.as_of > run.as_of:
        return
    bulk.publish_partition(Score, run.pk)
    keys = dict(Target.objects.filter(pk__in=run.versions).values_list("key", "pk"))
    ordered = _of_rows(run) if frames is None else _of_frames(frames, keys)
    with transaction.atomic():
        Ranking.objects.filter(run=run).delete()
        Ranking.objects.bulk_create(
            Ranking(run=run, target_id=target, customers=len(values), ordered=_packed(values))
            for target, values in ordered.items()
        )
        if frames is None and before and before.pk != run.pk:
            note(_banded(before, _rows(before)), _banded(run, _rows(run)), run.as_of)
        ScoreRun.objects.filter(state=ScoreRun.State.PUBLISHED).exclude(pk=run.pk).update(state=ScoreRun.State.OLD)
        ScoreRun.objects.filter(pk=run.pk).update(state=ScoreRun.State.PUBLISHED)
        windows.plan(run)
    run.state = ScoreRun.State.PUBLISHED
    _forget_old_runs(run)


def attach(frame: pl.DataFrame, keys: Collection[str] | None = None) -> pl.DataFrame:
    """Give the frame with `scores.<key>`, `.percentile`, `.rank` and `.band` of the published run, of all or `keys`."""
    found = without_scores(frame)
    run = published()
    targets = Target.objects.filter(versions__state=ModelVersion.State.LIVE).order_by("key")
    asked = dict((targets if keys is None else targets.filter(key__in=keys)).values_list("key", "pk"))
    rows = _rows(run, found, list(asked.values())) if run else pl.DataFrame(schema=ROWS)
    for key, pk in asked.items():
        column = rows.filter(pl.col("target_id") == pk).select("customer_id", pl.col("value").alias(f"scores.{key}"))
        found = found.join(column, on="customer_id", how="left", maintain_order="left")
    return place(found, run)


def place(frame: pl.DataFrame, run: ScoreRun | None) -> pl.DataFrame:
    """Give a frame with `scores.<key>` also `.percentile`, `.rank` and `.band` among the scores of the run."""
    names = [name for name in frame.columns if name.startswith("scores.") and name.count(".") == 1]
    keys = dict(Target.objects.values_list("key", "pk"))
    orders = orders_of(run, [keys.get(name.removeprefix("scores."), 0) for name in names])
    for name in names:
        order = orders.get(keys.get(name.removeprefix("scores."), 0), Order(np.empty(0, np.int64), []))
        frame = frame.hstack(_placed(frame[name].cast(pl.Float64), name, order))
    return frame


def place_among(frame: pl.DataFrame, bands: Mapping[str, list[dict[str, Any]]]) -> pl.DataFrame:
    """Give a frame of everybody with `.percentile`, `.rank` and `.band` of the scores among those of the frame.

    `bands` are those of model versions, by `scores.<key>`.
    """
    for name in [one for one in frame.columns if one.startswith("scores.") and one.count(".") == 1]:
        order = Order(np.sort(_millionths(frame[name].drop_nulls())), bands.get(name) or BANDS)
        frame = frame.hstack(_placed(frame[name].cast(pl.Float64), name, order))
    return frame


def _placed(values: pl.Series, name: str, order: Order) -> pl.DataFrame:
    """Give where scores stand; who has none stands nowhere."""
    has_value = values.is_not_null() & pl.Series([len(order.millionths) > 0])
    placed = order.placed(values).with_columns(band=pl.when(pl.col("band") != "").then("band"))
    return placed.select(pl.when(has_value).then(pl.col(one)).alias(f"{name}.{one}") for one in placed.columns)


def note(before: pl.DataFrame, after: pl.DataFrame, as_of: datetime) -> None:
    """Store who had another band before; both frames have target_id, customer_id and band."""
    both = after.select("target_id", "customer_id", "band").join(
        before.select("target_id", "customer_id", band_before="band"), on=["target_id", "customer_id"]
    )
    _store_moved(_moved(both), as_of)


def note_moved(frame: pl.DataFrame, run: ScoreRun, earlier: pl.DataFrame, before: ScoreRun) -> None:
    """Store who of a placed frame had another band in the run before; `earlier` has the scores of that run.

    Bands that changed between the two runs, for customers who were rescored then, were noted at the time.
    """
    since = BandChange.objects.filter(_of_people(frame), as_of__gt=before.as_of, as_of__lt=run.as_of)
    schema: bulk.Schema = {"target_id": pl.Int64, "customer_id": pl.Int64, "as_of": pl.Datetime, "band": pl.String}
    newer = bulk.read(since.order_by("as_of").values_list(*schema), schema)
    newer = newer.unique(["target_id", "customer_id"], keep="last", maintain_order=True)
    orders = orders_of(before)
    then = frame.select("customer_id").join(earlier, on="customer_id", how="left", maintain_order="left")
    found = [pl.DataFrame(schema=MOVED)]
    for key, target in Target.objects.values_list("key", "pk"):
        if f"scores.{key}.band" not in frame.columns or f"scores.{key}" not in then.columns or target not in orders:
            continue
        both = frame.select(
            "customer_id", target_id=pl.lit(target, pl.Int64), band=pl.col(f"scores.{key}.band").fill_null("")
        ).with_columns(orders[target].band(then[f"scores.{key}"]).alias("band_before"))
        both = both.filter(frame[f"scores.{key}"].is_not_null())
        noted = newer.filter(pl.col("target_id") == target).select("customer_id", last="band")
        if noted.height:
            both = both.join(noted, on="customer_id", how="left")
            both = both.with_columns(band_before=pl.coalesce("last", "band_before")).drop("last")
        found.append(_moved(both))
    _store_moved(pl.concat(found), run.as_of)


def _moved(both: pl.DataFrame) -> pl.DataFrame:
    return both.filter((pl.col("band") != pl.col("band_before")) & (pl.col("band_before") != "")).select(*MOVED)


def _store_moved(moved: pl.DataFrame, as_of: datetime) -> None:
    if moved.is_empty():
        return
    with transaction.atomic():
        fresh = _not_noted(moved.with_columns(pl.lit(as_of).cast(bulk.UTC_MICROSECONDS).alias("as_of")), as_of)
        if bulk.insert(BandChange, fresh, ignore=NOTED):
            for follow in FOLLOWERS:
                follow(fresh, as_of)


def _not_noted(moved: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Give the changes that nobody has noted: a worker may come after one that was killed."""
    schema: bulk.Schema = {"target_id": pl.Int64, "customer_id": pl.Int64}
    there = BandChange.objects.filter(among("customer_id", moved["customer_id"]), as_of=as_of)
    return moved.join(bulk.read(there.values_list(*schema), schema), on=list(schema), how="anti", maintain_order="left")


def published() -> ScoreRun | None:
    """Give the run of scores that is read."""
    return ScoreRun.objects.filter(state=ScoreRun.State.PUBLISHED).first()


def orders_of(run: ScoreRun | None, targets: Collection[int] | None = None) -> dict[int, Order]:
    """Give the order of every target's scores in the run, or of some, by the target's id."""
    if run is None:
        return {}
    bands = {pk: bands or BANDS for pk, bands in ModelVersion.objects.values_list("pk", "bands")}
    rankings = Ranking.objects.filter(run=run)
    rankings = rankings if targets is None else rankings.filter(target__in=targets)
    end = Substr("ordered", Length("ordered") - 3, output_field=BinaryField())  # zlib ends with a sum of what it holds
    stored = rankings.annotate(end=end).values_list("target_id", "pk", "customers", "end")
    try:
        return {
            target: Order(
                _unpacked(Stored(pk, customers, bytes(last))), bands.get(run.versions.get(str(target), 0), BANDS)
            )
            for target, pk, customers, last in stored
        }
    except Ranking.DoesNotExist:
        return orders_of(run, targets)


def rows_of(run: ScoreRun, frame: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give the run's scores with their bands, of the frame's customers if there is one."""
    return _banded(run, _rows(run, frame))


def without_scores(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop([name for name in frame.columns if name.startswith("scores.")])


def _banded(run: ScoreRun, rows: pl.DataFrame) -> pl.DataFrame:
    orders = orders_of(run)
    parts = [
        part.with_columns(orders[target].band(part["value"]).alias("band"))
        for (target,), part in rows.partition_by("target_id", as_dict=True).items()
        if target in orders
    ]
    return pl.concat([rows.clear().with_columns(band=pl.lit("")), *parts])


def _rows(run: ScoreRun, frame: pl.DataFrame | None = None, targets: Collection[int] | None = None) -> pl.DataFrame:
    if frame is not None and frame.is_empty():
        return pl.DataFrame(schema=ROWS)
    people = Q() if frame is None else _of_people(frame)
    people &= Q() if targets is None else Q(target__in=targets)
    found = bulk.read(Score.objects.filter(people, run=run).values_list(*ROWS), ROWS)
    return found if frame is None else found.join(frame.select("customer_id"), on="customer_id", how="semi")


def _of_people(frame: pl.DataFrame) -> Q:
    return among("customer_id", frame["customer_id"]) if frame.height <= FEW else Q()


def _of_rows(run: ScoreRun) -> dict[int, Ints]:
    rows = _rows(run)
    return {
        target: np.sort(_millionths(part["value"]))
        for (target,), part in rows.partition_by("target_id", as_dict=True).items()
    }


def _of_frames(frames: Iterable[pl.DataFrame], keys: Mapping[str, int]) -> dict[int, Ints]:
    parts: dict[int, list[Ints]] = {}
    for frame in frames:
        for key, target in keys.items():
            if f"scores.{key}" in frame.columns:
                parts.setdefault(target, []).append(_millionths(frame[f"scores.{key}"].drop_nulls()))
    return {target: np.sort(np.concatenate(found)) for target, found in parts.items()}


def _millionths(values: pl.Series) -> Ints:
    whole: Ints = (values.fill_null(0.0) * MILLION).round().cast(pl.Int64).to_numpy()
    return whole


def _packed(ordered: Ints) -> bytes:
    return zlib.compress(np.diff(ordered, prepend=0).astype("<i8").tobytes(), 1)


@functools.lru_cache(maxsize=32)
def _unpacked(stored: Stored) -> Ints:
    """Give the scores of a ranking, sent and unpacked once a process: every bucket asks for them.

    Raises Ranking.DoesNotExist where another is in its place by now.
    """
    packed = Ranking.objects.values_list("ordered", flat=True).get(pk=stored.ranking)
    return np.cumsum(np.frombuffer(zlib.decompress(bytes(packed)), dtype="<i8"))


def _forget_old_runs(run: ScoreRun) -> None:
    """Remove all runs up to this one but the newest two that were published."""
    older = ScoreRun.objects.filter(pk__lte=run.pk).order_by("-pk")
    kept = older.exclude(state=ScoreRun.State.RUNNING).values_list("pk", flat=True)[:KEPT_RUNS]
    for old in older.exclude(pk__in=list(kept)):
        bulk.drop_partition(Score, old.pk)
        old.delete()
