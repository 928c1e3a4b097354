"""Events and customers over REST: each item judged on its own, nothing stored twice, an answer means stored."""

import json
import random
from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from customers import batch_items, ingest, intake, keys, known_events
from customers.models import (
    AttributeChange,
    Consent,
    Customer,
    Event,
    OrderLine,
    Product,
    Quarantine,
    Source,
)
from tests.campaigns.people import T0

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORDER = {
    "customer": "ann",
    "message_id": "m1",
    "name": "Order Completed",
    "occurred_at": "2026-05-31T10:00:00+02:00",
    "order_id": "o1",
    "lines": [
        {"product": "p1", "quantity": 2, "price": 10.5, "name": "Mug", "category": "Kitchen"},
        {"product": "p2", "price": 4},
    ],
}

STORE_FOR_NOBODY = """
WITH told AS (SELECT %s, %s, %s, %s)
INSERT INTO customers_merge (customer_id, gone_id, gone_external_id, at)
SELECT -1, 0, 'gone', now() FROM told RETURNING gone_external_id, gone_external_id"""


def view(n: int, **changes: Any) -> dict[str, Any]:
    return {"customer": "ann", "message_id": f"v{n}", "name": "Page Viewed", **changes}


def post(client: Client, what: str, body: object, *scopes: str) -> Any:
    token = keys.create("shop", list(scopes or ("events:write",)), T0)[1]
    data = body if isinstance(body, str) else json.dumps(body)
    bearer = {"Authorization": f"Bearer {token}"}
    return client.post(f"/api/v1/{what}/", data, "application/json", headers=bearer)


@pytest.mark.door
@pytest.mark.django_db
def test_an_order_is_stored_with_its_lines_its_sum_and_its_products(client: Client) -> None:
    answer = post(client, "events", {"events": [ORDER]})
    assert (answer.status_code, answer.json()) == (
        200,
        {"received": 1, "stored": 1, "repeated": 0, "refused": 0, "errors": []},
    )
    event = Event.objects.get()
    assert (event.customer.external_id, event.name, event.value) == ("ann", "Order Completed", 25.0)
    assert event.occurred_at == datetime(2026, 5, 31, 8, tzinfo=UTC)
    assert sorted(OrderLine.objects.values_list("product__external_id", "quantity", "price")) == [
        ("p1", 2.0, 10.5),
        ("p2", 1.0, 4.0),
    ]
    assert Product.objects.get(external_id="p1").category == "Kitchen"


@pytest.mark.door
@pytest.mark.django_db
def test_the_same_message_again_is_told_and_not_stored_twice(client: Client) -> None:
    post(client, "events", {"events": [view(1), view(2)]})
    told = post(client, "events", {"events": [view(2), view(3), view(3)]}).json()
    assert (told["stored"], told["repeated"]) == (1, 2)
    assert Event.objects.count() == 3


@pytest.mark.door
@pytest.mark.django_db
def test_another_source_may_use_the_same_message_ids(client: Client) -> None:
    post(client, "events", {"events": [view(1)]})
    assert post(client, "events", {"events": [view(1)], "source": "till"}).json()["stored"] == 1
    assert set(Source.objects.values_list("key", "kind")) == {("api", "api"), ("till", "api")}


@pytest.mark.door
@pytest.mark.django_db
def test_one_poisoned_item_costs_nobody_else_and_is_kept_with_its_reason(client: Client) -> None:
    items: list[Any] = [view(n) for n in range(100)]
    items[37] = view(37, properties={"note": "half \ud800"})
    items[38] = "no object"
    items[39] = view(39, properties={"deep": json.loads("[" * 40 + "]" * 40)})
    items[40] = view(40, occurred_at="2026-05-01T10:00:00")
    items[41] = view(41, nickname="Ann")
    items[42] = view(42, value=10**400)
    items[43] = view(43, properties={"long": "x" * 40_000})
    del items[44]["message_id"]
    told = post(client, "events", {"events": items}).json()
    assert (told["stored"], told["refused"]) == (92, 8)
    assert [(one["index"], one["path"], one["message"]) for one in told["errors"]] == [
        (37, "properties", "holds a NUL or half of a surrogate pair."),
        (38, "", 'is no object: "no object".'),
        (39, "", "is nested more than 16 deep."),
        (40, "occurred_at", 'has no offset from UTC: "2026-05-01T10:00:00".'),
        (41, "nickname", 'is no field: "Ann".'),
        (42, "value", "is no finite number."),
        (43, "", "is larger than 32,768 bytes."),
        (44, "message_id", "has no value."),
    ]
    assert Event.objects.count() == 92
    assert Quarantine.objects.count() == 8
    assert Quarantine.objects.get(column="nickname").record["message_id"] == "v41"


