"""Frames go into tables and come back the same, on both databases."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import TruncDate
from psycopg.errors import DivisionByZero

from customers import bulk
from customers.models import AttributeChange, Consent, Customer, Event, EventName, Source
from scoring.models import Score

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
WHOLE = datetime(2026, 1, 2, tzinfo=UTC)
CUSTOMERS = pl.DataFrame(
    {
        "external_id": ["a", 'b"c,\nd', "e"],
        "public_id": ["p1", "p2", "p3"],
        "bucket": [0, 1, 2],
        "seed": [-(2**63), 2**63 - 1, 0],
        "email": ["a@example.test", None, ""],
        "attributes": ['{"x": 1}', "{}", "{}"],
        "known_since": [T, WHOLE, T],
    },
    schema_overrides={"known_since": bulk.UTC_MICROSECONDS},
)
SCHEMA: bulk.Schema = {
    "id": pl.Int64,
    "external_id": pl.String,
    "seed": pl.Int64,
    "email": pl.String,
    "known_since": pl.Datetime,
}


def stored() -> pl.DataFrame:
    return bulk.read(Customer.objects.order_by("seed").values_list(*SCHEMA), SCHEMA)


def test_rows_come_back_as_they_went_in() -> None:
    assert bulk.insert(Customer, CUSTOMERS) == 3
    columns = ["external_id", "seed", "email", "known_since"]
    assert stored().select(columns).rows() == CUSTOMERS.sort("seed").select(columns).rows()
    assert Customer.objects.get(external_id="a").attributes == {"x": 1}
    assert Customer.objects.get(known_since=WHOLE).external_id == 'b"c,\nd'


NUMBERS: bulk.Schema = {
    "run_id": pl.Int64,
    "customer_id": pl.Int64,
    "target_id": pl.Int64,
    "version_id": pl.Int64,
    "bucket": pl.Int64,
    "value": pl.Float64,
    "as_of": bulk.UTC_MICROSECONDS,
}


def numbers(buckets: list[int], values: list[float | None]) -> pl.DataFrame:
    rows = [(-1, 2**60 + n, 2, 3, bucket, values[n], T) for n, bucket in enumerate(buckets)]
    return pl.DataFrame(rows, schema=NUMBERS, orient="row")


def test_rows_of_numbers_and_times_come_back_to_the_last_bit() -> None:
    rows = numbers([-(2**15), 2**15 - 1, 0], [0.1 + 0.2, -1e300, 5e-324])
    assert bulk.insert(Score, rows) == 3
    narrow = numbers([3], [0.5]).with_columns(pl.lit(7).alias("customer_id"), pl.col("bucket").cast(pl.UInt8))
    assert bulk.insert(Score, narrow) == 1
    found = bulk.read(Score.objects.order_by("customer_id").values_list(*NUMBERS), NUMBERS)
    assert found.rows() == [(-1, 7, 2, 3, 3, 0.5, T), *rows.rows()]


@pytest.mark.parametrize(("bucket", "value"), [(2**15, 0.5), (1, None)])
def test_a_number_that_has_no_place_in_its_column_is_refused(bucket: int, value: float | None) -> None:
    if bucket > 1 and connection.vendor == "sqlite":
        pytest.skip("SQLite's columns take every number")
    with pytest.raises((DataError, IntegrityError)):
        bulk.insert(Score, numbers([0, bucket], [0.5, value]))


def test_conflicting_rows_are_left_out_and_not_counted() -> None:
    bulk.insert(Customer, CUSTOMERS.head(2))
    again = CUSTOMERS.with_columns(public_id=pl.col("public_id") + "x")
    assert bulk.insert(Customer, again, ignore=["external_id"]) == 1


def test_upsert_changes_only_rows_that_differ() -> None:
    bulk.insert(Customer, CUSTOMERS)
    changed = CUSTOMERS.with_columns(email=pl.Series(["a@example.test", "b@example.test", ""]))
    assert bulk.upsert(Customer, changed, key=["external_id"], update=["email"]) == 1
    assert stored()["email"].to_list() == ["a@example.test", "", "b@example.test"]


def test_an_older_row_never_replaces_a_newer_one() -> None:
    bulk.insert(Customer, CUSTOMERS)
    ids = {row["external_id"]: row["id"] for row in stored().to_dicts()}
    consent = pl.DataFrame(
        {
            "customer_id": [ids["a"]],
            "channel": ["email"],
            "topic": ["news"],
            "is_granted": [True],
            "source": ["x"],
            "since": [T],
        },
        schema_overrides={"since": bulk.UTC_MICROSECONDS},
    )
    key = ["customer_id", "channel", "topic"]
    assert bulk.insert(Consent, consent) == 1
    older = consent.with_columns(is_granted=pl.lit(False), since=pl.lit(WHOLE))
    assert bulk.upsert(Consent, older, key=key, update=["is_granted", "since"], newer="since") == 0
    assert Consent.objects.get().is_granted


def test_update_and_delete_count_the_rows_they_found() -> None:
    bulk.insert(Customer, CUSTOMERS)
    ids = stored().select("id", bucket=pl.lit(9, dtype=pl.Int64)).head(2)
    assert bulk.update(Customer, ids, key=["id"]) == 2
    assert Customer.objects.filter(bucket=9).count() == 2
    assert bulk.delete(Customer, ids.select("id")) == 2
    assert Customer.objects.count() == 1


def test_an_empty_frame_writes_nothing() -> None:
    assert bulk.insert(Customer, CUSTOMERS.head(0)) == 0
    assert bulk.delete(Customer, CUSTOMERS.head(0).select("external_id")) == 0


def test_null_and_types_survive_the_way_out() -> None:
    bulk.insert(Customer, CUSTOMERS)
    source = Source.objects.create(key="s", name="s", kind="api")
    customer = Customer.objects.get(external_id="a")
    events = pl.DataFrame(
        {
            "customer_id": [customer.pk] * 2,
            "source_id": [source.pk] * 2,
            "message_id": ["1", "2"],
            "name": ["x", "y"],
            "occurred_at": [T, WHOLE],
            "known_at": [T, T],
            "value": [1.5, None],
            "properties": ["{}", "{}"],
        },
        schema_overrides={"occurred_at": bulk.UTC_MICROSECONDS, "known_at": bulk.UTC_MICROSECONDS},
    )
    assert bulk.insert(Event, events, ignore=["source_id", "message_id"]) == 2
    schema: bulk.Schema = {"occurred_at": pl.Datetime, "value": pl.Float64, "name": pl.String}
    out = bulk.read(Event.objects.order_by("message_id").values_list(*schema), schema)
    assert out.rows() == [(T, 1.5, "x"), (WHOLE, None, "y")]
    nobody = bulk.read(Event.objects.filter(id__in=[]).values_list(*schema), schema)
    assert nobody.schema == out.schema
    assert nobody.is_empty()
    nothing = bulk.read(AttributeChange.objects.values_list("id"), {"id": pl.Int64})
    assert nothing.is_empty()


@pytest.mark.parametrize("count", [0, 1, 7, 3_000])
def test_texts_come_back_whether_many_are_alike_or_none(count: int) -> None:
    """Short and long, empty and absent, of several alphabets, with the marks that a text form would escape."""
    some = ["plan", "", "plan", None, "Grüße", "naïve 日本", 'a "b", \\N\t\r\n', "x" * 7, "x" * 8, "x" * 9, "y" * 64]
    number = pl.int_range(count, dtype=pl.Int64)
    wanted = pl.select(
        external_id=pl.format("no {}", number),
        email=pl.lit(pl.Series(some)).gather(number % len(some)),
        phone=pl.when(number % 3 > 0).then(pl.format("{}", number * 31)),
        bucket=number % 5,
    )
    rest = {"public_id": pl.col("external_id"), "seed": number, "attributes": pl.lit("{}"), "known_since": pl.lit(T)}
    bulk.insert(Customer, wanted.with_columns(**rest).with_columns(pl.col("known_since").cast(bulk.UTC_MICROSECONDS)))
    schema: bulk.Schema = {"external_id": pl.String, "email": pl.String, "phone": pl.String, "bucket": pl.Int64}
    rows = Customer.objects.order_by("seed").values_list(*schema)
    assert bulk.read(rows, schema).equals(wanted)
    coded = bulk.read(rows, {**schema, "email": pl.Categorical})
    assert coded["email"].to_list() == wanted["email"].to_list()


def test_dates_and_numbers_of_every_kind_come_back() -> None:
    old, late = datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2999, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    people = CUSTOMERS.with_columns(known_since=pl.Series([old, late, WHOLE], dtype=bulk.UTC_MICROSECONDS))
    bulk.insert(Customer, people)
    rows = Customer.objects.order_by("bucket").annotate(
        day=TruncDate("known_since", tzinfo=UTC),
        is_first=Case(When(bucket=0, then=True), When(bucket=1, then=False)),
        half=Case(When(bucket__lt=2, then=F("bucket") / Value(2.0))),
    )
    schema: bulk.Schema = {
        "known_since": pl.Datetime,
        "day": pl.Date,
        "is_first": pl.Boolean,
        "half": pl.Float64,
        "seed": pl.Int64,
    }
    assert bulk.read(rows.values_list(*schema), schema).rows() == [
        (old, old.date(), True, 0.0, -(2**63)),
        (late, late.date(), False, 0.5, 2**63 - 1),
        (WHOLE, WHOLE.date(), None, None, 0),
    ]


def test_columns_are_read_in_one_piece_as_rows_are_read_one_by_one() -> None:
    odd = ["Ölçü", 'a,b\n"c"', "", None, "\\x00 \U0001f600"]
    Customer.objects.bulk_create(
        Customer(
            external_id=f"c{n}",
            seed=n - 2**60,
            bucket=n,
            first_name=name,
            known_since=T - timedelta(days=40_000 * n, microseconds=n),
            attributes={"said": [name, n]} if n else {},
            birth_date=date(1901 + 40 * n, 2, 28) if n % 2 else None,
        )
        for n, name in enumerate(odd)
    )
    columns = ("pk", "seed", "bucket", "first_name", "known_since", "attributes", "birth_date", "told_by_id")
    is_first = ExpressionWrapper(Q(bucket=0), BooleanField())
    people = Customer.objects.order_by("pk").values_list(*columns, is_first, Value(0.1) + F("bucket"))
    schema: bulk.Schema = {
        "pk": pl.Int64,
        "seed": pl.Int64,
        "bucket": pl.Int64,
        "first_name": pl.String,
        "known_since": bulk.UTC_MICROSECONDS,
        "attributes": pl.String,
        "birth_date": pl.Date,
        "told_by_id": pl.Int64,
        "is_first": pl.Boolean,
        "part": pl.Float64,
    }
    found = bulk.read_columns(people, schema, absent=("first_name", "birth_date", "told_by_id"))
    assert found.equals(bulk.read(people, schema))
    assert found["first_name"].to_list() == odd
    nobody = bulk.read_columns(people.filter(bucket__gt=9), schema)
    assert (nobody.height, dict(nobody.schema)) == (0, schema)
    assert dict(bulk.read_columns(people.filter(pk__in=[]), schema).schema) == schema
    if connection.vendor == "postgresql":
        with pytest.raises(ValueError, match="first_name: 4 values came for 5 rows"):
            bulk.read_columns(people, schema, absent=("birth_date", "told_by_id"))


def test_a_read_that_fails_midway_says_why_and_the_next_one_works() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite gives no value for a division by zero")
    bulk.insert(Customer, CUSTOMERS)
    share = RawSQL("1 / seed", [])
    broken = Customer.objects.annotate(share=share).order_by("-bucket").values_list("share")
    with pytest.raises(DivisionByZero, match="division by zero"), transaction.atomic():
        bulk.read(broken, {"share": pl.Int64})
    assert len(stored()) == 3


def test_a_conflict_is_told_as_every_other_of_the_database() -> None:
    frame = pl.DataFrame({"name": ["seen twice"], "is_counted": [False]})
    bulk.insert(EventName, frame)
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert(EventName, frame)
    assert EventName.objects.count() == 1
