"""Kill -9 in the middle of lake writes, and a full disk: readers go on, and nothing is lost or seen by half."""

import contextlib
import random
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Installation, wait
from tests.prove.starter import Started

WORK = "tests.prove.lake_work"
READERS = 2
TRIES = 20
FEW = 10


class Row(NamedTuple):
    """What came of one database: kills in a write, writes that ended between, batches kept, reads, rows of the lake."""

    database: str
    kills: int
    writes: int
    batches: int
    reads: int
    rows: int


def prove(home: Home, size: int) -> Evidence:
    """Kill `size` times in a write, half of them on each database; a small size on PostgreSQL only."""
    home.distributed.clear()
    rows = [kill_writers(home.distributed, "PostgreSQL", size // 2 if size > FEW else size)]
    if size > FEW:
        with home.embedded() as ours:
            ours.clear()
            rows.append(kill_writers(ours, "SQLite", size - size // 2))
    return Evidence(
        "Lake under kills",
        "A process commits batches of history and brings the lake up to date, or writes all of it afresh; it is ended "
        f"by kill -9 at random moments of these writes, while {READERS} processes read all along. Every generation "
        "that a reader pinned held whole batches only, in all tables, and never fewer than the one before. Afterwards "
        "a lake that is rebuilt into an empty folder holds the same rows as the one that went through the kills.",
        [Table(Row._fields, rows)],
        home.servers(),
    )


def kill_writers(ours: Installation, database: str, kills: int) -> Row:
    """Kill a writer of the lake in the middle of its writes, under readers; hold what is left against a rebuild."""
    ours.call(f"{WORK}:fill")
    rng = random.Random(database)
    writes = 0
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(ours.running(f"{WORK}:read")) for _ in range(READERS)]
        wait(lambda: all(said(reader, "read") for reader in readers), "the readers")
        for number in range(kills):
            writes += _kill_in_a_write(ours, number, rng)
        before = [said(reader, "read") for reader in readers]
        ours.call("manage.py", "lake", "sync")
        wait(lambda: [said(reader, "read") for reader in readers] > before, "the readers to go on")
        assert [reader.code() for reader in readers] == [None] * READERS, readers[0].log.read_text()[-2000:]
        reads = sum(said(reader, "read") for reader in readers)
    survived = ours.call(f"{WORK}:contents")
    with _another_lake(ours):
        ours.call("manage.py", "lake", "rebuild")
        rebuilt = ours.call(f"{WORK}:contents")
    assert survived == rebuilt, f"{database}: the lake holds\n{survived}a rebuilt one\n{rebuilt}"
    batches = ours.number("SELECT count(DISTINCT value) FROM customers_event")
    assert batches >= writes
    return Row(database, kills, writes, batches, reads, sum(int(line.split()[1]) for line in survived.splitlines()))


def _kill_in_a_write(ours: Installation, number: int, rng: random.Random) -> int:
    """Let a writer end some writes, and kill it in a later one. Give how many it ended."""
    for attempt in range(TRIES):
        with ours.running(f"{WORK}:write", f"{number}-{attempt}") as writer:
            _wait_for_more(writer, "done", rng.randrange(1, 3))
            _wait_for_more(writer, "begin", 1)
            time.sleep(rng.uniform(0.0, 0.1))
            writer.kill()
            if said(writer, "begin") > said(writer, "done"):
                return said(writer, "done")
    raise AssertionError(f"no write was hit in {TRIES} attempts")


def _wait_for_more(process: Started, word: str, times: int) -> None:
    before = said(process, word)
    wait(lambda: said(process, word) >= before + times, f"{word} of process {process.pid}")


def said(process: Started, word: str) -> int:
    """Give how often a process has said a word; fail if it ended by itself."""
    assert process.code() in (None, -9), process.log.read_text()[-2000:]
    return sum(line.startswith(word) for line in process.log.read_text().splitlines())


@contextlib.contextmanager
def _another_lake(ours: Installation) -> Iterator[None]:
    """Let commands use an empty folder for the lake while the block runs."""
    folder = ours.env["LAKE_URL"]
    ours.env["LAKE_URL"] = f"{folder}-again"
    try:
        yield
    finally:
        ours.env["LAKE_URL"] = folder
