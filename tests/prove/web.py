"""Web processes of the program, begun by the starter."""

import os
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import waitress
from django.db import connection

from config.wsgi import application
from customers import keys
from customers.models import ApiKey


def serve(port: str) -> None:
    """Answer requests on a port of 127.0.0.1 until the end."""
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=8, _quiet=True)


def serve_until(port: str, moment: str) -> None:
    """Answer like `serve`, and die at the first POST: "stored", with its answer stored and nothing committed, or
    "committed", with all of it committed and nothing answered.
    """

    def note(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        done = execute(sql, params, many, context)
        if moment == "stored" and sql.startswith('INSERT INTO "customers_storedanswer"'):
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def dying(environ: dict[str, Any], begin: Any) -> Iterable[bytes]:
        with connection.execute_wrapper(note):
            answer: Iterable[bytes] = application(environ, begin)
        if environ["REQUEST_METHOD"] == "POST":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    waitress.serve(dying, host="127.0.0.1", port=int(port), threads=1, _quiet=True)


def make_key(scope: str = "events:write") -> None:
    """Say the secret of a key that may do one thing as fast as can be."""
    key, secret = keys.create("till", [scope], datetime.now(UTC))
    ApiKey.objects.filter(pk=key.pk).update(per_minute=100_000)
    sys.stdout.write(f"{secret}\n")
