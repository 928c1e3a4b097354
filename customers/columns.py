"""Columns of a stored snapshot, kept in memory: who asks about everybody asks for the same few again and again."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from customers import snapshot
from customers.history import LakeError
from customers.snapshot import File

MOST_BYTES = 512 * 2**20
Files = tuple[File, ...]


class Replaced(Exception):
    """Files of the snapshot were replaced while it was read: start again."""


@dataclass(frozen=True)
class Pinned:
    """A snapshot as its files were at one moment. Rows are in the order of the files, erased customers among them."""

    as_of: datetime
    files: Files

    @property
    def names(self) -> frozenset[str]:
        """The columns that it has. Raises Replaced."""
        return frozenset[str]().union(*_names(self.files))

    def columns(self, names: Collection[str]) -> pl.DataFrame:
        """Give those of the columns that it has. Raises Replaced."""
        wanted = [name for name in dict.fromkeys(names) if name in self.names]
        return pl.DataFrame(self.derived(wanted, lambda missing: _read(self.files, missing).get_columns()))

    def unkept(self, names: Collection[str]) -> pl.DataFrame:
        """Give columns without keeping them: for those who read all of them once. Raises Replaced."""
        return _read(self.files, names)

    def derived(self, keys: Sequence[str], make: Callable[[list[str]], Iterable[pl.Series]]) -> list[pl.Series]:
        """Give columns by their keys, which say all that they depend on; those that are not there yet are made."""
        found = {key: KEPT.get((self.files, key)) for key in keys}
        if missing := [key for key, column in found.items() if column is None]:
            for key, column in zip(missing, make(missing), strict=True):
                found[key] = KEPT.put((self.files, key), column)
        return [column for column in found.values() if column is not None]

    def rows(self, places: Sequence[int], names: Collection[str]) -> pl.DataFrame:
        """Give some rows, by their places in ascending order; only the files that hold them are read."""
        parts, start = [pl.DataFrame(schema=dict.fromkeys(names, pl.Null))], 0
        (heights,) = self.derived(["heights:"], lambda _: [_heights(self.files)])
        for file, height in zip(self.files, heights, strict=True):
            here = [place - start for place in places if start <= place < start + height]
            start += height
            if here:
                parts.append(Pinned(self.as_of, (file,)).columns(names)[here])
        return pl.concat(parts, how="diagonal_relaxed")


def pin(as_of: datetime) -> Pinned:
    """Give the snapshot of the time. Raises LakeError where there is none."""
    files = snapshot.files(as_of)
    if not files:
        raise LakeError(f"There is no snapshot as of {as_of.isoformat()}.")
    return Pinned(as_of, files)


@functools.lru_cache(maxsize=8)
def _known_names(files: Files) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(pl.read_parquet_schema(file.path)) for file in files)


def _names(files: Files) -> tuple[frozenset[str], ...]:
    """Give the columns of each file."""
    try:
        return _known_names(files)
    except FileNotFoundError as error:
        raise Replaced from error


def _heights(files: Files) -> pl.Series:
    return pl.Series([part.height for part in _parts(files, ["customer_id"])])


def _read(files: Files, names: Collection[str]) -> pl.DataFrame:
    return pl.concat(_parts(files, names), how="diagonal_relaxed", rechunk=True)


def _parts(files: Files, names: Collection[str]) -> list[pl.DataFrame]:
    """Give some columns of each file; of those that one lacks, one without a value, so that it keeps its rows."""
    try:
        parts = pl.collect_all(
            [
                pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
                .with_columns(pl.lit(None).alias(name) for name in names if name not in there)
                .select(names)
                for file, there in zip(files, _names(files), strict=True)
            ]
        )
    except FileNotFoundError as error:
        raise Replaced from error
    if any(snapshot.file_at(file.path) != file for file in files):
        raise Replaced
    return parts


def forget() -> None:
    """Keep nothing: the next question reads from the files."""
    KEPT.clear()
    _known_names.cache_clear()


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
                self.bytes += _size(column)
            while self.bytes > self.most_bytes and self.columns:
                _, gone = self.columns.popitem(last=False)
                self.bytes -= _size(gone)
        return column

    def clear(self) -> None:
        with self.lock:
            self.columns.clear()
            self.bytes = 0


def _size(column: pl.Series) -> int:
    """Give the bytes of a column; Polars does not count the 16 with which a text is found."""
    return int(column.estimated_size()) + (16 * len(column) if column.dtype == pl.String else 0)


KEPT = _Kept(MOST_BYTES)
