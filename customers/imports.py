"""Imports of files: their row, their result, and what a command prints of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import OutputWrapper
from django.db.models import Max, Min
from django.utils.text import slugify

from customers.events import Progress
from customers.ingest import Result
from customers.models import Import, Quarantine, Source

ROWS_A_TRANSACTION = 20_000
BAR = 30  # characters
COUNTS = ("read", "stored", "repeated", "quarantined", "reasons")


@dataclass(frozen=True)
class File:
    """A file that was read for an import, and the options it was read by."""

    path: Path
    sha256: str
    kind: Import.Kind
    options: dict[str, Any]


def key_of(name: str) -> str:
    """Give the key of the source that is called by a name."""
    return slugify(name)[:60] or "import"


def source_of(name: str) -> Source:
    """Give the source of imports by this name, made if need be."""
    made, _ = Source.objects.get_or_create(key=key_of(name), defaults={"name": name[:120], "kind": Source.Kind.IMPORT})
    return made


def begin(file: File, source: Source, received: datetime) -> Import:
    """Store that a file is being imported; what an earlier import of the same file had refused goes."""
    forget_refused(file.sha256, source)
    return Import.objects.create(
        kind=file.kind,
        file_name=file.path.name[:255],
        sha256=file.sha256,
        mapping=file.options,
        source=source,
        started_at=received,
    )


def forget_refused(sha256: str, source: Source) -> None:
    """Delete what imports of a file had refused: it is judged anew."""
    same = Import.objects.filter(sha256=sha256, source=source)
    for earlier in same.annotate(first=Min("refused__pk"), last=Max("refused__pk")).filter(first__isnull=False):
        for start in range(earlier.first, earlier.last + 1, ROWS_A_TRANSACTION):
            Quarantine.objects.filter(of_import=earlier, pk__range=(start, start + ROWS_A_TRANSACTION - 1)).delete()


def finish(started: Import, result: Result, at: datetime) -> None:
    """Store what became of an import's lines."""
    started.state = Import.State.DONE
    started.finished_at = at
    for name in COUNTS:
        setattr(started, name, getattr(result, name))
    started.save(update_fields=["state", "finished_at", *COUNTS])


def fail(started: Import, error: BaseException, at: datetime) -> None:
    """Store that an import ended early, and by what."""
    started.state = Import.State.FAILED
    started.finished_at = at
    started.error = f"{type(error).__name__}: {error}"[:2000]
    started.save(update_fields=["state", "finished_at", "error"])


def progress_bar(out: TextIO | OutputWrapper, what: str) -> Progress | None:
    """Give a bar that is drawn on a terminal; nothing where the output goes elsewhere."""
    if not out.isatty():
        return None

    def draw(done: int, total: int) -> None:
        filled = "#" * (BAR * done // max(total, 1))
        end = "\n" if done == total else ""
        out.write(f"\r{what} [{filled:.<{BAR}}] {done:,} of {total:,}{end}")
        out.flush()

    return draw


def lines_of(result: Result, inferred: Sequence[str], seconds: float) -> list[str]:
    """Give what a command prints: the mapping, the four counts in lines, and the reasons."""
    counts = "  ".join(f"{name} {getattr(result, name):,}" for name in ("read", "stored", "repeated", "quarantined"))
    reasons = [f"  {count:,} × {reason}" for reason, count in result.reasons.items()]
    rows = f"new customers {result.customers:,}  new events {result.events:,}  {seconds:.1f} s"
    return [*(f"  {line}" for line in inferred), counts, *reasons, rows]


def write_json(path: str, result: Result, seconds: float) -> None:
    """Write the result with the keys read stored repeated quarantined events customers reasons seconds."""
    told = {name: getattr(result, name) for name in (*COUNTS, "events", "customers")}
    body = json.dumps({**told, "seconds": round(seconds, 3)}, indent=2)
    Path(path).write_text(body + "\n", encoding="utf-8")
