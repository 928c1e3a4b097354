"""Rows that are read ahead are those that are read one by one, on both databases."""

from datetime import UTC, datetime

import polars as pl
import pytest
from django.db import DataError, connection, models
from django.db.models import Case, F, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import TruncDate

from customers import bulk, wire_columns
from customers.ahead import ahead
from customers.models import Customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
SCHEMA: bulk.Schema = {
    "id": pl.Int64,
    "seed": pl.Int64,
    "external_id": pl.String,
    "email": pl.String,
    "country": pl.Categorical,
    "known_since": pl.Datetime,
    "day": pl.Date,
    "is_first": pl.Boolean,
    "half": pl.Float64,
    "attributes": pl.String,
}
ABSENT = ("email", "is_first", "half")
MAILS = ["Grüße", None, "", 'a,b\n"c" \\x00 \\N', "日本", "", None]


def store(count: int) -> None:
    old, late = datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2999, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    Customer.objects.bulk_create(
        Customer(
            external_id=f"c{n}",
            public_id=f"p{n}",
            seed=(-(2**63), 2**63 - 1, 0)[n % 3],
            bucket=n,
            email=MAILS[n % len(MAILS)],
            country=("DE", "", "FR")[n % 3],
            known_since=(old, late)[n % 2],
            attributes={"n": n} if n % 2 else {},
        )
        for n in range(count)
    )


def some(first: int, most: int) -> models.QuerySet[Customer]:
    """Give customers of every kind, and beside them their buckets."""
    rows = Customer.objects.filter(bucket__gte=first).annotate(
        day=TruncDate("known_since", tzinfo=UTC),
        is_first=Case(When(bucket=0, then=True), When(bucket=1, then=False)),
        half=Case(When(bucket__lt=4, then=F("bucket") / Value(2.0))),
    )
    return rows.order_by("bucket")[:most]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_what_is_read_ahead_is_what_is_read_row_by_row(count: int) -> None:
    store(count)
    with ahead() as reading:
        first, second = (reading.ask(some(at, 20).values_list(*SCHEMA, "bucket"), SCHEMA, ABSENT) for at in (0, 20))
        for at, page in ((0, first()), (20, second())):
            wanted = bulk.read(some(at, 20).values_list(*SCHEMA), SCHEMA)
            assert page.height == wanted.height == max(0, min(20, count - at))
            assert page.frame().equals(wanted)
            assert page.frame().schema == wanted.schema
            assert page.numbers("seed").tolist() == wanted["seed"].to_list()
            assert page.greatest == max(0, min(at + 20, count) - 1 if count > at else 0)


def test_a_value_that_is_absent_unannounced_is_refused() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite tells rows, in which no value can slip")
    store(3)
    with ahead() as reading:
        page = reading.ask(some(0, 9).values_list(*SCHEMA, "bucket"), SCHEMA, ("is_first", "half"))()
        with pytest.raises(ValueError, match="email: 2 values came for 3 rows"):
            page.frame()


@pytest.mark.django_db(transaction=True)
def test_more_than_a_server_sends_at_once_comes_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    store(5)
    monkeypatch.setattr(wire_columns, "statement", lambda *_, **__: "SELECT repeat('x', 1073741823)")
    with ahead() as reading:
        page = reading.ask(some(1, 3).values_list("seed", "email", "bucket"), {"seed": pl.Int64, "email": pl.String})()
    assert (page.height, page.greatest, page.frame().columns) == (3, 3, ["seed", "email"])
    assert page.numbers("seed").tolist() == [2**63 - 1, 0, -(2**63)]


@pytest.mark.django_db(transaction=True)
def test_a_query_that_fails_says_why_and_the_next_one_works() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite gives no value for a division by zero")
    store(3)
    broken = Customer.objects.annotate(share=RawSQL("1 / seed", [])).values_list("share", "bucket")
    with ahead() as reading:
        failing = reading.ask(broken, {"share": pl.Int64})
        with pytest.raises(DataError, match="division by zero"):
            failing()
        assert reading.ask(some(0, 9).values_list("seed", "bucket"), {"seed": pl.Int64})().height == 3
