"""The frame of all customers as of a time, and its files."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from customers import consent, history, snapshot
from customers.history import LakeError, Scope
from customers.models import Attribute, Customer
from tests.customers.histories import add_customers, add_event, add_line, tell

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DAY = timedelta(days=1)


def take(as_of: datetime = T, scope: Scope | None = None) -> pl.DataFrame:
    history.sync()
    return snapshot.take(scope or Scope(), as_of)


def test_every_customer_has_a_row_also_without_events() -> None:
    anna, ben = add_customers("anna", "ben")
    order = add_event(anna, "Order Completed", T - DAY, value=20.0)
    add_line(order, "tea", 2, 9, 2)
    frame = take()
    assert frame["customer_id"].to_list() == [anna, ben]
    assert frame["external_id"].to_list() == ["anna", "ben"]
    assert frame["features.orders"].to_list() == [1, 0]
    assert frame["features.spend_7d"].to_list() == [20.0, 0.0]
    assert frame["features.recency_days"].to_list() == [1.0, None]
    assert frame["features.discount_share"].to_list() == [0.1, None]


def test_who_was_not_known_by_then_is_not_in_it() -> None:
    early, late, active = add_customers("early", "late", "active", known_since=T)
    Customer.objects.filter(pk=late).update(known_since=T + DAY)
    Customer.objects.filter(pk=active).update(known_since=T + DAY)
    add_event(active, "Page Viewed", T - DAY)
    assert take()["customer_id"].to_list() == [early, active]
    assert take(T + DAY)["customer_id"].to_list() == [early, late, active]
    assert take(T - DAY)["customer_id"].to_list() == [active]


def test_attributes_are_read_as_of_the_time() -> None:
    (anna,) = add_customers("anna")
    Attribute.objects.create(name="plan", type="text")
    tell(anna, "plan", '"gold"', T)
    tell(anna, "plan", '"silver"', T)  # at the same time, later told
    tell(anna, "plan", "null", T + 2 * DAY)
    tell(anna, "country", '"DE"', T)
    tell(anna, "country", '"AT"', T + DAY)
    tell(anna, "birth_date", '"1980-02-29"', T)
    before, then, after, cleared = (take(T + n * DAY).to_dicts() for n in (-1, 0, 1, 2))
    assert (before[0]["attributes.plan"], before[0]["country"]) == (None, None)
    assert (then[0]["attributes.plan"], then[0]["country"], then[0]["birth_date"]) == (
        "silver",
        "DE",
        date(1980, 2, 29),
    )
    assert (after[0]["attributes.plan"], after[0]["country"]) == ("silver", "AT")
    assert cleared[0]["attributes.plan"] is None


@pytest.mark.parametrize(
    ("kind", "dtype", "told"),
    [
        ("text", pl.String, {'"a \\"b\\" é"': 'a "b" é', "5": None, '["x"]': None}),
        ("number", pl.Float64, {"5": 5.0, "-1.5e2": -150.0, "1e999": None, '"5"': None, "true": None}),
        ("yes_no", pl.Boolean, {"true": True, "false": False, '"true"': None, "1": None}),
        ("list", pl.List(pl.String), {'["a", "b"]': ["a", "b"], "[]": [], '"a"': None}),
        (
            "date",
            pl.Datetime("us", "UTC"),
            {
                '"2026-01-02"': datetime(2026, 1, 2, tzinfo=UTC),
                '"2026-01-02T03:04:05.678901Z"': T,
                '"2026-01-02T05:04:05.678901+02:00"': T,
                '"2026-01-02T03:04:05"': T.replace(microsecond=0),
                '"soon"': None,
                "2026": None,
            },
        ),
    ],
)
def test_values_get_the_type_of_the_attribute_and_misfits_none(
    kind: str, dtype: pl.DataType, told: dict[str, object]
) -> None:
    Attribute.objects.create(name="x", type=kind)
    ids = add_customers(*(f"c{i}" for i in range(len(told))))
    for customer, text in zip(ids, told, strict=True):
        tell(customer, "x", text, T)
    column = take()["attributes.x"]
    assert column.dtype == dtype
    assert column.to_list() == list(told.values())


def test_columns_are_the_same_whether_or_not_anybody_has_a_value() -> None:
    Attribute.objects.create(name="plan", type="text")
    Attribute.objects.create(name="tags", type="list")
    anna, ben = add_customers("anna", "ben")
    tell(anna, "plan", '"gold"', T)
    consent.grant(anna, "email", "news", "form", T)
    with_value, without = take(scope=Scope(bucket=0)), take(scope=Scope(bucket=1))
    nobody = take(scope=Scope(bucket=3))
    assert with_value.schema == without.schema == nobody.schema
    assert (len(with_value), len(without), len(nobody)) == (1, 1, 0)
    assert take(scope=Scope(ids=(ben,)))["customer_id"].to_list() == [ben]


def test_reach_needs_a_grant_and_an_open_address() -> None:
    names = ("granted", "withdrawn", "never", "closed", "elsewhere")
    ids = dict(zip(names, add_customers(*names), strict=True))
    (homeless,) = add_customers("homeless")
    for name, pk in ids.items():
        Customer.objects.filter(pk=pk).update(email=f"{name}@example.test", phone="+4930123456")
    for pk in (ids["granted"], ids["withdrawn"], ids["closed"], homeless):
        consent.grant(pk, "email", "news", "form", T)
    consent.grant(ids["elsewhere"], "phone", "offers", "form", T)
    consent.withdraw(ids["withdrawn"], "email", "news", "link", T + DAY)
    consent.suppress("email", "Closed@example.test", "bounced", T)
    rows = {row["external_id"]: row for row in take().to_dicts()}
    assert [name for name, row in rows.items() if row["reachable.email"]] == ["granted"]
    assert [name for name, row in rows.items() if row["reachable.phone"]] == ["elsewhere"]
    said = {name: row["consent.email.news"] for name, row in rows.items()}
    assert (said["granted"], said["withdrawn"], said["never"]) == (True, False, None)
    assert rows["elsewhere"]["consent.phone.offers"]


def test_personal_data_never_gets_into_a_snapshot() -> None:
    add_customers("c-1", email="anna@example.test", phone="+4930123456", first_name="Anna", last_name="Alt")
    frame = take()
    assert not snapshot.PERSONAL.intersection(frame.columns)
    assert not {"anna@example.test", "+4930123456", "Anna", "Alt"}.intersection(map(str, frame.row(0)))
    with pytest.raises(LakeError, match="never holds email"):
        snapshot.store(frame.with_columns(email=pl.lit("x")), T, 0)


def test_a_stored_snapshot_comes_back_the_same(lake: Path) -> None:
    Attribute.objects.create(name="tags", type="list")
    anna, *_ = add_customers("anna", "ben", "cleo", "dora", "emil")
    add_event(anna, "Order Completed", T, value=3.0)
    tell(anna, "tags", '["a"]', T)
    whole = take()
    for bucket in range(4):
        snapshot.store(take(scope=Scope(bucket=bucket)), T, bucket)
    assert snapshot.load(T).equals(whole)
    assert snapshot.load(T, 1).equals(whole.filter(pl.col("bucket") == 1))
    assert not list((lake / "snapshots").rglob(".*"))
    history.rebuild()
    assert snapshot.load(T).equals(whole)


def test_the_latest_snapshot_is_the_newest_whole_one() -> None:
    add_customers("anna")
    assert snapshot.latest() is None
    frame = take()
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), T, bucket)
    snapshot.store(frame, T + DAY, 0)
    assert snapshot.latest() == T
    with pytest.raises(LakeError, match="no snapshot as of"):
        snapshot.load(T + 9 * DAY)


def test_many_ids_are_taken_as_few_are() -> None:
    ids = add_customers(*(f"c{i}" for i in range(1_100)))
    assert take(scope=Scope(ids=tuple(ids[:1_050])))["customer_id"].to_list() == ids[:1_050]
