"""The lake: the history of all customers as columns, in immutable Parquet files that readers pin.

`<LAKE_URL>/<table>/<bucket>/<generation>-<n>.parquet` holds rows sorted by customer. Everything here can be brought
back from the database.
"""

import itertools
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from django.conf import settings
from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from customers import bulk, generations
from customers.generations import LakeError as LakeError
from customers.generations import Manifest, Mark, Part
from customers.models import AttributeChange, Event, OrderLine
from customers.tombstones import without_erased

MAX_PARTS = 8  # files of one table and bucket, before the newest are merged
ROUND = 500_000  # rows read from the database at a time
ROW_GROUP = 100_000

EVENT_TIMES: bulk.Schema = {
    "customer_id": pl.Int64,
    "event_id": pl.Int64,
    "name": pl.String,
    "occurred_at": bulk.UTC_MICROSECONDS,
    "known_at": bulk.UTC_MICROSECONDS,
}
TABLES: dict[str, bulk.Schema] = {
    "events": {**EVENT_TIMES, "value": pl.Float64, "is_imported": pl.Boolean, "order_id": pl.String},
    "lines": {
        **EVENT_TIMES,
        "product_id": pl.Int64,
        "quantity": pl.Float64,
        "price": pl.Float64,
        "discount": pl.Float64,
    },
    "properties": {**EVENT_TIMES, "properties": pl.String},
    "attributes": {
        "customer_id": pl.Int64,
        "change_id": pl.Int64,
        "name": pl.String,
        "value": pl.String,
        "known_at": bulk.UTC_MICROSECONDS,
    },
}


@dataclass(frozen=True)
class Scope:
    """Which customers: one bucket's, some by id, or all. An empty `ids` is nobody."""

    bucket: int | None = None
    ids: tuple[int, ...] | None = None


class Size(NamedTuple):
    """What one table takes on disk."""

    table: str
    files: int
    rows: int
    bytes: int


class Rewritten(NamedTuple):
    """The generation without the erased, and whether all files of earlier ones are gone."""

    generation: int
    is_clean: bool


@dataclass(frozen=True)
class Source:
    """A database table that is followed: where each column comes from, and the tables of the lake it feeds."""

    model: type[models.Model]
    columns: dict[str, str]
    tables: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.tables[0]


# Lines come before events: what is committed in between must not leave a line without its event.
SOURCES = (
    Source(
        OrderLine,
        {
            "bucket": "event__customer__bucket",
            "customer_id": "event__customer_id",
            "event_id": "event_id",
            "name": "event__name",
            "occurred_at": "event__occurred_at",
            "known_at": "event__known_at",
            "product_id": "product_id",
            "quantity": "quantity",
            "price": "price",
            "discount": "discount",
        },
        ("lines",),
    ),
    Source(
        Event,
        {
            "bucket": "customer__bucket",
            "customer_id": "customer_id",
            "event_id": "pk",
            "name": "name",
            "occurred_at": "occurred_at",
            "known_at": "known_at",
            "value": "value",
            "of_import_id": "of_import_id",
            "order_id": "order_id",
            "properties": "properties",
        },
        ("events", "properties"),
    ),
    Source(
        AttributeChange,
        {
            "bucket": "customer__bucket",
            "customer_id": "customer_id",
            "change_id": "pk",
            "name": "name",
            "value": "value",
            "known_at": "known_at",
        },
        ("attributes",),
    ),
)


