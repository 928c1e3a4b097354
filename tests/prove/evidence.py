"""What a proof found, as a page of docs/evidence: a table of figures, and where, when and how they were found."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "docs" / "evidence"
NAMED = ("django", "celery", "polars", "scikit-learn", "psycopg")


@dataclass(frozen=True)
class Table:
    """Rows of figures under a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    def __str__(self) -> str:
        numbers = [all(isinstance(row[index], int | float) for row in self.rows) for index in range(len(self.head))]
        rule = ["---:" if is_number else "---" for is_number in numbers]
        lines = [self.head, rule, *([_told(cell) for cell in row] for row in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.caption}\n\n{table}" if self.caption else table


@dataclass
class Evidence:
    """A proof's title, what it shows in a sentence or two, its tables, and the figures that it did not reach."""

    title: str
    says: str
    tables: list[Table] = field(default_factory=list)
    servers: str = f"SQLite {sqlite3.sqlite_version}"
    missed: list[str] = field(default_factory=list)

    def page(self, command: str, seconds: float, now: datetime) -> str:
        """Give the page."""
        return (
            "\n\n".join(
                [
                    f"# {self.title}",
                    self.says,
                    *map(str, self.tables),
                    str(_circumstances(command, seconds, now, self.servers)),
                ]
            )
            + "\n"
        )


def write(name: str, evidence: Evidence, command: str, seconds: float) -> Path:
    """Write the page of a proof. Give where it is."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.md"
    path.write_text(evidence.page(command, seconds, datetime.now(UTC)))
    return path


def _circumstances(command: str, seconds: float, now: datetime, servers: str) -> Table:
    facts = [
        ("Date", f"{now:%Y-%m-%d %H:%M} UTC"),
        ("Command", f"`{command}`"),
        ("Took", f"{seconds:,.0f} s"),
        ("Commit", _commit()),
        ("Machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB"),
        ("Load", f"{os.getloadavg()[2]:.1f} over the last 15 minutes"),
        ("Versions", ", ".join([f"Python {platform.python_version()}", *(f"{one} {version(one)}" for one in NAMED)])),
        ("Servers", servers),
    ]
    return Table(("Found", "how"), facts)


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _told(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
