"""Where this database lives and how far its sending got, so that a copy or an older state of it is told from itself.

`<LAKE_URL>/begun.json` has the number of the last attempt that was begun. It lies outside the database, so a backup
that is put back does not bring it along.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from campaigns.models import DeliveryAttempt, Programme
from customers import generations, history

NOTED_EVERY = 2.0  # seconds
TABLE = DeliveryAttempt._meta.db_table


class Mark(NamedTuple):
    """Which database wrote it, and the last attempt that it had begun."""

    database: str
    begun: int


def doubt(ours: Programme) -> str:
    """Say why this database may not know all that was sent: it lies elsewhere, or is older than its mark. Else ""."""
    place = here()
    if place and ours.place and place != ours.place:
        return "This database is not where it was: it is a copy, or was brought back from a backup."
    mark, begun = _read(), begun_so_far()
    if mark is not None and mark.database == history.database() and begun < mark.begun:
        return (
            f"This database is older than what was sent: it knows of {begun:,} attempts, "
            f"and at least {mark.begun:,} were begun."
        )
    return ""


def accept(ours: Programme) -> None:
    """Take this place, and what this database knows of, as they are."""
    Programme.objects.filter(pk=ours.pk).update(place=here())
    mark = _read()
    if mark is not None and mark != _now():
        _write(_now())


def note(*, is_last: bool = False) -> None:
    """Write down how far the sending got: at most once in NOTED_EVERY seconds, and always when it `is_last`."""
    path = _path()
    if not is_last and path.exists() and abs(time.time() - path.stat().st_mtime) < NOTED_EVERY:
        return
    mark, now = _read(), _now()
    if now.begun and (mark is None or mark.database != now.database or mark.begun < now.begun):
        _write(now)


def here() -> str:
    """Tell where this database is: PostgreSQL's system and the database in it, or the file of SQLite; "" if unknown."""
    if connection.vendor == "postgresql":
        return _cluster()
    path = Path(str(connection.settings_dict["NAME"]))
    if not path.is_file():
        return ""
    stat = path.stat()
    return f"sqlite {stat.st_dev}:{stat.st_ino}"


def begun_so_far() -> int:
    """Give how many attempts were ever begun; those that were erased since count too."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass)", [TABLE])
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [TABLE])
        row = cursor.fetchone()
    return int(row[0] or 0) if row else 0


def _cluster() -> str:
    """Give PostgreSQL's system identifier, where it may be asked for, and the number of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()), "
            "has_function_privilege('pg_control_system()', 'execute')"
        )
        oid, may_ask = cursor.fetchone() or (0, False)
        if not may_ask:
            return f"postgresql {oid}"
        cursor.execute("SELECT system_identifier FROM pg_control_system()")
        system = cursor.fetchone()
    return f"postgresql {system[0] if system else ''}:{oid}"


def _now() -> Mark:
    return Mark(history.database(), begun_so_far())


def _read() -> Mark | None:
    """Give the mark; none where there is none, or nothing that can be read."""
    try:
        stored = json.loads(_path().read_text())
        return Mark(str(stored["database"]), int(stored["begun"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write(mark: Mark) -> None:
    generations.replace(_path(), json.dumps(mark._asdict()).encode())


def _path() -> Path:
    return Path(settings.LAKE_URL) / "begun.json"
