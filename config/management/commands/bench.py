"""manage.py bench: how fast the loop is, beside what the same rows cost at least."""

import json
import os
import subprocess
import sys
import tempfile
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from config import bench, bench_events, bench_intake
from config.bench_world import Size

SIZES = {"small": Size(100_000, 2_000_000), "full": Size(1_000_000, 20_000_000)}
SQLITE = Size(50_000, 1_000_000)
HEAD = f"{'':36}{'customers':>10}{'events':>12}{'seconds':>9}{'CPU':>9}{'floor':>8}{'ratio':>7}{'peak MB':>9}"


class Command(BaseCommand):
    help = "Measure the loop on a made-up shop, in a database and a lake of its own that are removed afterwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--small", action="store_true", help="100,000 customers and 2 million events only")
        parser.add_argument("--full", action="store_true", help="1 million customers and 20 million events only")
        parser.add_argument("--json", type=Path, help="write the figures to this file")
        parser.add_argument("--inside", nargs=2, type=int, help=SUPPRESS)
        parser.add_argument("--tend", type=Path, help=SUPPRESS)
        parser.add_argument("--turn", nargs="+", type=datetime.fromisoformat, help=SUPPRESS)
        parser.add_argument("--decide", action="store_true", help=SUPPRESS)
        parser.add_argument("--serve", type=int, help=SUPPRESS)
        parser.add_argument("--send", nargs=2, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["inside"]:
            call_command("migrate", verbosity=0)
            options["json"].write_text(json.dumps(bench.run(Size(*options["inside"]))))
            return
        if options["turn"]:
            bench.turn(options["turn"], options["json"])
            return
        if options["decide"]:
            bench.decide(options["json"])
            return
        if options["serve"]:
            bench_intake.serve(options["serve"])
            return
        if options["tend"]:
            bench_events.tend(options["tend"])
            return
        if options["send"]:
            count, at = options["send"]
            bench.send(int(count), datetime.fromisoformat(at), options["json"])
            return
        rows = []
        self.stdout.write(HEAD)
        for size in self._sizes(options):
            for row in _measured(size):
                rows.append(row)
                self.stdout.write(_line(row))
        if options["json"]:
            options["json"].write_text(json.dumps(rows, indent=1) + "\n")

    def _sizes(self, options: dict[str, Any]) -> list[Size]:
        if connection.vendor == "sqlite":
            return [SQLITE]
        chosen = [name for name in SIZES if options[name]] or list(SIZES)
        return [SIZES[name] for name in chosen]


def _measured(size: Size) -> list[dict[str, Any]]:
    """Give the figures of one size, taken by a process with a database and a lake of its own."""
    with tempfile.TemporaryDirectory(prefix="cusp-bench-") as folder, _database(Path(folder)) as url:
        figures = Path(folder) / "figures.json"
        env = {**os.environ, "DATABASE_URL": url, "LAKE_URL": f"{folder}/lake", "EMAIL_URL": "dummymail://"}
        inside = ["--inside", str(size.customers), str(size.events), "--json", str(figures)]
        done = subprocess.run(
            [sys.executable, "manage.py", "bench", *inside], env=env, cwd=settings.BASE_DIR, check=False
        )
        if done.returncode:
            raise CommandError("The bench failed; what is above says where.")
        rows: list[dict[str, Any]] = json.loads(figures.read_text())
        return rows


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    """Give the URL of an empty database: on the server that DATABASE_URL names, or a file."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{folder}/bench.sqlite3"
        return
    name = f"cusp_bench_{os.getpid()}"
    where = connection.get_connection_params()
    server = {key: where[key] for key in ("host", "port", "user", "password") if where.get(key)}
    with psycopg.connect(dbname=where.get("dbname"), autocommit=True, **server) as session:
        session.execute(f'CREATE DATABASE "{name}"')
        try:
            user = (
                f"{server.get('user', '')}:{server['password']}@"
                if server.get("password")
                else f"{server.get('user', '')}@"
            )
            place = (
                f"/{name}?host={server['host']}"
                if str(server.get("host", "")).startswith("/")
                else f"{server.get('host', '')}:{server.get('port', 5432)}/{name}"
            )
            yield f"postgres://{user}{place}"
        finally:
            session.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _line(row: dict[str, Any]) -> str:
    floor, ratio = (f"{row[key]:.2f}" if row[key] is not None else "" for key in ("floor_seconds", "ratio"))
    more = ", ".join(f"{key} {value}" for key, value in row.items() if key not in bench.COLUMNS)
    figures = f"{row['seconds']:>9.3f}{row['cpu_seconds']:>9.2f}{floor:>8}{ratio:>7}{row['peak_mb']:>9}"
    return f"{row['name']:36}{row['customers']:>10,}{row['events']:>12,}{figures}{'  ' + more if more else ''}"
