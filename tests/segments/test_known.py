"""What is known of fields and events: the share filled, the values with counts, the properties."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import history, snapshot
from customers.models import Attribute, Customer, Event, EventName, OrderLine, Product, Source
from segments import picker, views
from segments.rules.nodes import Type

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 5, 20, 12, tzinfo=UTC)


def stored(at: datetime = T, **columns: Sequence[object]) -> None:
    """Store a snapshot of as many customers as the columns are long; a field's dots are two underscores."""
    size = len(next(iter(columns.values())))
    frame = pl.DataFrame({name.replace("__", "."): values for name, values in columns.items()}, strict=False)
    frame = frame.with_columns(customer_id=pl.int_range(1, size + 1, dtype=pl.Int64), bucket=pl.lit(0, pl.Int64))
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("customer_id") % 4 == bucket), at, bucket)


def field(name: str) -> Any:
    return {one["name"]: one for one in picker.listed()["results"]}[name]


def values(name: str) -> list[tuple[object, object]]:
    return [(one["value"], one["count"]) for one in field(name)["values"]]


def test_values_are_listed_with_how_many_customers_have_them_whatever_the_case() -> None:
    stored(country=["DE", "AT", "de", "DE", None, "FR", "AT", "DE"])
    assert values("country") == [("DE", 4), ("AT", 2), ("FR", 1)]
    assert field("country")["share"] == 0.875


def test_entries_of_lists_and_yes_or_no_are_counted_too() -> None:
    Attribute.objects.create(name="tags", type="list")
    Attribute.objects.create(name="vip", type="yes_no")
    stored(attributes__tags=[["a", "b"], ["a"], None, []], attributes__vip=[True, False, True, None])
    assert values("attributes.tags") == [("a", 2), ("b", 1)]
    assert values("attributes.vip") == [(True, 2), (False, 1)]


def test_what_could_tell_who_somebody_is_is_no_value_to_pick() -> None:
    for name in ("work_email", "contact", "nickname", "Full Name"):
        Attribute.objects.create(name=name, type="text")
    people = [f"p{i}" for i in range(100)]
    stored(
        external_id=people,
        attributes__work_email=["x"] * 100,
        attributes__contact=["ada@example.test"] * 50 + ["0049 30 1234567"] * 40 + ["none"] * 10,
        attributes__nickname=people,
        **{"attributes__Full Name": ["Ada"] * 100},  # type: ignore[arg-type]
    )
    assert values("external_id") == []
    assert values("attributes.work_email") == values("attributes.Full Name") == values("attributes.nickname") == []
    assert values("attributes.contact") == [("none", 10)]
    assert field("attributes.work_email")["share"] == 1.0


def test_a_newer_snapshot_is_read_and_the_same_one_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(country=["DE", "AT"])
    assert values("country") == [("AT", 1), ("DE", 1)]
    load = snapshot.load
    monkeypatch.setattr(snapshot, "load", lambda *args: pytest.fail("the snapshot is read again"))
    assert values("country") == [("AT", 1), ("DE", 1)]
    monkeypatch.setattr(snapshot, "load", load)
    stored(T + timedelta(hours=1), country=["DE", "DE"])
    assert values("country") == [("DE", 2)]


def test_events_are_listed_with_their_number_and_properties() -> None:
    who = Customer.objects.create(external_id="c-1", bucket=0, seed=1, known_since=T)
    shop = Source.objects.create(key="shop", name="Shop", kind="api")
    told = [{"total": 12.5, "coupon": "X", "gift": True}, {"total": 3, "items": ["a"]}, {"total": "many"}]
    for n, properties in enumerate(told):
        EventName.objects.get_or_create(name="Cart Viewed")
        Event.objects.create(
            customer=who, source=shop, message_id=str(n), name="Cart Viewed", occurred_at=T, known_at=T,
            properties=properties,
        )  # fmt: skip
    history.sync()
    event = {one["name"]: one for one in picker.listed()["events"]}["Cart Viewed"]
    assert event["count"] == 3
    types = {one["name"]: one["type"] for one in event["properties"]}
    assert types == {"coupon": "text", "gift": "yes_no", "items": "list", "total": "number"}, "as most are"


