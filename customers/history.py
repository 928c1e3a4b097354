"""The lake: the history of all customers as columns, in immutable Parquet files that readers pin.

`<LAKE_URL>/<table>/<bucket>/<generation>-<n>.parquet` holds rows sorted by customer, properties by name first. A file
has `delay`, the microseconds from occurred_at to known_at, in place of the latter. Everything here can be brought back
from the database.
"""

import functools
import itertools
import os
import shutil
import weakref
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q

from customers import bulk, followed, generations
from customers.followed import EVENTS, LINES, Piece, Source
from customers.followed import SOURCES as SOURCES
from customers.followed import TABLES as TABLES
from customers.generations import LakeError as LakeError
from customers.generations import Manifest, Mark, Part
from customers.ids import among, held
from customers.models import Customer
from customers.rows import numbered, ordered
from customers.tombstones import without_erased

MAX_PARTS = 8  # files of one table and bucket, before the newest are merged
HELD = 1_000_000  # rows of a table held in memory, before they are put down
LARGE = 1 << 20  # bytes of a file
ROW_GROUP = 20_000  # small: few customers are then read without most of a file, and few groups hold more than one name
DELAY = (pl.col("known_at") - pl.col("occurred_at")).dt.total_microseconds().alias("delay")
KNOWN_AT = pl.col("occurred_at") + pl.duration(microseconds="delay")
PUT_DOWN = "unsorted"  # the folder of rows that were read and are not yet in their files


@dataclass(frozen=True)
class Scope:
    """Which customers: those of some buckets, some by id, or all. An empty `ids` is nobody."""

    bucket: int | None = None
    ids: tuple[int, ...] | None = None
    several: tuple[int, ...] | None = None  # buckets, in place of the one

    @property
    def buckets(self) -> tuple[int, ...] | None:
        """The buckets that the customers are in; None where they may be in all."""
        return self.several if self.bucket is None else (self.bucket,)


def scope_of(frame: pl.DataFrame, few: int) -> Scope:
    """Give where a frame's customers are found: in their buckets, and there by id where they are few."""
    ids = tuple(frame["customer_id"].to_list()) if frame.height <= few else None
    return Scope(ids=ids, several=tuple(frame["bucket"].unique().sort().to_list()))


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
        """Give the properties of the events that have any, as JSON text, with the event's name and times."""
        return self._table("properties", scope)

    def attributes(self, scope: Scope) -> pl.LazyFrame:
        """Give every attribute change: customer_id, change_id, name, value as JSON text, known_at."""
        return self._table("attributes", scope)

    def files(self, table: str) -> list[Path]:
        """Give the files of a table, which never change."""
        return [self._folder / part.path for part in self._parts(table, Scope())]

    def of(self, ids: Collection[int]) -> "Lake":
        """Give what a few customers have in this lake: each table is read once, when it is first asked for."""
        return _OfFew(self, tuple(ids))

    def sizes(self) -> list[Size]:
        """Give files, rows and bytes of every table."""
        sizes = []
        for table in TABLES:
            parts = self._parts(table, Scope())
            taken = sum((self._folder / part.path).stat().st_size for part in parts)
            sizes.append(Size(table, len(parts), sum(part.rows for part in parts), taken))
        return sizes

    def _parts(self, table: str, scope: Scope) -> list[Part]:
        buckets = range(self._manifest.buckets) if scope.buckets is None else scope.buckets
        return [part for bucket in buckets for part in self._manifest.parts.get(f"{table}/{bucket}", ())]

    def _table(self, table: str, scope: Scope) -> pl.LazyFrame:
        return self._present(self._scanned(table, scope), scope.buckets)

    def _scanned(self, table: str, scope: Scope) -> pl.LazyFrame:
        """Give the scope's rows as the files hold them."""
        paths = [self._folder / part.path for part in self._parts(table, scope)]
        frame = (
            _told(pl.scan_parquet(paths, glob=False, hive_partitioning=False), table)
            if paths
            else pl.LazyFrame(schema=TABLES[table])
        )
        return frame if scope.ids is None else frame.filter(held("customer_id", scope.ids))

    def _present(self, rows: pl.LazyFrame, buckets: Collection[int] | None) -> pl.LazyFrame:
        """Leave out who was erased since this generation."""
        return without_erased(rows, buckets, Q(generation=None) | Q(generation__gt=self.generation))


class _OfFew(Lake):
    """The rows of a few customers, in memory; it keeps the lake's files until they are read."""

    def __init__(self, lake: Lake, ids: tuple[int, ...]) -> None:
        super().__init__(lake._folder, lake._manifest, None)
        self._lake, self._ids = lake, ids
        self._read: dict[str, pl.DataFrame] = {}

    def _table(self, table: str, scope: Scope) -> pl.LazyFrame:
        if table not in self._read:
            self._read[table] = self._found(table).collect()
        rows = self._read[table].lazy()
        return rows if scope.ids in (None, self._ids) else rows.filter(held("customer_id", scope.ids))

    def _found(self, table: str) -> pl.LazyFrame:
        """Give the rows of a table: in the files of a bucket only its customers are looked for."""
        parts = [self._lake._scanned(table, Scope(ids=ids, bucket=bucket)) for bucket, ids in self._buckets.items()]
        rows = pl.concat(parts) if parts else pl.LazyFrame(schema=TABLES[table])
        return self._present(rows, list(self._buckets))

    @cached_property
    def _buckets(self) -> dict[int, tuple[int, ...]]:
        """Give the customers by bucket."""
        people = Customer.objects.filter(among("pk", self._ids)).order_by("bucket", "pk").values_list("bucket", "pk")
        return {bucket: tuple(pk for _, pk in own) for bucket, own in itertools.groupby(people, itemgetter(0))}


