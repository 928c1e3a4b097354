"""One command serves the pages and does the work, ends when told, and goes on after it was killed."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.executor import MigrationExecutor
from pytest_django import Settings

from config import embedded
from tests.servers import free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent


class Running:
    """A `manage.py run` of its own, with its database and its address."""

    def __init__(self, process: "subprocess.Popen[bytes]", database: Path, port: int) -> None:
        self.process, self.database, self.port = process, database, port

    def ready(self) -> dict[str, Any]:
        """Give what /readyz says; nothing as long as nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as answer:
                return dict(json.load(answer))
        except (urllib.error.URLError, OSError):
            return {}

    def wait_for_cycle(self) -> None:
        def is_done() -> bool:
            return (self.ready().get("last_cycle") or {}).get("state") == "done"

        wait_for(is_done, "a full cycle", 90)


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    port = free_port()
    env = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DEBUG")}
    database = folder / "cusp.sqlite3"
    env |= {"DATABASE_URL": f"sqlite:///{database}", "LAKE_URL": str(folder / "lake"), "BUCKETS": "4"}
    command = [sys.executable, "manage.py", "run", "--port", str(port)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            yield Running(process, database, port)
        finally:
            process.kill()
            process.wait()


@pytest.mark.long
@pytest.mark.services
def test_it_makes_its_database_cycles_and_goes_on_after_it_was_killed(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.wait_for_cycle()
        first.process.kill()
    with closing(sqlite3.connect(tmp_path / "cusp.sqlite3")) as database, database:
        # As if it had been killed while it scored bucket 2: claimed, for minutes to come, and nothing after it.
        database.execute("DELETE FROM campaigns_cycle WHERE kind != 'full'")
        database.execute("UPDATE campaigns_cycle SET state = 'running', stage = 'score'")
        database.execute("DELETE FROM campaigns_cycletask WHERE stage NOT IN ('sync', 'score')")
        database.execute(
            "UPDATE campaigns_cycletask SET state = 'claimed', token = 'lost', lease_until = '2999-01-01 00:00:00' "
            "WHERE bucket = 2"
        )
    with running(tmp_path) as second:
        second.wait_for_cycle()
        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(60) == 0
    with closing(sqlite3.connect(tmp_path / "cusp.sqlite3")) as database:
        tasks = database.execute("SELECT stage, count(*), max(attempts) FROM campaigns_cycletask GROUP BY stage")
        assert ("score", 4, 2) in tasks.fetchall()
    assert "migrations to" in (tmp_path / "log").read_text()


@pytest.mark.django_db
def test_with_redis_it_serves_only_and_names_the_other_processes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[str, int]] = []
    monkeypatch.setattr(embedded, "serve", lambda host, port: served.append((host, port)))
    settings.IS_EMBEDDED = False
    out = io.StringIO()
    call_command("run", "--port", "8123", stdout=out)
    assert served == [("127.0.0.1", 8123)]
    assert "celery -A config worker" in out.getvalue()
    assert "celery -A config beat" in out.getvalue()


@pytest.mark.django_db
def test_a_shared_database_is_not_migrated_by_the_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [("one", False), ("two", False)])
    settings.IS_EMBEDDED = False
    with pytest.raises(CommandError, match="The database lacks 2 migrations"):
        call_command("run")
