"""Columns of a stored snapshot, kept in memory: who asks about everybody asks for the same few again and again."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from customers import snapshot
from customers.history import LakeError
from customers.snapshot import File

MOST_BYTES = 512 * 2**20
Files = tuple[File, ...]


class Replaced(Exception):
    """Files of the snapshot were replaced while it was read: start again."""


class Layout(NamedTuple):
    """The columns that a snapshot has, and how many rows each of its files."""

    names: frozenset[str]
    heights: tuple[int, ...]


@dataclass(frozen=True)
class Pinned:
    """A snapshot as its files were at one moment. Rows are in the order of the files, erased customers among them."""

    as_of: datetime
    files: Files

    @property
    def layout(self) -> Layout:
        """Its columns and rows. Raises Replaced."""
        try:
            return _layout(self.files)
        except FileNotFoundError as error:
            raise Replaced from error

    def columns(self, names: Collection[str]) -> pl.DataFrame:
        """Give those of the columns that it has. Raises Replaced."""
        wanted = [name for name in dict.fromkeys(names) if name in self.layout.names]
        found = {name: KEPT.get((self.files, name)) for name in wanted}
        if missing := [name for name, column in found.items() if column is None]:
            for column in self._read(self.files, missing).iter_columns():
                found[column.name] = KEPT.put((self.files, column.name), column)
        return pl.DataFrame([column for column in found.values() if column is not None])

    def derived(self, key: str, make: Callable[[], pl.Series]) -> pl.Series:
        """Give a column that is made of others, made once; the key says all that it depends on."""
        column = KEPT.get((self.files, key))
        return KEPT.put((self.files, key), make()) if column is None else column

    def rows(self, places: Sequence[int], names: Collection[str]) -> pl.DataFrame:
        """Give some rows, by their places in ascending order; only the files that hold them are read."""
        parts, start = [], 0
        for file, height in zip(self.files, self.layout.heights, strict=True):
            here = [place - start for place in places if start <= place < start + height]
            start += height
            if here:
                parts.append(self._read((file,), names)[here])
        return pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame(schema=dict.fromkeys(names, pl.Null))

    def _read(self, files: Files, names: Collection[str]) -> pl.DataFrame:
        try:
            scans = [_scan(file.path, names) for file in files]
            frame = pl.concat(pl.collect_all(scans), how="diagonal_relaxed", rechunk=True)
        except FileNotFoundError as error:
            raise Replaced from error
        if snapshot.files(self.as_of) != self.files:
            raise Replaced
        return frame.select(names)


def pin(as_of: datetime) -> Pinned:
    """Give the snapshot of the time. Raises LakeError where there is none."""
    files = snapshot.files(as_of)
    if not files:
        raise LakeError(f"There is no snapshot as of {as_of.isoformat()}.")
    return Pinned(as_of, files)


@functools.lru_cache(maxsize=8)
def _layout(files: Files) -> Layout:
    scans = [pl.scan_parquet(file.path, glob=False, hive_partitioning=False) for file in files]
    heights = [part.item() for part in pl.collect_all([scan.select(pl.len()) for scan in scans])]
    return Layout(frozenset(name for scan in scans for name in scan.collect_schema()), tuple(heights))


def _scan(path: Path, names: Collection[str]) -> pl.LazyFrame:
    """Give some columns of one file; of those that it lacks, one without a value, so that it keeps its rows."""
    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    there = scan.collect_schema()
    return scan.with_columns(pl.lit(None).alias(name) for name in names if name not in there).select(names)


class _Kept:
    """Columns by key; those that nobody asked for longest make room for others."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.columns: OrderedDict[tuple[Files, str], pl.Series] = OrderedDict()
        self.bytes = 0
        self.lock = threading.Lock()

    def get(self, key: tuple[Files, str]) -> pl.Series | None:
        with self.lock:
            if key in self.columns:
                self.columns.move_to_end(key)
            return self.columns.get(key)

    def put(self, key: tuple[Files, str], column: pl.Series) -> pl.Series:
        """Keep a column and give it back."""
        with self.lock:
            if key not in self.columns:
                self.columns[key] = column
                self.bytes += int(column.estimated_size())
            while self.bytes > self.most_bytes and self.columns:
                _, gone = self.columns.popitem(last=False)
                self.bytes -= int(gone.estimated_size())
        return column


KEPT = _Kept(MOST_BYTES)
