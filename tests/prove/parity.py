"""One small world, run in one process on SQLite and by worker processes on PostgreSQL and Redis, ends the same."""

import contextlib
import json
from pathlib import Path
from typing import Any

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Distributed, Installation
from tests.servers import free_port

STORY = "tests.prove.parity_story"
WEEKS, FEW_WEEKS, FEW = 3, 1, 500
SCORED = ("model versions", "scores")  # empty where there are too few customers to train from
LIMIT_SECONDS = 900.0
Tables = dict[str, list[Any]]


def prove(home: Home, size: int) -> Evidence:
    """Play the story with `size` customers both ways, and compare every table row by row.

    With fewer than a model takes, one week passes instead of three.
    """
    weeks = FEW_WEEKS if size < FEW else WEEKS
    with home.embedded() as alone:
        alone.clear()
        with alone.running("manage.py", "run", "--port", str(free_port())):
            embedded = _played(alone, size, weeks)
    ours: Distributed = home.distributed
    ours.clear()
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(ours.worker())
        stack.enter_context(ours.running("celery", "-A", "config", "beat"))
        distributed = _played(ours, size, weeks)
    differences = _differences(embedded, distributed)
    assert not differences, "\n".join(differences)
    return Evidence(
        "Both ways of running",
        f"A shop of {size} customers is imported, a model trained, three campaigns launched, and {weeks} weeks pass, "
        "with answers of customers and of an agent. Once `manage.py run` does the work, a process on SQLite; once two "
        "workers of two processes each and a scheduler do it, on PostgreSQL and Redis. Every table ends with the same "
        "rows, compared by names instead of ids; scores to 6 decimals.",
        [Table(("table", "rows"), [(name, len(rows)) for name, rows in embedded.items()])],
        home.servers(),
    )


def _played(ours: Installation, customers: int, weeks: int) -> Tables:
    story = ours.start(f"{STORY}:play", str(customers), str(weeks), str(ours.folder))
    assert story.wait(LIMIT_SECONDS) == 0, story.log.read_text()[-4000:]
    path = ours.folder / "tables.json"
    ours.call(f"{STORY}:tables", str(path))
    return dict(json.loads(Path(path).read_text()))


def _differences(embedded: Tables, distributed: Tables) -> list[str]:
    """Give a line for each table that is empty or not the same, with the first rows that only one of them has."""
    told = []
    for name, left in embedded.items():
        ours, theirs = {repr(row) for row in left}, {repr(row) for row in distributed[name]}
        if left != distributed[name] or not (left or name in SCORED):
            only = f"only SQLite has {sorted(ours - theirs)[:3]}, only PostgreSQL has {sorted(theirs - ours)[:3]}"
            told.append(f"{name}: {len(left)} and {len(distributed[name])} rows; {only}")
    return told
