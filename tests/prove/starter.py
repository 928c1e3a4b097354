"""Starts processes of the program as forks of one that has done the slow imports: each with an environment of its own.

`python -m tests.prove.starter` reads requests from its input and answers each with one line; when the input ends it
kills what still runs. The children are processes in sessions of their own, to be killed by their process group.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

from tests.servers import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
SLOW = ("polars", "skops.io", "scipy.stats", "sklearn.pipeline", "psycopg", "celery.bin.celery", "kombu", "redis")
LOADED = ("config.celery", "config.urls", "campaigns.tasks", "tests.prove.mails")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}


class Started:
    """A process that the starter began."""

    def __init__(self, starter: "Starter", pid: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self._starter = starter

    def code(self) -> int | None:
        """Give how it ended; None while it runs."""
        answer = self._starter.ask({"poll": self.pid})
        return None if answer is None else int(answer)

    def wait(self, limit_seconds: float = 120.0) -> int:
        """Return its exit code once it has ended."""
        wait_for(lambda: self.code() is not None, f"the end of process {self.pid}", limit_seconds)
        return self.code() or 0

    def kill(self) -> None:
        """End it and its children at once, as a lost machine does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


class Starter:
    """The near end: begins processes and tells how they ended."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.prove.starter"],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def start(self, env: dict[str, str], log: Path, *command: str) -> Started:
        """Begin `celery ...`, `manage.py ...` or `module:function ...` with this environment and log file."""
        log.touch()
        pid = self.ask({"start": command, "env": env, "log": str(log)})
        return Started(self, int(pid), log)

    def ask(self, request: dict[str, Any]) -> Any:
        """Send one request and give its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class _Prepared:
    """A fork that has loaded the program with one environment, and forks itself for each start."""

    def __init__(self, env: dict[str, str]) -> None:
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._requests)
            os.close(self._answers)
            _load(env)
            _serve_starts(os.fdopen(requests), os.fdopen(answers, "w"))
        os.close(requests)
        os.close(answers)
        self._write, self._read = os.fdopen(self._requests, "w"), os.fdopen(self._answers)

    def ask(self, line: str) -> str:
        self._write.write(line)
        self._write.flush()
        return self._read.readline()

    def close(self) -> None:
        self._write.close()
        self._read.close()


def _serve() -> None:
    """Pass each request on to the process that is prepared with its environment, and its answer back."""
    by_env: dict[str, _Prepared] = {}
    by_pid: dict[int, _Prepared] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            answer = by_pid[request["poll"]].ask(line)
        else:
            key = json.dumps(request["env"], sort_keys=True)
            prepared = by_env.get(key) or by_env.setdefault(key, _Prepared(request["env"]))
            answer = prepared.ask(line)
            by_pid[int(answer)] = prepared
        sys.stdout.write(answer)
        sys.stdout.flush()
    # A later fork holds the ends of the earlier ones' pipes too, so all are closed before any is waited for.
    for prepared in by_env.values():
        prepared.close()
    for prepared in by_env.values():
        os.waitpid(prepared.pid, 0)


def _serve_starts(requests: TextIO, answers: TextIO) -> NoReturn:
    """Fork for each start, and tell how the forks ended; kill those that are left at the end."""
    ended: dict[int, int | None] = {}
    for line in requests:
        request = json.loads(line)
        if "poll" in request:
            answer = ended[request["poll"]] = _polled(request["poll"], ended)
        else:
            answer = os.fork()
            if answer == 0:
                _become(request)
            ended[answer] = None
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()
    for pid in ended:
        if _polled(pid, ended) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
    os._exit(0)


def _polled(pid: int, ended: dict[int, int | None]) -> int | None:
    if ended[pid] is not None:
        return ended[pid]
    gone, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if gone else None


def _load(env: dict[str, str]) -> None:
    """Load the program with this environment."""
    os.environ.clear()
    os.environ.update({**env, **ONE_THREAD})
    importlib.import_module("django").setup()
    for module in LOADED:
        importlib.import_module(module)


def _become(request: dict[str, Any]) -> NoReturn:
    """Be the process that was asked for: its session and streams, then its command."""
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    sys.argv = list(request["start"])
    name, _, function = sys.argv[0].partition(":")
    code = 1
    try:
        if name == "celery":
            importlib.import_module("celery.__main__").main()
        elif name == "manage.py":
            importlib.import_module("django.core.management").execute_from_command_line(sys.argv)
        else:
            getattr(importlib.import_module(name), function)(*sys.argv[1:])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        if code and not isinstance(sys.exc_info()[1], SystemExit | None):
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for module in SLOW:
        importlib.import_module(module)
    _serve()
