"""Portions are stored on several connections at once; what became of them keeps their order."""

import contextlib
import threading
import time

import pytest
from django.db import connection, transaction

from customers import side_by_side
from customers.models import Product

pytestmark = pytest.mark.door
TWO_CONNECTIONS = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer, and its test database lives in memory"
)


@pytest.mark.django_db
def test_in_an_open_transaction_all_belongs_to_it() -> None:
    threads = list(side_by_side.each(lambda _: threading.current_thread(), [1, 2, 3]))
    assert threads == [threading.current_thread()] * 3


@TWO_CONNECTIONS
@pytest.mark.django_db(transaction=True)
def test_two_portions_are_stored_at_once_and_told_in_order() -> None:
    both_began = threading.Barrier(2, timeout=30)

    def store(portion: int) -> int:
        both_began.wait()
        return Product.objects.create(external_id=f"{portion}").pk

    stored = list(side_by_side.each(store, [1, 2, 3, 4]))
    assert [Product.objects.get(pk=pk).external_id for pk in stored] == ["1", "2", "3", "4"]


@TWO_CONNECTIONS
@pytest.mark.django_db(transaction=True)
def test_a_portion_that_fails_ends_the_rest_and_leaves_nothing_of_itself() -> None:
    portions = list(range(100))

    def store(portion: int) -> int:
        with transaction.atomic():
            Product.objects.create(external_id=f"{portion}")
            if portion == 1:
                raise OSError("lost")
        return portion

    told: list[int] = []
    with pytest.raises(OSError, match="lost"):
        told.extend(side_by_side.each(store, portions))
    kept = set(Product.objects.values_list("external_id", flat=True))
    assert "0" in kept
    assert "1" not in kept
    assert len(kept) <= 2 * side_by_side.CONNECTIONS


@TWO_CONNECTIONS
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lost", [None, 3])
def test_a_connection_serves_many_portions_and_none_stays_open(lost: int | None) -> None:
    def store(portion: int) -> int:
        if portion == lost:
            raise OSError("lost")
        return backend()

    served: list[int] = []
    with contextlib.suppress(OSError):
        served.extend(side_by_side.each(store, range(30)))
    assert len(set(served)) <= side_by_side.CONNECTIONS
    assert backend() not in served
    assert not still_open(set(served))


def backend() -> int:
    """Give the server's process behind this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def still_open(backends: set[int]) -> set[int]:
    """Give those that are there still, after a moment to end."""
    there = set(backends)
    limit = time.monotonic() + 10
    while there and time.monotonic() < limit:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [sorted(backends)])
            there = {pid for (pid,) in cursor.fetchall()}
    return there