def test_values_of_properties_and_of_what_was_bought_are_offered() -> None:
    who = Customer.objects.create(external_id="c-1", bucket=0, seed=1, known_since=T)
    shop = Source.objects.create(key="shop", name="Shop", kind="api")
    EventName.objects.get_or_create(name="Cart Viewed")
    tea = Product.objects.create(external_id="tea-1", category="Tea")
    mug = Product.objects.create(external_id="mug-1", category="Kitchen")
    for n in range(60):
        told: dict[str, Any] = {
            "coupon": "SPRING" if n % 3 else "spring",
            "gift": n % 4 == 0,
            "cart": f"cart-{n}",
            "total": n,
        }
        told |= {"tags": ["a", "b"] if n % 2 else ["a"], "email": "shop", "by": "ada@example.test", "via": "x" * 101}
        event = Event.objects.create(
            customer=who, source=shop, message_id=str(n), name="Cart Viewed", occurred_at=T, known_at=T,
            properties=told,
        )  # fmt: skip
        OrderLine.objects.create(event=event, product=tea if n % 3 else mug, quantity=1)
    history.sync()
    listed = picker.listed()
    event = {one["name"]: one for one in listed["events"]}["Cart Viewed"]
    values = {one["name"]: [(told["value"], told["count"]) for told in one["values"]] for one in event["properties"]}
    assert values == {
        "coupon": [("SPRING", 60)],
        "gift": [(False, 45), (True, 15)],
        "tags": [("a", 60), ("b", 30)],
        "by": [], "cart": [], "email": [], "total": [], "via": [],
    }  # fmt: skip
    bought = {name: [(one["value"], one["count"]) for one in told] for name, told in listed["bought"].items()}
    assert bought == {"product": [("tea-1", 40), ("mug-1", 20)], "category": [("Tea", 40), ("Kitchen", 20)]}
    offered = {one["name"]: one for one in json.loads(views.offered().content)["events"]}["Cart Viewed"]["properties"]
    shown = {one["name"]: [told["value"] for told in one["values"]] for one in offered}
    assert (shown["properties.coupon"], shown["category"], shown["value"]) == (["SPRING"], ["Tea", "Kitchen"], [])


def test_a_value_of_each_event_is_none_to_pick_however_few_events_a_file_holds() -> None:
    shop = Source.objects.create(key="shop", name="Shop", kind="api")
    EventName.objects.get_or_create(name="Offer Given")
    for n in range(40):
        who = Customer.objects.create(external_id=f"c-{n}", bucket=n % 4, seed=n, known_since=T)
        Event.objects.create(
            customer=who, source=shop, message_id=str(n), name="Offer Given", occurred_at=T, known_at=T,
            properties={"code": f"code-{n}", "offer": "ten"},
        )  # fmt: skip
    history.sync()
    event = {one["name"]: one for one in picker.listed()["events"]}["Offer Given"]
    assert {one["name"]: [told["value"] for told in one["values"]] for one in event["properties"]} == {
        "code": [],
        "offer": ["ten"],
    }


def test_every_operator_says_which_form_of_value_it_takes() -> None:
    forms = {one["name"]: one["form"] for type in Type for one in picker.operators(type)}
    assert (forms["in_last"], forms["any_of"], forms["top_percent"]) == ("duration", "texts", "percent")
    labels = {one["name"]: one["label"] for one in picker.operators(Type.NUMBER)}
    assert (labels["top_percent"], labels["has_value"]) == ("is in the top … %", "is known")


def test_operators_of_dates_are_told_apart_by_their_labels() -> None:
    labels = [one["label"] for one in picker.operators(Type.DATE)]
    assert len({*labels}) == len(labels)
    assert {"is between", "is in the next", "is in the next calendar"} <= {*labels}
