"""Web processes of the program, begun by the starter."""

import sys
from datetime import UTC, datetime

import waitress

from config.wsgi import application
from customers import keys
from customers.models import ApiKey


def serve(port: str) -> None:
    """Answer requests on a port of 127.0.0.1 until the end."""
    waitress.serve(application, host="127.0.0.1", port=int(port), threads=8, _quiet=True)


def make_key() -> None:
    """Say the secret of a key that may send events as fast as can be."""
    key, secret = keys.create("till", ["events:write"], datetime.now(UTC))
    ApiKey.objects.filter(pk=key.pk).update(per_minute=100_000)
    sys.stdout.write(f"{secret}\n")