@functools.lru_cache(maxsize=10_000)
def tells(path: Path, as_of: datetime) -> bool:
    """Give whether a file, which never changes, tells of events that had happened and were known. Large ones do."""
    if path.stat().st_size > LARGE:
        return True
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    rows = rows.with_columns(known_at=KNOWN_AT)
    return (
        not rows.filter(pl.col("occurred_at") <= as_of, pl.col("known_at") <= as_of)
        .select("occurred_at")
        .head(1)
        .collect()
        .is_empty()
    )


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


Ends = dict[str, Mark | None]


class _Writer:
    """Writes the next generation on top of a manifest; the lake's lock is held."""

    def __init__(self, folder: Path, base: Manifest) -> None:
        self.folder = folder
        self.base = base
        self.generation = base.generation + 1
        self.parts = dict(base.parts)
        self.marks = dict(base.marks)
        self.numbers = itertools.count()
        self.fresh: dict[str, list[pl.DataFrame]] = defaultdict(list)  # rows of a source by target, in memory
        self.held = 0  # how many they are
        self.down: dict[str, list[pl.LazyFrame]] = defaultdict(list)  # rows before them, in files of a moment
        self.coming: list[tuple[str, Future[Part]]] = []  # files that are being written, by target

    def run(self, max_parts: int) -> int:
        """Append, merge and publish. Give the number of events appended."""
        shutil.rmtree(self.folder / PUT_DOWN, ignore_errors=True)  # what a crash left behind
        below = bulk.committed_below()
        # Lines before events: what is committed in between must not leave a line without its event.
        ends = {source.name: self._newest(source, below) for source in reversed(SOURCES)}
        try:
            with ThreadPoolExecutor(2) as writers:  # one flushes a file while the other sorts
                stored = {source.name: self._follow(source, ends, writers) for source in SOURCES}
            for target, part in self.coming:
                self.parts[target] = (*self.parts.get(target, ()), part.result())
        finally:
            shutil.rmtree(self.folder / PUT_DOWN, ignore_errors=True)
        if any(stored.values()) or not self.base.marks:
            for target, parts in self.parts.items():
                self.parts[target] = self._merged(target, parts, max_parts)
            manifest = Manifest(self.generation, self.base.buckets, database(), self.marks, self.parts)
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
        path, is_one = self.folder / part.path, held("customer_id", ids)
        rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        if not ids or not rows.filter(is_one).select(pl.len()).collect().item():
            return [part]
        left = rows.filter(~is_one).collect()
        return [] if left.is_empty() else [self._write(target, left)]

    def _newest(self, source: Source, below: int | None) -> Mark | None:
        """Give the mark of the source's last row that can be read now; None where none came since its mark."""
        mark = self.marks.setdefault(source.name, Mark(0, 0))
        if below is not None and mark.xact >= below:
            raise LakeError("The lake is ahead of this database. Run `manage.py lake rebuild`.")
        return followed.newest(source, mark, below)

    def _follow(self, source: Source, ends: Ends, writers: ThreadPoolExecutor) -> int:
        """Read the source's rows after its mark up to the newest, and let them be written. Give their number."""
        stored = 0
        for piece in self._newer(source, ends):
            self._take(*piece)
            stored += len(piece.rows) if piece.source is source else 0
        for target, frames in self.fresh.items():
            rows = [*self.down.pop(target, ()), *(frame.lazy() for frame in frames)]
            self.coming.append((target, writers.submit(self._append, target, rows)))
        self.fresh.clear()
        self.held = 0
        self.marks[source.name] = ends[source.name] or self.marks[source.name]
        return stored

    def _newer(self, source: Source, ends: Ends) -> Iterator[Piece]:
        """Give the rows after the source's mark, up to its end, each with its bucket."""
        mark, end = self.marks[source.name], ends[source.name]
        if end is None or mark == end:
            return
        if followed.are_few(source, mark, end):
            yield Piece(source, followed.few(source, mark, end))
            return
        is_first = source is EVENTS and mark == self.marks[LINES.name] == Mark(0, 0)
        lines = ends[LINES.name] if is_first else None  # as every line's event is among these
        buckets = self._buckets
        for piece in followed.many(source, mark, end, lines):
            yield Piece(piece.source, _with_bucket(piece.rows, buckets))
        if lines is not None:
            self.marks[LINES.name] = lines

    @cached_property
    def _buckets(self) -> pl.DataFrame:
        """Give the buckets of all customers."""
        bucket_of: bulk.Schema = {"id": pl.Int64, "bucket": pl.Int64}
        return bulk.read(Customer.objects.values_list(*bucket_of), bucket_of)

    def _take(self, source: Source, rows: pl.DataFrame) -> None:
        """Hold rows in the form of their tables, by bucket; put them down when they are many."""
        for table in source.tables:
            for bucket, part in _by_bucket(_narrow(rows, table)):
                if not 0 <= bucket < self.base.buckets:
                    raise LakeError(f"A customer is in bucket {bucket}, but BUCKETS is {self.base.buckets}.")
                self.fresh[f"{table}/{bucket}"].append(part)
        self.held += len(rows)
        if self.held >= HELD:
            self._put_down()

    def _put_down(self) -> None:
        """Move the rows that are held in memory to files of a moment."""
        folder = self.folder / PUT_DOWN
        folder.mkdir(exist_ok=True)
        for target, frames in self.fresh.items():
            if frames:
                path = folder / f"{target.replace('/', '-')}-{next(self.numbers)}.arrow"
                pl.concat(frames).write_ipc(path)
                self.down[target].append(pl.scan_ipc(path))
                frames.clear()
        self.held = 0

    def _append(self, target: str, frames: list[pl.LazyFrame]) -> Part:
        """Write a file of the rows that were read for a folder."""
        rows = pl.concat(frames)
        frames.clear()
        return self._write(target, rows.collect().rechunk())  # to gather from many chunks takes six times as long

    def _merged(self, target: str, parts: tuple[Part, ...], max_parts: int) -> tuple[Part, ...]:
        """Merge the newest parts of a folder with more than `max_parts`, up to one far larger than they are."""
        if len(parts) <= max_parts:
            return parts
        start = len(parts) - 1
        rows = parts[start].rows
        while start and (start >= max_parts or parts[start - 1].rows <= 4 * rows):
            start -= 1
            rows += parts[start].rows
        paths = [self.folder / part.path for part in parts[start:]]
        return (*parts[:start], self._write(target, pl.read_parquet(paths, glob=False, hive_partitioning=False)))

    def _write(self, target: str, frame: pl.DataFrame) -> Part:
        path = f"{target}/{self.generation:08d}-{next(self.numbers)}.parquet"
        full = self.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        table = target.partition("/")[0]
        frame = _sorted(frame, table)  # the unsorted rows give their memory back
        frame.write_parquet(full, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)
        generations.flush(full)
        return Part(path, frame.height)


