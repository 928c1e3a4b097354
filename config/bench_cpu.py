"""CPU seconds of processes of this machine, as Linux counts them."""

import os
from pathlib import Path

from django.db import connection

TICKS = os.sysconf("SC_CLK_TCK")


def of_process(pid: int) -> float:
    """Give the CPU seconds that a process has used, without those of its children."""
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / TICKS if stat else 0.0


def of_postgres() -> float:
    """Give the CPU seconds that PostgreSQL's processes have used; 0 where they are not on this machine."""
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        own = _stat(cursor.fetchone()[0])
    if own is None:
        return 0.0
    postmaster = int(own[1])
    stats = [_stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()]
    live = sum(int(stat[11]) + int(stat[12]) for stat in stats if stat and int(stat[1]) == postmaster)
    ended = _stat(postmaster)
    return (live + (int(ended[13]) + int(ended[14]) if ended else 0)) / TICKS


def _stat(pid: int) -> list[str] | None:
    """Give /proc/<pid>/stat after the name: state, parent, ... user and system ticks, those of ended children."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
