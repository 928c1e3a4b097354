"""The world that calls made from the OpenAPI document meet, and the key they are made with."""

import sys

from django.utils import timezone

from customers import keys
from customers.keys import Scope
from tests.config import world

PER_MINUTE = 10_000_000


def fill() -> None:
    """Put a row into every table, as a shop of six customers has; say the secret of a key that may do everything."""
    world.fill()
    world.take_snapshot()
    _, secret = keys.create("schema", Scope.values, timezone.now(), per_minute=PER_MINUTE)
    sys.stdout.write(f"{secret}\n")
