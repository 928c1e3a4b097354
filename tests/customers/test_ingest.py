"""The one way in: checked, resolved, stored once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import attributes, bulk, consent, ingest
from customers import events as event_door
from customers.ingest import Records, Result
from customers.models import (
    Attribute,
    AttributeChange,
    Consent,
    Customer,
    Event,
    OrderLine,
    Product,
    Quarantine,
    Source,
)
from tests.customers.people import make_customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=30)


def source() -> Source:
    return Source.objects.get_or_create(key="app", defaults={"name": "App", "kind": Source.Kind.API})[0]


def event(line: int, **columns: Any) -> dict[str, Any]:
    row = {"external_id": "ann", "message_id": f"m{line}", "name": "Page Viewed", "occurred_at": BEFORE}
    return {"line": line, **row, **columns}


def put(received: datetime = NOW, **frames: list[dict[str, Any]]) -> Result:
    schemas = {"customers": ingest.CUSTOMERS, "attributes": ingest.ATTRIBUTES, "consents": ingest.CONSENTS}
    schemas |= {"events": ingest.EVENTS, "lines": ingest.LINES, "products": ingest.PRODUCTS}
    told = {name: pl.DataFrame(rows, schema=schemas[name]) for name, rows in frames.items()}
    lines = {row["line"] for rows in frames.values() for row in rows if "line" in row}
    return ingest.put(Records(read=len(lines), **told), source(), received)  # type: ignore[arg-type]


def fact(name: str, value: str | None, line: int = 1, **columns: Any) -> dict[str, Any]:
    return {"line": line, "external_id": "ann", "name": name, "value": value, **columns}


def history(name: str) -> list[Any]:
    return list(AttributeChange.objects.filter(name=name).order_by("known_at", "pk").values_list("value", flat=True))


def test_an_event_of_somebody_new_makes_the_customer() -> None:
    result = put(events=[event(1), event(2, external_id="bob")])
    assert (result.stored, result.events, result.customers, result.quarantined) == (2, 2, 2, 0)
    ann = Customer.objects.get(external_id="ann")
    assert ann.events.get().occurred_at == BEFORE
    assert ann.known_since == NOW


def test_events_without_another_word_are_known_from_their_receipt() -> None:
    put(events=[event(1), event(2, known_at=BEFORE), event(3, known_at=BEFORE - timedelta(days=9))])
    assert list(Event.objects.order_by("message_id").values_list("known_at", flat=True)) == [NOW, BEFORE, BEFORE]


def test_the_same_messages_again_store_nothing() -> None:
    put(events=[event(1), event(2)])
    again = put(events=[event(1), event(2), event(3), event(4, message_id="m3")])
    assert (again.read, again.stored, again.repeated, again.events) == (4, 1, 3, 1)
    assert Event.objects.count() == 3


POISON = {
    "no customer": {"external_id": None},
    "no name": {"name": None},
    "no time": {"occurred_at": None},
    "NUL": {"name": "a\x00b"},
    "NUL in properties": {"properties": '{"a": "\\u0000"}'},
    "1493": {"occurred_at": datetime(1493, 5, 4, tzinfo=UTC)},
    "the future": {"occurred_at": NOW + timedelta(days=2)},
    "a long id": {"message_id": "x" * 101},
}


@pytest.mark.parametrize("columns", POISON.values(), ids=POISON)
def test_one_poisoned_event_of_a_hundred_is_quarantined_alone(columns: dict[str, Any]) -> None:
    rows = [event(line, **(columns if line == 37 else {})) for line in range(100)]
    result = put(events=rows)
    assert (result.stored, result.quarantined, Event.objects.count()) == (99, 1, 99)
    refused = Quarantine.objects.get()
    assert refused.line == 37
    assert refused.column in columns
    assert refused.reason
    assert result.reasons == {next(iter(result.reasons)): 1}


def test_a_date_in_1493_is_named_with_its_column() -> None:
    put(events=[event(5, occurred_at=datetime(1493, 5, 4, tzinfo=UTC))])
    assert str(Quarantine.objects.get()) == "line 5, occurred_at: 1493-05-04 is before 1900"
    assert Quarantine.objects.get().record["external_id"] == "ann"
    assert not Customer.objects.exists()


def test_nan_and_infinity_are_no_value() -> None:
    put(events=[event(1, value=float("nan")), event(2, value=float("inf")), event(3, value=1.5)])
    assert list(Event.objects.order_by("message_id").values_list("value", flat=True)) == [None, None, 1.5]


def test_an_order_is_stored_with_its_lines_and_products() -> None:
    order = event(1, name="Order Completed", line_count=2, value=7.0)
    lines = [
        {"message_id": "m1", "product": "p1", "quantity": 2.0, "price": 1.0},
        {"message_id": "m1", "product": "p2", "quantity": 1.0, "price": 5.0},
    ]
    products = [{"external_id": "p1", "name": "Lamp"}]
    result = put(events=[order, event(2)], lines=lines, products=products)
    assert result.events == 2
    assert set(OrderLine.objects.values_list("event__message_id", "product__external_id", "price")) == {
        ("m1", "p1", 1.0),
        ("m1", "p2", 5.0),
    }
    assert Product.objects.get(external_id="p1").name == "Lamp"
    put(events=[order], lines=lines, products=[{"external_id": "p1", "name": "Table lamp"}])
    assert OrderLine.objects.count() == 2
    assert Product.objects.get(external_id="p1").name == "Table lamp"


def test_an_order_larger_than_a_transaction_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_door, "ROWS_A_TRANSACTION", 5)
    orders = [event(i, external_id=f"c{i}") for i in range(7)]
    lines = [{"message_id": f"m{i}", "product": f"p{j}", "quantity": 1.0} for i in range(7) for j in range(i)]
    put(events=orders, lines=lines)
    assert {e.message_id: e.lines.count() for e in Event.objects.all()} == {f"m{i}": i for i in range(7)}


def test_a_run_that_died_is_completed_without_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_door, "ROWS_A_TRANSACTION", 4)
    orders = [event(i) for i in range(6)]
    lines = [{"message_id": f"m{i}", "product": "p", "quantity": 1.0} for i in range(6)]
    frames = {"events": pl.DataFrame(orders, schema=ingest.EVENTS), "lines": pl.DataFrame(lines, schema=ingest.LINES)}
    stops = iter([None])

    def die(done: int, total: int) -> None:
        next(stops)

    with pytest.raises(StopIteration):
        ingest.put(Records(read=6, **frames), source(), NOW, die)  # type: ignore[arg-type]
    assert 0 < Event.objects.count() < 6
    assert OrderLine.objects.count() == Event.objects.count()
    ingest.put(Records(read=6, **frames), source(), NOW)  # type: ignore[arg-type]
    assert Event.objects.count() == OrderLine.objects.count() == 6


def test_attributes_keep_their_history_and_their_latest_value() -> None:
    put(BEFORE, attributes=[fact("plan", '"basic"'), fact("seats", "3"), fact("country", '"NL"')])
    put(NOW, attributes=[fact("plan", '"pro"'), fact("seats", "3"), fact("country", '"BE"')])
    ann = Customer.objects.get()
    assert ann.attributes == {"plan": "pro", "seats": 3}
    assert ann.country == "BE"
    assert history("plan") == ["basic", "pro"]
    assert history("seats") == [3]
    assert history("country") == ["NL", "BE"]


def test_an_equal_fact_is_no_change_however_the_database_spells_it() -> None:
    told = [fact("rate", "1e-7"), fact("tags", '["a","b"]'), fact("word", '"a\\tb"'), fact("is_vip", "true")]
    assert put(BEFORE, attributes=told, customers=[{"line": 1, "external_id": "ann"}]).stored == 1
    assert put(NOW, attributes=told, customers=[{"line": 1, "external_id": "ann"}]).stored == 0
    assert AttributeChange.objects.count() == 4
    assert Customer.objects.get().attributes == {"rate": 1e-7, "tags": ["a", "b"], "word": "a\tb", "is_vip": True}


def test_a_fact_of_an_earlier_time_takes_its_place_in_the_history() -> None:
    put(NOW, attributes=[fact("plan", '"pro"')])
    put(NOW, attributes=[fact("plan", '"basic"', known_at=BEFORE)])
    assert history("plan") == ["basic", "pro"]
    assert Customer.objects.get().attributes == {"plan": "pro"}


def test_no_value_clears_what_was_told() -> None:
    put(BEFORE, attributes=[fact("plan", '"pro"'), fact("city", '"Ghent"'), fact("never", None)])
    put(NOW, attributes=[fact("plan", None), fact("city", None)])
    ann = Customer.objects.get()
    assert ann.attributes == {}
    assert ann.city is None
    assert history("plan") == ["pro", None]
    assert history("never") == []


def test_types_are_inferred_once_and_then_hold() -> None:
    put(BEFORE, attributes=[fact("age", "30"), fact("plan", '"x"'), fact("is_vip", "true"), fact("tags", '["a"]')])
    types = dict(Attribute.objects.values_list("name", "type"))
    assert types == {"age": "number", "plan": "text", "is_vip": "yes_no", "tags": "list"}
    result = put(NOW, customers=[{"line": 1, "external_id": "ann"}], attributes=[fact("age", '"thirty"')])
    assert (result.stored, result.quarantined) == (0, 1)
    assert result.reasons == {"age is not a number": 1}
    assert Customer.objects.get().attributes["age"] == 30


def test_core_columns_are_no_declared_attributes() -> None:
    put(attributes=[fact("birth_date", '"1990-02-03"'), fact("country", '"NL"')])
    assert not Attribute.objects.exists()
    assert Customer.objects.get().birth_date.isoformat() == "1990-02-03"  # type: ignore[union-attr]
    assert history("birth_date") == ["1990-02-03"]


def test_many_customers_are_stored_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "ROWS_A_TRANSACTION", 10)
    monkeypatch.setattr(attributes, "CUSTOMERS_A_TRANSACTION", 3)
    put(attributes=[fact(f"f{i % 3}", str(i), line=i, external_id=f"c{i // 3}") for i in range(60)])
    stored = {c.external_id: c.attributes for c in Customer.objects.all()}
    assert stored == {f"c{n}": {"f0": 3 * n, "f1": 3 * n + 1, "f2": 3 * n + 2} for n in range(20)}


def test_addresses_are_set_when_told_and_never_cleared() -> None:
    put(customers=[{"line": 1, "external_id": "ann", "email": "ann@example.test", "first_name": "Ann"}])
    result = put(customers=[{"line": 1, "external_id": "ann", "first_name": "Anna"}])
    ann = Customer.objects.get()
    assert (ann.email, ann.first_name, result.stored) == ("ann@example.test", "Anna", 1)
    assert not AttributeChange.objects.exists()


def allow(is_granted: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "line": 1,
            "external_id": "ann",
            "channel": "email",
            "topic": "news",
            "is_granted": is_granted,
            "source": "fair",
        }
    ]


def test_a_list_grants_consent_but_never_against_a_withdrawal() -> None:
    ann = make_customer("ann", email="ann@example.test")
    put(consents=allow())
    assert consent.is_allowed(ann.pk, "email", "news")
    consent.withdraw(ann.pk, "email", "news", "link", NOW + timedelta(hours=1))
    put(NOW + timedelta(days=1), consents=allow())
    assert not consent.is_allowed(ann.pk, "email", "news")
    assert Consent.objects.get().source == "link"


def test_consent_for_an_unknown_channel_is_refused() -> None:
    result = put(consents=[{**allow()[0], "channel": "pigeon"}])
    assert result.reasons == {"channel is not a channel": 1}
    assert not Customer.objects.exists()


def test_a_preview_counts_and_writes_nothing() -> None:
    put(events=[event(1)])
    frame = pl.DataFrame([event(1), event(2, external_id="bob")], schema=ingest.EVENTS)
    seen = ingest.preview(Records(read=2, events=frame), "app", NOW)
    assert (seen.stored, seen.repeated, seen.events, seen.customers) == (1, 1, 1, 1)
    assert Event.objects.count() == Customer.objects.count() == 1
    assert ingest.preview(Records(read=2, events=frame), "unheard of", NOW).stored == 2


def test_empty_records_are_fine() -> None:
    assert ingest.put(Records(read=0), source(), NOW) == Result(0, 0, 0, 0, {}, 0, 0)


def test_frames_may_lack_columns_and_types() -> None:
    frame = pl.DataFrame(
        {"line": [1], "external_id": ["ann"], "message_id": ["1"], "name": ["x"], "occurred_at": [BEFORE]}
    )
    assert ingest.put(replace(Records(read=1), events=frame), source(), NOW).stored == 1
    assert bulk.read(Event.objects.values_list("properties"), {"p": pl.String})["p"].to_list() == ["{}"]
