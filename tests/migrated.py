"""An SQLite database with all tables, migrated once for each state of the migrations and copied from then on."""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "migrated"


def kept() -> Path:
    """Give where the database of these migrations and this Django is kept; it may not be there yet."""
    state = hashlib.sha256(f"{version('django')} {sqlite3.sqlite_version}".encode())
    for path in sorted(ROOT.glob("*/migrations/*.py")):
        state.update(path.read_bytes())
    return FOLDER / f"{state.hexdigest()[:16]}.sqlite3"


def keep(migrated: sqlite3.Connection) -> None:
    """Keep a copy of a migrated database in place of those of other migrations."""
    path = kept()
    FOLDER.mkdir(parents=True, exist_ok=True)
    ours = path.with_suffix(f".{os.getpid()}")
    with contextlib.closing(sqlite3.connect(ours)) as copy:
        migrated.backup(copy)
    ours.replace(path)
    for other in FOLDER.glob("*.sqlite3"):
        if other != path:
            other.unlink(missing_ok=True)


@contextlib.contextmanager
def in_memory(name: str) -> Iterator[None]:
    """Fill the database in memory of this name from the one that is kept, and hold it while the block runs."""
    with contextlib.closing(sqlite3.connect(name, uri=True)) as ours:
        if kept().exists():
            with contextlib.closing(sqlite3.connect(kept())) as source:
                source.backup(ours)
        yield
