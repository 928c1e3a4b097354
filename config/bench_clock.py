"""What a block of the bench takes: seconds on the wall, CPU seconds and memory."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config import bench_cpu

TURNS = 10


@dataclass
class Clock:
    """What a block took: seconds on the wall, CPU seconds, PostgreSQL's among them, and the most megabytes."""

    seconds: float = 0.0
    cpu: float = 0.0
    database: float = 0.0
    peak_mb: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    """Time a block; the figures are there at its end."""
    clock = Clock()
    database = bench_cpu.of_postgres()  # which asks PostgreSQL and reads /proc, so it stays outside what is timed
    began, cpu = time.perf_counter(), time.process_time()
    yield clock
    clock.seconds, own = time.perf_counter() - began, time.process_time() - cpu
    clock.database = bench_cpu.of_postgres() - database
    clock.cpu = own + clock.database
    clock.peak_mb = _peak_mb()


def _peak_mb() -> float:
    """Give the most memory this process has had; what getrusage says would hold its parent's too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def best_of(work: Callable[[], object]) -> Clock:
    """Give what the fastest of some turns took."""
    turns = []
    for _ in range(TURNS):
        with timed() as clock:
            work()
        turns.append(clock)
    return min(turns, key=lambda clock: clock.seconds)
