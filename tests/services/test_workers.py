"""Real worker processes on PostgreSQL and Redis share a cycle, and one that is killed is made up for."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from celery import Celery

from tests.servers import postgres, redis, wait_for

pytestmark = pytest.mark.services
ROOT = Path(__file__).resolve().parent.parent.parent
BUCKETS = 8
FILL = """
from datetime import UTC, datetime
import polars as pl
from campaigns import cycle, tasks
from customers import bulk, identity
from customers.models import Customer
names = [f"c{i}" for i in range(400)]
seeds = identity.seed_of(pl.Series(names))
rows = pl.DataFrame({"external_id": names, "public_id": names, "seed": seeds, "bucket": identity.bucket_of(seeds)})
bulk.insert(Customer, rows.with_columns(attributes=pl.lit("{}"), known_since=datetime(2026, 1, 1, tzinfo=UTC)))
begun = cycle.begin(datetime(2026, 3, 1, 12, tzinfo=UTC))
tasks.work_on.delay(begun.pk)
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the environment of worker processes with servers of their own."""
    folder = tmp_path_factory.mktemp("workers")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # PostgreSQL's wheel warns of a folder that others can write to
    with postgres() as database, redis() as broker:
        env = {
            **os.environ,
            "DATABASE_URL": database,
            "REDIS_URL": broker,
            "LAKE_URL": str(folder / "lake"),
            "BUCKETS": str(BUCKETS),
            "EMAIL_URL": "dummymail://",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        manage(env, "migrate")
        yield env


@contextlib.contextmanager
def worker(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker process with two children, and end it and them."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--concurrency", "2", "-n", f"{log.stem}@test"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out, start_new_session=True)
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and its children at once, as a lost machine does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def manage(env: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, check=True, capture_output=True)


def ask(env: dict[str, str], sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def count(env: dict[str, str], condition: str) -> int:
    return int(str(ask(env, f"SELECT count(*) FROM campaigns_cycletask WHERE {condition}")[0][0]))


def test_two_workers_end_a_cycle_though_one_is_killed(env: dict[str, str], tmp_path: Path) -> None:
    manage(env, "shell", "-c", FILL)
    with worker(env, tmp_path / "lost.log") as lost, psycopg.connect(env["DATABASE_URL"]) as holder:
        # The lock stops whoever takes a snapshot, so that the worker is killed in the middle of its buckets.
        wait_for(lambda: count(env, "stage = 'score'") == BUCKETS, "the first stage to end", 60)
        holder.execute("LOCK TABLE customers_customer IN ACCESS EXCLUSIVE MODE")
        wait_for(lambda: count(env, "state = 'claimed'") == 2 or count(env, "stage = 'rank'") > 0, "claims", 60)
        kill(lost)
    held = count(env, "state = 'claimed'")
    ask(env, "UPDATE campaigns_cycletask SET lease_until = now() WHERE state = 'claimed'")  # five minutes later
    with worker(env, tmp_path / "first.log"), worker(env, tmp_path / "second.log"):
        Celery(broker=env["REDIS_URL"], set_as_current=False).send_task("campaigns.tasks.resume")
        wait_for(lambda: ask(env, "SELECT 1 FROM campaigns_cycle WHERE state != 'running'") != [], "the cycle", 120)
    assert held == 2
    assert ask(env, "SELECT state, error FROM campaigns_cycle") == [("done", "")]
    for stage in ("score", "refresh"):
        assert count(env, f"stage = '{stage}' AND state = 'done'") == BUCKETS
    assert count(env, "attempts = 2") == held
    assert ask(env, "SELECT (summary->>'customers')::int FROM campaigns_cycle") == [(400,)]


def test_the_scheduler_begins_a_cycle_that_a_worker_ends(env: dict[str, str], tmp_path: Path) -> None:
    before = len(ask(env, "SELECT 1 FROM campaigns_cycle"))
    command = [sys.executable, "-m", "celery", "-A", "config", "beat"]
    with worker(env, tmp_path / "worker.log"):
        scheduler = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            done = "SELECT 1 FROM campaigns_cycle WHERE kind = 'full' AND state = 'done'"
            wait_for(lambda: len(ask(env, done)) > before, "a cycle of the schedule", 120)
        finally:
            scheduler.kill()
            scheduler.wait()
    assert count(env, "state = 'failed'") == 0
