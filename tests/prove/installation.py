"""An installation of the program for the proofs: its servers, its processes, and its tables seen from outside."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil
import psycopg
import redis as redis_client
from celery import Celery

from tests import migrated
from tests.prove.sink import Sink, mail_sink
from tests.prove.starter import Started, Starter
from tests.servers import Postgres, Redis, postgres_server, redis_server, wait_for

Rows = list[tuple[Any, ...]]
BUCKETS = 4
DROPPED = ("CI", "DEBUG", "REDIS_URL", "DATABASE_URL", "DATABASE_URLS_OF_WORKERS", "PYTHONDONTWRITEBYTECODE")
IDLE = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@dataclass
class Installation:
    """One installation: environment, folder and mail sink, and what the proofs do to it."""

    starter: Starter
    folder: Path
    sink: Sink
    env: dict[str, str]
    _names: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def start(self, *command: str) -> Started:
        """Begin a process of the program."""
        log = self.folder / f"{next(self._names):04d}.log"
        return self.starter.start(self.env, log, *command)

    def call(self, *command: str) -> str:
        """Run a command to its end and give what it said; an error is an error here."""
        process = self.start(*command)
        code, said = process.wait(), process.log.read_text()
        if code:
            raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{said}")
        return said

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[Started]:
        """Run a process while the block runs, and kill it then, if it still lives."""
        process = self.start(*command)
        try:
            yield process
        finally:
            process.kill()

    def ask(self, sql: str) -> Rows:
        """Run one statement and give its rows."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget all customers and campaigns, and with them all that was decided and sent."""
        raise NotImplementedError

    def number(self, sql: str) -> int:
        """Give the one number a statement selects."""
        return int(self.ask(sql)[0][0])


@dataclass
class Embedded(Installation):
    """One process over a SQLite file."""

    @property
    def database(self) -> Path:
        return self.folder / "cusp.sqlite3"

    def ask(self, sql: str) -> Rows:
        """Run one statement and give its rows."""
        with self.connected() as connection, connection:
            return connection.execute(sql).fetchall()

    def clear(self) -> None:
        """Begin again with a database that has only its tables."""
        for path in self.folder.glob("cusp.sqlite3*"):
            path.unlink()
        if migrated.kept().exists():
            shutil.copyfile(migrated.kept(), self.database)
            return
        self.call("manage.py", "migrate", "--verbosity", "0")
        with self.connected() as connection:
            migrated.keep(connection)

    @contextlib.contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.database, timeout=30, check_same_thread=False)
        try:
            yield connection
        finally:
            connection.close()


@dataclass(kw_only=True)
class Distributed(Installation):
    """Workers over PostgreSQL and Redis."""

    postgres: Postgres
    redis: Redis
    _connection: psycopg.Connection[Any] | None = None

    def ask(self, sql: str) -> Rows:
        """Run one statement and give its rows."""
        if self._connection is None:
            self._connection = psycopg.connect(self.env["DATABASE_URL"], autocommit=True)
        cursor = self._connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    def clear(self) -> None:
        """Empty the tables, the lake and the broker."""
        self.ask("TRUNCATE customers_customer, customers_source, customers_product, segments_segment CASCADE")
        self.ask("TRUNCATE campaigns_campaign, campaigns_cycle, campaigns_programme, campaigns_schedule CASCADE")
        # The keys of these are not checked, so nothing cascades to them; a run speaks of a lake that is gone.
        self.ask("TRUNCATE segments_membership, segments_membershipchange, segments_bucket, scoring_score")
        self.ask("TRUNCATE scoring_scorerun, campaigns_triggerstate, campaigns_decision, campaigns_delivery CASCADE")
        shutil.rmtree(self.env["LAKE_URL"], ignore_errors=True)
        with redis_client.Redis.from_url(self.env["REDIS_URL"]) as client:
            client.flushall()

    @contextlib.contextmanager
    def locked(self, table: str, mode: str = "EXCLUSIVE") -> Iterator[Callable[[], bool]]:
        """Hold a table while the block runs; give whether somebody waits for a lock."""
        with psycopg.connect(self.env["DATABASE_URL"]) as holder:
            holder.execute(f"LOCK TABLE {table} IN {mode} MODE".encode())
            yield self.is_blocked
            holder.rollback()

    def is_blocked(self) -> bool:
        """Give whether a process of the program waits for a lock."""
        return bool(self.ask(IDLE))

    def close(self) -> None:
        """End our own connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def worker(self) -> "contextlib.AbstractContextManager[Started]":
        """Run a Celery worker with two processes."""
        return self.running("celery", "-A", "config", "worker", "--concurrency", "2", "-n", f"{next(self._names)}@test")

    def wake(self, task: str, *arguments: object) -> None:
        """Send a worker a message, as the scheduler does."""
        with Celery(broker=self.env["REDIS_URL"], set_as_current=False) as celery:
            celery.send_task(f"campaigns.tasks.{task}", args=arguments)

    def waiting(self) -> int:
        """Give how many messages no worker has taken yet."""
        with redis_client.Redis.from_url(self.env["REDIS_URL"]) as client:
            return int(cast("int", client.llen("celery")))


def kill_children(worker: Started) -> None:
    """Kill the processes that do a worker's work; the worker begins others."""
    for child in psutil.Process(worker.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


@contextlib.contextmanager
def embedded(starter: Starter) -> Iterator[Embedded]:
    """Give an installation in one process: an empty SQLite database, nothing running yet."""
    with tempfile.TemporaryDirectory(prefix="cusp-prove-") as name, mail_sink() as (sink, email_url):
        folder = Path(name)
        yield Embedded(starter, folder, sink, _env(folder, email_url, f"sqlite:///{folder}/cusp.sqlite3"))


@contextlib.contextmanager
def distributed(starter: Starter) -> Iterator[Distributed]:
    """Give an installation over PostgreSQL and Redis, migrated, nothing else running yet."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cusp-prove-")))
        sink, email_url = stack.enter_context(mail_sink())
        postgres, redis = stack.enter_context(postgres_server()), stack.enter_context(redis_server())
        env = _env(folder, email_url, postgres.url) | {"REDIS_URL": redis.url}
        ours = Distributed(starter, folder, sink, env, postgres=postgres, redis=redis)
        ours.call("manage.py", "migrate", "--verbosity", "0")
        yield ours
        ours.close()


def _env(folder: Path, email_url: str, database: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return env | {
        "DATABASE_URL": database,
        "LAKE_URL": str(folder / "lake"),
        "BUCKETS": str(BUCKETS),
        "EMAIL_URL": email_url,
        "CYCLE_EVERY": "1d",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def wait(is_ready: Callable[[], bool], what: str) -> None:
    """Wait as long as a loaded machine may need."""
    wait_for(is_ready, what, 120.0)
