"""Which files make up the lake: numbered generations, published in one step and kept while somebody reads them.

`generations/<n>.json` names the files of a generation, `manifest.json` is a copy of the newest. Writers take turns by
the lock on `lock`; a reader shares the lock of its generation's file, and the files of a locked generation stay.
"""

import errno
import fcntl
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from polars.exceptions import PolarsError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OS_ERROR = re.compile(r"\(os error (\d+)\)")
FORM = 2  # of the files: which columns they have, of which types, and how they are sorted
KEPT = 2  # generations whose files stay without a reader: the newest and the one before
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)  # what a broken manifest raises when parsed


class LakeError(Exception):
    """The lake cannot be used as it is; the message says what to do."""


class Mark(NamedTuple):
    """The last row of a database table that was read, in the order of commits."""

    xact: int
    id: int


class Part(NamedTuple):
    """One file, by its path within the lake."""

    path: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """One generation: its files by folder, the database they come from, and how far each of its tables was read."""

    generation: int
    buckets: int
    database: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)
    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    form: int = FORM

    def paths(self) -> set[str]:
        return {part.path for parts in self.parts.values() for part in parts}


def read(folder: Path, buckets: int) -> Manifest:
    """Give the newest manifest, or an empty one of generation 0.

    Raises LakeError when it cannot be read, has files of another form, or was made for another number of buckets.
    """
    try:
        manifest = _parse((folder / "manifest.json").read_text())
    except FileNotFoundError:
        return Manifest(0, buckets)
    except UNREADABLE as error:
        raise LakeError(f"{folder}/manifest.json cannot be read. Run `manage.py lake rebuild`.") from error
    if manifest.form != FORM:
        raise LakeError(
            f"The lake in {folder} has files of form {manifest.form}; this version reads and writes form {FORM}. "
            "Run `manage.py lake rebuild`."
        )
    return _checked(manifest, folder, buckets)


def read_afresh(folder: Path, buckets: int) -> Manifest:
    """Give an empty manifest that follows the newest generation. Raises LakeError for another number of buckets."""
    last = max((int(path.stem) for path in (folder / "generations").glob("*.json")), default=0)
    try:
        manifest = _parse((folder / "manifest.json").read_text())
    except (FileNotFoundError, *UNREADABLE):
        return Manifest(last, buckets)
    return Manifest(max(last, _checked(manifest, folder, buckets).generation), buckets)


def pin(folder: Path, buckets: int) -> tuple[Manifest, int | None]:
    """Give the newest manifest and an open handle that keeps its files until closed; none for generation 0."""
    while True:
        manifest = read(folder, buckets)
        if manifest.generation == 0:
            return manifest, None
        handle = _share(_path(folder, manifest.generation))
        if handle is not None:
            return manifest, handle


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lake's lock: one writer at a time, over all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    except (OSError, PolarsError) as error:
        if not _is_about_room(error):
            raise
        _remove_unpublished(folder)
        raise LakeError(
            f"There is no room for the lake in {folder}: {error}. What was there can still be read, and what could not "
            "be written is in the database. Free some space, then run `manage.py lake sync`."
        ) from error
    finally:
        os.close(handle)


def publish(folder: Path, manifest: Manifest, tables: Iterable[str]) -> None:
    """Make the manifest the newest generation, in one rename; remove files of the tables that nobody reads."""
    stored = {
        "form": manifest.form,
        "generation": manifest.generation,
        "buckets": manifest.buckets,
        "database": manifest.database,
        "marks": manifest.marks,
        "files": manifest.parts,
    }
    content = json.dumps(stored, indent=1).encode()
    replace(_path(folder, manifest.generation), content)
    replace(folder / "manifest.json", content)
    sweep(folder, manifest, tables, KEPT)


def sweep(folder: Path, manifest: Manifest, tables: Iterable[str], newest: int) -> bool:
    """Remove the files of all generations but the `newest` ones and those that are read. Give whether none is left."""
    kept = manifest.paths()
    is_clean = True
    for path in (folder / "generations").glob("*.json"):
        is_recent = int(path.stem) > manifest.generation - newest
        if is_recent or not _was_removed(path):
            kept |= _named(path)
            is_clean &= is_recent
    for table in tables:
        for file in (folder / table).glob("*/*.parquet"):
            if file.relative_to(folder).as_posix() not in kept:
                file.unlink()
    return is_clean


def replace(path: Path, content: bytes) -> None:
    """Put a file in place in one step: readers see the old content or the new, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.new")  # each thread its own
    draft.write_bytes(content)
    flush(draft)
    draft.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Return once a file or folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_about_room(error: OSError | PolarsError) -> bool:
    """Give whether a disk is full, or a quota or a limit was reached. Polars tells the number in words only."""
    number = error.errno if isinstance(error, OSError) else None
    told = OS_ERROR.search(str(error))
    return (int(told[1]) if told and number is None else number) in NO_ROOM


def _remove_unpublished(folder: Path) -> None:
    """Remove the files that no generation names, so that a failed write gives its room back; the lock is held."""
    kept = {name for path in (folder / "generations").glob("*.json") for name in _named(path)}
    for file in folder.glob("*/*/????????-*.parquet"):
        if file.relative_to(folder).as_posix() not in kept:
            file.unlink()
    for draft in (*folder.glob(".*.new"), *folder.glob("*/.*.new"), *folder.glob("*/*/.*.new")):
        draft.unlink()


def _parse(text: str) -> Manifest:
    stored = json.loads(text)
    return Manifest(
        generation=int(stored["generation"]),
        buckets=int(stored["buckets"]),
        database=str(stored["database"]),
        marks={name: Mark(*mark) for name, mark in stored["marks"].items()},
        parts={target: tuple(Part(*part) for part in parts) for target, parts in stored["files"].items()},
        form=int(stored.get("form", 1)),
    )


def _checked(manifest: Manifest, folder: Path, buckets: int) -> Manifest:
    if manifest.buckets == buckets:
        return manifest
    raise LakeError(
        f"The lake in {folder} has {manifest.buckets} buckets, but BUCKETS is {buckets}. "
        f"Set BUCKETS={manifest.buckets}: the number cannot change once customers are stored."
    )


def _path(folder: Path, generation: int) -> Path:
    return folder / "generations" / f"{generation:08d}.json"


def _share(path: Path) -> int | None:
    """Give an open handle that shares the lock of a generation; None when the generation has just gone."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(handle, fcntl.LOCK_SH)
    if os.fstat(handle).st_nlink:
        return handle
    os.close(handle)
    return None


def _named(path: Path) -> set[str]:
    """Give the files that a generation names: none where it cannot be read, for then nobody can pin it."""
    try:
        return _parse(path.read_text()).paths()
    except UNREADABLE:
        return set()


def _was_removed(path: Path) -> bool:
    """Remove a generation's file unless a reader shares its lock. Give whether it went."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