class Lake:
    """One pinned generation. Its files stay as long as this object does: keep it until the frames are collected."""

    def __init__(self, folder: Path, manifest: Manifest, lock: int | None) -> None:
        self._folder = folder
        self._manifest = manifest
        if lock is not None:
            weakref.finalize(self, os.close, lock)

    @property
    def generation(self) -> int:
        """The number of the pinned generation; 0 before the first sync."""
        return self._manifest.generation

    def events(self, scope: Scope) -> pl.LazyFrame:
        """Give the events: customer_id, event_id, name, occurred_at, known_at, value, is_imported, order_id."""
        return self._table("events", scope)

    def lines(self, scope: Scope) -> pl.LazyFrame:
        """Give the order lines with their event's name and times, product_id, quantity, price and discount."""
        return self._table("lines", scope)

    def properties(self, scope: Scope) -> pl.LazyFrame:
        """Give the properties of every event as JSON text, with the event's name and times."""
        return self._table("properties", scope)

    def attributes(self, scope: Scope) -> pl.LazyFrame:
        """Give every attribute change: customer_id, change_id, name, value as JSON text, known_at."""
        return self._table("attributes", scope)

    def sizes(self) -> list[Size]:
        """Give files, rows and bytes of every table."""
        sizes = []
        for table in TABLES:
            parts = self._parts(table, Scope())
            taken = sum((self._folder / part.path).stat().st_size for part in parts)
            sizes.append(Size(table, len(parts), sum(part.rows for part in parts), taken))
        return sizes

    def _parts(self, table: str, scope: Scope) -> list[Part]:
        buckets = range(self._manifest.buckets) if scope.bucket is None else [scope.bucket]
        return [part for bucket in buckets for part in self._manifest.parts.get(f"{table}/{bucket}", ())]

    def _table(self, table: str, scope: Scope) -> pl.LazyFrame:
        paths = [self._folder / part.path for part in self._parts(table, scope)]
        frame = (
            pl.scan_parquet(paths, glob=False, hive_partitioning=False) if paths else pl.LazyFrame(schema=TABLES[table])
        )
        is_held = Q(generation=None) | Q(generation__gt=self.generation)
        frame = without_erased(frame, scope.bucket, is_held)
        return frame if scope.ids is None else frame.filter(pl.col("customer_id").is_in(scope.ids))


def pin() -> Lake:
    """Give the newest generation, and keep its files while the result is alive. Raises LakeError."""
    folder = _folder()
    return Lake(folder, *generations.pin(folder, settings.BUCKETS))


def sync() -> int:
    """Append what was committed since the last sync, and publish it. Give the number of events. Raises LakeError."""
    folder = _folder()
    with generations.writing(folder):
        return _Writer(folder, _ours(folder)).run(MAX_PARTS)


def rebuild() -> int:
    """Write the whole lake afresh from the database, and publish it. Give the number of events. Raises LakeError."""
    folder = _folder()
    with generations.writing(folder):
        return _Writer(folder, generations.read_afresh(folder, settings.BUCKETS)).run(1)


def rewrite(erased: Mapping[int, list[int]]) -> Rewritten:
    """Write afresh what holds one of the customers, ids by bucket, and publish it. Raises LakeError.

    Files of earlier generations are removed, except those that are read at this moment: then the result is not clean,
    and the next call removes them.
    """
    folder = _folder()
    with generations.writing(folder):
        manifest = _Writer(folder, _ours(folder)).leave_out(erased)
        return Rewritten(manifest.generation, generations.sweep(folder, manifest, TABLES, 1))


