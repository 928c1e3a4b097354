"""Many calls of one key at once: one effect of one Idempotency-Key, and not one call more than a minute has."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from segments.models import Segment
from tests.customers.test_once import BODY, SEGMENTS, bearer, post

pytestmark = [
    pytest.mark.door,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="a SQLite test database lives in memory"),
    pytest.mark.django_db(transaction=True),
]
CALLS = 20


def at_once(call: Callable[[], Any]) -> list[Any]:
    """Call from many threads, each with a connection of its own, let go together."""
    ready = threading.Barrier(CALLS)

    def one(_: int) -> Any:
        try:
            ready.wait()
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLS) as threads:
        return list(threads.map(one, range(CALLS)))


def test_many_calls_with_one_idempotency_key_have_one_effect() -> None:
    key = bearer()
    answers = at_once(lambda: post(Client(), SEGMENTS, BODY, key, "a-1"))
    assert Segment.objects.count() == 1
    made = [one for one in answers if one.status_code == 201]
    waiting = [one for one in answers if one.status_code != 201]
    assert len({one.content for one in made}) == 1
    assert sum(not one.has_header("Idempotent-Replayed") for one in made) == 1
    assert {(one.status_code, one.json()["code"], one["Retry-After"]) for one in waiting} <= {(409, "in_progress", "1")}
    assert post(Client(), SEGMENTS, BODY, key, "a-1").content == made[0].content


def test_not_one_call_more_is_let_through_than_a_minute_has() -> None:
    key = bearer(per_minute=7)
    answers = at_once(lambda: Client().get(SEGMENTS, headers=key))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [429] * 13
    left = sorted(one["RateLimit"].partition(";t=")[0] for one in answers if one.status_code == 200)
    assert left == [f'"default";r={n}' for n in range(7)]
