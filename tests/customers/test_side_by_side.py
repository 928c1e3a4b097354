"""Portions are stored on two connections at once; what became of them keeps their order."""

import threading

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