class _Writer:
    """Writes the next generation on top of a manifest; the lake's lock is held."""

    def __init__(self, folder: Path, base: Manifest) -> None:
        self.folder = folder
        self.base = base
        self.generation = base.generation + 1
        self.parts = dict(base.parts)
        self.marks = dict(base.marks)
        self.numbers = itertools.count()

    def run(self, max_parts: int) -> int:
        """Append, merge and publish. Give the number of events appended."""
        below = bulk.committed_below()
        stored = {source.name: self._follow(source, below) for source in SOURCES}
        if any(stored.values()) or not self.base.marks:
            for target, parts in self.parts.items():
                self.parts[target] = self._merged(target, parts, max_parts)
            manifest = Manifest(self.generation, self.base.buckets, _database(), self.marks, self.parts)
            generations.publish(self.folder, manifest, TABLES)
        return stored["events"]

    def leave_out(self, erased: Mapping[int, list[int]]) -> Manifest:
        """Publish a generation without these customers, if the newest has any of them. Give the newest."""
        for target, parts in self.parts.items():
            ids = erased.get(int(target.partition("/")[2]), [])
            self.parts[target] = tuple(part for old in parts for part in self._without(target, old, ids))
        if self.parts == self.base.parts:
            return self.base
        manifest = Manifest(self.generation, self.base.buckets, self.base.database, self.marks, self.parts)
        generations.publish(self.folder, manifest, TABLES)
        return manifest

    def _without(self, target: str, part: Part, ids: list[int]) -> list[Part]:
        """Give the part where it holds none of the ids, else one with the other rows, or none."""
        path, is_one = self.folder / part.path, pl.col("customer_id").is_in(ids)
        rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        if not ids or not rows.filter(is_one).select(pl.len()).collect().item():
            return [part]
        left = rows.filter(~is_one).collect()
        return [] if left.is_empty() else [self._write(target, left)]

    def _follow(self, source: Source, below: int | None) -> int:
        """Append the source's rows after its mark. Give their number."""
        self.marks.setdefault(source.name, Mark(0, 0))
        if below is not None and self.marks[source.name].xact >= below:
            raise LakeError("The lake is ahead of this database. Run `manage.py lake rebuild`.")
        stored = 0
        while True:
            rows = _newer(source, self.marks[source.name], below)
            self._append(source, rows)
            stored += len(rows)
            if rows.height:
                self.marks[source.name] = Mark(*rows.select("stored_xact", "stored_id").row(-1))
            if rows.height < ROUND:
                return stored

    def _append(self, source: Source, rows: pl.DataFrame) -> None:
        for (bucket,), part in rows.partition_by("bucket", as_dict=True).items():
            if not 0 <= bucket < self.base.buckets:
                raise LakeError(f"A customer is in bucket {bucket}, but BUCKETS is {self.base.buckets}.")
            for table in source.tables:
                target = f"{table}/{bucket}"
                self.parts[target] = (*self.parts.get(target, ()), self._write(target, part.select(*TABLES[table])))

    def _merged(self, target: str, parts: tuple[Part, ...], max_parts: int) -> tuple[Part, ...]:
        """Merge the newest parts of a folder with more than `max_parts`, up to one far larger than they are."""
        if len(parts) <= max_parts:
            return parts
        start = len(parts) - 1
        rows = parts[start].rows
        while start and (start >= max_parts or parts[start - 1].rows <= 4 * rows):
            start -= 1
            rows += parts[start].rows
        frame = pl.read_parquet(
            [self.folder / part.path for part in parts[start:]], glob=False, hive_partitioning=False
        )
        return (*parts[:start], self._write(target, frame))

    def _write(self, target: str, frame: pl.DataFrame) -> Part:
        order = ["customer_id", "occurred_at" if "occurred_at" in frame.columns else "known_at"]
        path = f"{target}/{self.generation:08d}-{next(self.numbers)}.parquet"
        full = self.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        frame.sort(order, maintain_order=True).write_parquet(
            full, compression="zstd", compression_level=1, row_group_size=ROW_GROUP
        )
        generations.flush(full)
        return Part(path, frame.height)


def _newer(source: Source, mark: Mark, below: int | None) -> pl.DataFrame:
    """Give the next ROUND rows after the mark."""
    tables: bulk.Schema = {"bucket": pl.Int64, "of_import_id": pl.Int64}
    for table in source.tables:
        tables |= TABLES[table]
    columns = {**source.columns, "stored_xact": "stored_xact", "stored_id": "pk"}
    schema: bulk.Schema = {
        name: pl.Datetime if name.endswith("_at") else tables.get(name, pl.Int64) for name in columns
    }
    rows = _after(source.model._default_manager.all(), mark, below).values_list(*columns.values())
    frame = bulk.read(rows[:ROUND], schema)
    if "of_import_id" in columns:
        frame = frame.with_columns(is_imported=pl.col("of_import_id").is_not_null())
    return frame


def _after(rows: models.QuerySet[Any], mark: Mark, below: int | None) -> models.QuerySet[Any]:
    """Narrow to the rows after the mark that no open transaction can still precede, in the order of commits."""
    if below is None:
        return rows.filter(pk__gt=mark.id).order_by("pk")
    rows = rows.filter(TupleGreaterThan(Tuple(F("stored_xact"), F("pk")), tuple(mark)), stored_xact__lt=below)
    return rows.order_by("stored_xact", "pk")


def _ours(folder: Path) -> Manifest:
    """Give the newest manifest. Raises LakeError when it was made from another database."""
    manifest = generations.read(folder, settings.BUCKETS)
    if manifest.generation and manifest.database != _database():
        raise LakeError(
            f"The lake in {folder} comes from another database. Set LAKE_URL, or run `manage.py lake rebuild`."
        )
    return manifest


def _database() -> str:
    """Tell this database from any other: by when its first table was made."""
    first = MigrationRecorder(connection).migration_qs.order_by("pk").values_list("applied", flat=True).first()
    return first.isoformat() if first else ""


def _folder() -> Path:
    return Path(settings.LAKE_URL)