@pytest.mark.door
@pytest.mark.django_db
def test_customers_come_with_facts_and_consents_and_the_same_again_tells_nothing_new(client: Client) -> None:
    ann = {
        "external_id": "ann",
        "email": " Ann@Example.TEST",
        "phone": "030 901820",
        "country": "DE",
        "attributes": {"plan": "gold", "visits": 7},
        "consents": [{"channel": "email", "topic": "sale", "granted": True, "source": "the shop's form"}],
    }
    body = {"customers": [ann, {"external_id": "ben", "email": "nonsense"}]}
    told = post(client, "customers", body, "events:write", "consents:write").json()
    assert told["errors"] == [{"index": 1, "path": "email", "message": "is not an e-mail address: nonsense."}]
    one = Customer.objects.get()
    assert (one.email, one.phone, one.country, one.attributes) == (
        "Ann@example.test",
        "+4930901820",
        "DE",
        {"plan": "gold", "visits": 7},
    )
    assert Consent.objects.get().is_granted
    again = post(client, "customers", {"customers": [ann]}, "events:write", "consents:write").json()
    assert (again["stored"], again["repeated"]) == (0, 1)
    assert AttributeChange.objects.filter(name="plan").count() == 1
    post(client, "customers", {"customers": [{"external_id": "ann", "attributes": {"plan": None}}]})
    assert Customer.objects.get().attributes == {"visits": 7}


@pytest.mark.door
@pytest.mark.django_db
def test_consents_in_a_batch_need_the_scope_for_consents(client: Client) -> None:
    one = {"channel": "email", "topic": "sale", "granted": True, "source": "a form"}
    answer = post(client, "customers", {"customers": [{"external_id": "ann", "consents": [one]}]})
    assert (answer.status_code, Customer.objects.count()) == (403, 0)
    assert "consents:write" in answer.json()["detail"]


@pytest.mark.door
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"events": []}, 400, "events"),
        ({"events": [view(1)] * 1001}, 400, "events"),
        ({"events": [view(1)], "who": 1}, 400, "who"),
        ({"events": [view(1)], "source": "campaigns"}, 400, "source"),
        ('{"events": [{"value": NaN}]}', 400, None),
        ([], 400, None),
        ('{"events": ["' + "x" * 4_200_000 + '"]}', 413, None),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(client: Client, body: object, status: int, path: str | None) -> None:
    Source.objects.create(key="campaigns", name="Campaigns", kind=Source.Kind.CAMPAIGNS)
    answer = post(client, "events", body)
    assert answer.status_code == status
    assert path is None or answer.json()["errors"][0]["path"].startswith(path)
    assert not Event.objects.exists()