def _with_bucket(rows: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    """Give the rows with their customers' bucket, without those whose customer was erased just now."""
    place = numbered(buckets["id"].to_numpy(), rows["customer_id"].to_numpy())
    is_there = place >= 0
    bucket = buckets["bucket"].gather(place[is_there])
    return rows.filter(pl.Series(is_there)).with_columns(bucket.alias("bucket"))


def _narrow(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Give rows of a source, and their bucket, as the files of a table hold them."""
    if table == "events":
        rows = rows.with_columns(is_imported=pl.col("of_import_id").is_not_null())
    if table == "properties":
        rows = rows.filter(pl.col("properties").is_not_null())
    columns = [DELAY if name == "known_at" and table != "attributes" else name for name in TABLES[table]]
    return rows.select(*columns, "bucket")


def _by_bucket(rows: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Give each bucket with its rows, in their order. One gather for all takes a third of a filter for each."""
    bucket = rows["bucket"].to_numpy()
    rows = rows.drop("bucket")[np.argsort(bucket.astype(np.int16), kind="stable")]
    start = 0
    for number, count in zip(*np.unique(bucket, return_counts=True), strict=True):
        yield int(number), rows[start : start + int(count)]
        start += int(count)


def _sorted(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Give the rows in the order of the table's files."""
    time = frame["known_at" if table == "attributes" else "occurred_at"].to_physical()
    frame = frame[ordered(frame["customer_id"].to_numpy(), time.to_numpy())]
    frame = frame.cast({"name": pl.Categorical if table == "lines" else pl.String})
    return frame.sort("name", maintain_order=True) if table == "properties" else frame


def _told(stored: pl.LazyFrame, table: str) -> pl.LazyFrame:
    """Give what the files of a table hold as its readers know it."""
    if table == "attributes":
        return stored
    return stored.with_columns(known_at=KNOWN_AT).select(*TABLES[table])


def _ours(folder: Path) -> Manifest:
    """Give the newest manifest. Raises LakeError when it was made from another database."""
    manifest = generations.read(folder, settings.BUCKETS)
    if manifest.generation and manifest.database != database():
        raise LakeError(
            f"The lake in {folder} comes from another database. Set LAKE_URL, or run `manage.py lake rebuild`."
        )
    return manifest


def database() -> str:
    """Tell this database from any other: by when its first table was made."""
    first = MigrationRecorder(connection).migration_qs.order_by("pk").values_list("applied", flat=True).first()
    return first.isoformat() if first else ""


def _folder() -> Path:
    return Path(settings.LAKE_URL)