@pytest.mark.door
@pytest.mark.django_db
def test_a_key_without_the_scope_sends_nothing(client: Client) -> None:
    assert post(client, "events", {"events": [view(1)]}, "customers:read").status_code == 403


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note which batches are stored together."""
    stored: list[list[str]] = []
    real = intake._store

    def noted(group: list[Any]) -> None:
        stored.append([ticket.items[0]["message_id"] for ticket in group])
        real(group)

    monkeypatch.setattr(intake, "_store", noted)
    return stored


@pytest.mark.door
@pytest.mark.django_db
def test_batches_that_wait_are_stored_together_and_each_learns_of_its_own(counter: list[list[str]]) -> None:
    waiting = [
        intake._Ticket("events", "api", [view(1), view(2)], NOW),
        intake._Ticket("events", "api", [view(2), view(3, value="x")], NOW),
        intake._Ticket("events", "till", [view(1)], NOW),
    ]
    intake._counter.waiting.extend(waiting)
    try:
        own = intake.put("events", [view(4)], "api", NOW)
    finally:
        intake._counter.waiting.clear()
    assert counter == [["v4", "v1", "v2"]]
    assert own == intake.Outcome(1, 1, 0, ())
    assert waiting[0].outcome == intake.Outcome(2, 2, 0, ())
    assert waiting[1].outcome == intake.Outcome(2, 0, 1, (intake.Fault(1, "value", 'is no number: "x".'),))
    assert waiting[2].outcome is None


@pytest.mark.door
@pytest.mark.django_db
def test_a_batch_that_breaks_breaks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = intake._store

    def broken(group: list[Any]) -> None:
        if any(ticket.items[0]["message_id"] == "v1" for ticket in group):
            raise OSError("the disk is full")
        real(group)

    monkeypatch.setattr(intake, "_store", broken)
    bad = intake._Ticket("events", "api", [view(1)], NOW)
    intake._counter.waiting.append(bad)
    assert intake.put("events", [view(2)], "api", NOW).stored == 1
    assert isinstance(bad.error, OSError)
    with pytest.raises(OSError, match="full"):
        intake.put("events", [view(1)], "api", NOW)


@pytest.mark.door
@pytest.mark.django_db
def test_without_a_database_the_sender_is_asked_to_come_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(group: list[Any]) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(intake, "_store", away)
    answer = post(client, "events", {"events": [view(1)]})
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "5")


@pytest.mark.parametrize("value", ["yesterday", 5, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", ["a"]])
def test_what_is_no_time_is_refused(value: object) -> None:
    read = batch_items.read_events([view(1, occurred_at=value)], NOW)
    assert [(one["line"], one["column"]) for one in read.refused] == [(1, "occurred_at")]


@pytest.mark.parametrize(
    ("line", "path"),
    [({"product": ""}, "lines[0].product"), ({"product": "p", "quantity": True}, "lines[0].quantity"), (3, "lines[0]")],
)
def test_a_line_of_an_order_is_refused_at_its_place(line: object, path: str) -> None:
    read = batch_items.read_events([ORDER | {"lines": [line]}], NOW)
    assert read.refused[0]["column"] == path


@pytest.mark.door
@pytest.mark.django_db
def test_who_stores_for_others_and_is_ended_leaves_them_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    real, ended = intake._store, list[str]()

    def ends_once(group: list[Any]) -> None:
        if not ended:
            ended.append("the first")
            raise SystemExit(1)
        real(group)

    monkeypatch.setattr(intake, "_store", ends_once)
    other = intake._Ticket("events", "api", [view(1)], NOW)
    intake._counter.waiting.append(other)
    with pytest.raises(SystemExit):
        intake.put("events", [view(2)], "api", NOW)
    assert intake._counter.waiting == deque([other])
    intake._counter.waiting.clear()
    intake._counter.serve(other)
    assert other.outcome == intake.Outcome(1, 1, 0, ())


def anything(dice: random.Random) -> dict[str, Any]:
    """Give an event as a sender might tell it, now and then one that cannot be taken."""
    item: dict[str, Any] = {
        "customer": dice.choice(["ann", "ben", "cleo", 7, "new", "x" * 201]),
        "message_id": f"m{dice.randrange(40)}" + dice.choice(["", "", "", "y" * 100]),
        "name": dice.choice(["Page Viewed", "Page Viewed", "Product Viewed", "Unheard Of", "n" * 121]),
    }
    optional: dict[str, list[Any]] = {
        "occurred_at": ["2026-05-31T10:00:00+02:00", "1850-01-01T00:00:00Z", "2026-06-03T00:00:00Z", None],
        "value": [1.5, 10**20, None],
        "currency": ["EUR", "EURO", None],
        "order_id": ["o1", "o" * 101],
        "properties": [
            {"product_id": "p1", "name": "Mug", "price": 2},
            {"a": {"b": [1, "\U0001f600"]}},
            {"z": "\\u0000"},
        ],
        "lines": [[{"product": "p2", "price": 3.5, "name": "Cup"}], []],
    }
    return item | {name: dice.choice(some) for name, some in optional.items() if dice.random() < 0.3}


def stored(source: str) -> list[str]:
    columns = ("customer__external_id", "message_id", "name", "occurred_at", "known_at", "value", "currency")
    rows = Event.objects.filter(source__key=source, stored_xact__gte=0)
    return sorted(map(repr, rows.values_list(*columns, "order_id", "properties", "of_import_id", "lines__price")))


@pytest.mark.door
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_what_is_stored_at_once_is_what_the_long_way_stores(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    long_way, dice = lambda *_: known_events.NOTHING, random.Random(seed)
    quick = known_events.store
    known = [view(0, customer=one, message_id=f"first-{one}") for one in ("ann", "ben", "cleo", "7")]
    for round_ in ([known], [[anything(dice) for _ in range(60)] for _ in range(2)]):
        told = {}
        for source, way in (("quick", quick), ("long", long_way)):
            monkeypatch.setattr(known_events, "store", way)
            told[source] = [intake.put("events", items, source, NOW) for items in round_]
        assert told["quick"] == told["long"]
        assert stored("quick") == stored("long")
    assert len(stored("quick")) > 10
    assert Product.objects.get(external_id="p1").name == "Mug"


@pytest.mark.door
@pytest.mark.django_db
def test_events_of_known_customers_need_no_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("one statement of PostgreSQL")
    intake.put("events", [view(1)], "api", NOW)
    monkeypatch.delattr(ingest, "put")
    items = [view(1), view(2), view(2), view(3, occurred_at="2026-05-31T10:00:00+02:00", value=3)]
    assert intake.put("events", items, "api", NOW) == intake.Outcome(4, 2, 2, ())
    assert Event.objects.get(message_id="v3").occurred_at == datetime(2026, 5, 31, 8, tzinfo=UTC)


@pytest.mark.door
@pytest.mark.django_db(transaction=True)
def test_an_event_whose_customer_is_merged_or_erased_meanwhile_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intake.put("events", [view(1)], "api", NOW)
    # As the database refuses it: a row for somebody who is not there any more.
    refused = STORE_FOR_NOBODY if connection.vendor == "postgresql" else known_events.STORE
    monkeypatch.setattr(known_events, "STORE", refused)
    assert intake.put("events", [view(2)], "api", NOW) == intake.Outcome(1, 1, 0, ())
    assert Event.objects.count() == 2


@pytest.mark.parametrize(
    "item", [{"a": "\ud83d\ude00"}, {"a": [[[]]]}, {"a": "x" * 40_000}, {"a": "\x00"}, {"b\ud800": 1}]
)
def test_items_are_sound_or_not_however_they_are_looked_at(
    item: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged() -> str:
        try:
            return repr(batch_items._sound(item))
        except batch_items.Unfit as fault:
            return fault.kind

    quick = judged()
    monkeypatch.setattr(batch_items, "_is_plainly_sound", lambda _: False)
    assert quick == judged()
