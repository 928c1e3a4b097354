"""Rules read the past from the lake and the database: properties, order lines, and who entered and left segments."""

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import history
from customers.history import Scope
from customers.models import Event, EventName, OrderLine, Product
from segments import membership, past, rulebook
from segments.models import Membership, Segment
from segments.rules import Fields, Type, event_rows, mask, parse
from tests.customers.histories import TIME, add_customers, add_events
from tests.segments.world import AS_OF

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
ORDER: dict[str, Any] = {"event": "Order Completed", "count": {">=": 1}}
FIELDS = Fields({}, frozenset({"Order Completed"}), {"vip": frozenset()}, {"Order Completed": {"coupon": Type.TEXT}})


def everybody(ids: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": ids, "bucket": [n % 4 for n in range(len(ids))]})


def matching(node: Any, ids: list[int], scope: Scope | None = None) -> list[int]:
    """Give which customers, by their place, a rule holds for."""
    rule = parse({"version": 1, "rule": node}, FIELDS)
    context = past.known(rulebook.read().context(AS_OF), [rule], scope or Scope())
    return mask(rule, everybody(ids), context).arg_true().to_list()


def orders(*rows: tuple[int, datetime, dict[str, Any]]) -> list[int]:
    """Store an order for each row, and give their ids."""
    told = [(who, "Order Completed", at, json.dumps(properties)) for who, at, properties in rows]
    schema: dict[str, Any] = {"customer_id": pl.Int64, "name": pl.String, "occurred_at": TIME, "properties": pl.String}
    add_events(pl.DataFrame(told, schema=schema, orient="row"))
    EventName.objects.get_or_create(name="Order Completed")
    return list(Event.objects.order_by("pk").values_list("pk", flat=True))


def test_properties_come_from_the_lake() -> None:
    ids = add_customers("anna", "ben", "cleo")
    orders((ids[0], AS_OF - DAY, {"coupon": "SPRING"}), (ids[1], AS_OF - DAY, {"coupon": "X"}), (ids[2], AS_OF, {}))
    history.sync()
    node = {**ORDER, "where": [{"field": "properties.coupon", "op": "is", "value": "spring"}]}
    assert matching(node, ids) == [0]
    assert matching({**ORDER, "where": [{"field": "properties.coupon", "op": "no_value"}]}, ids) == [2]


def test_products_and_categories_come_from_the_order_lines() -> None:
    ids = add_customers("anna", "ben", "cleo")
    first, second, _ = orders(*((who, AS_OF - DAY, {}) for who in ids))
    tea = Product.objects.create(external_id="p-1", name="Green tea", category="Tea")
    blank = Product.objects.create(external_id="p-2", name="Something", category="")
    OrderLine.objects.create(event_id=first, product=tea, quantity=2, price=3.5)
    OrderLine.objects.create(event_id=second, product=blank, quantity=1, price=9)
    history.sync()
    category = {"field": "category", "op": "is", "value": "tea"}
    assert matching({**ORDER, "where": [category]}, ids) == [0]
    assert matching({**ORDER, "where": [{**category, "op": "is_not"}]}, ids) == []
    assert matching({**ORDER, "where": [{"field": "product", "op": "is", "value": "p-2"}]}, ids) == [1]
    total = {"event": "Order Completed", "sum": "amount", "compare": {"=": 7}}
    assert matching(total, ids) == [0]


def test_a_few_customers_are_read_by_their_ids() -> None:
    ids = add_customers("anna", "ben")
    orders(*((who, AS_OF - DAY, {"coupon": "SPRING"}) for who in ids))
    history.sync()
    node = {**ORDER, "where": [{"field": "properties.coupon", "op": "is", "value": "spring"}]}
    assert matching(node, ids, Scope(ids=(ids[1],))) == [1]


def test_who_entered_and_left_is_known_from_the_next_refresh_on() -> None:
    vip = Segment.objects.create(
        key="vip",
        name="VIP",
        rule={"version": 1, "rule": {**ORDER, "within": {"last": 2, "unit": "days"}}},
        created_at=AS_OF,
    )
    new = {"segment": "vip", "entered": {"last": 7, "unit": "days"}}
    Segment.objects.create(key="new", name="New", rule={"version": 1, "rule": new}, created_at=AS_OF)
    ids = add_customers("anna", "ben")
    orders((ids[0], AS_OF - DAY, {}))
    history.sync()
    frame = everybody(ids)
    membership.refresh(frame, AS_OF - timedelta(hours=1))
    assert Membership.objects.filter(segment=vip).count() == 1
    assert matching(new, ids) == [0]
    assert matching({"segment": "vip", "in_for": {"n": 1, "unit": "hours"}}, ids) == [0]
    assert matching({"segment": "vip", "in_for": {"n": 2, "unit": "hours"}}, ids) == []
    assert matching({"segment": "vip", "left": {"last": 7, "unit": "days"}}, ids) == []
    membership.refresh(frame, AS_OF)
    assert Membership.objects.filter(segment__key="new").count() == 1
    membership.refresh(frame, AS_OF + 3 * DAY)
    assert matching({"segment": "vip", "left": {"last": 7, "unit": "days"}}, ids) == [], "that is later"
    assert matching({"segment": "vip", "in_for": {"n": 1, "unit": "hours"}}, ids, Scope(ids=(ids[0],))) == [0]


def remembering(ids: list[int], node: Any) -> list[int]:
    """Give whom a rule holds for, as a preview of everybody finds them."""
    rule = parse({"version": 1, "rule": node}, FIELDS)
    context = past.remembered(past.known(rulebook.read().context(AS_OF), [rule], Scope()))
    return mask(rule, everybody(ids), context).arg_true().to_list()


def test_events_are_remembered_until_something_that_was_known_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add_customers("anna", "ben", "cleo")
    first, *_ = orders((ids[0], AS_OF - DAY, {"coupon": "SPRING"}), (ids[1], AS_OF - DAY, {}))
    tea = Product.objects.create(external_id="p-1", category="Tea")
    OrderLine.objects.create(event_id=first, product=tea, quantity=2, price=3.5)
    history.sync()
    spring = {**ORDER, "where": [{"field": "properties.coupon", "op": "is", "value": "spring"}]}
    amount = {"event": "Order Completed", "sum": "amount", "compare": {">": 5}}
    assert (remembering(ids, ORDER), remembering(ids, spring), remembering(ids, amount)) == ([0, 1], [0], [0])
    memory = past.MEMORIES.memory
    add_events(
        pl.DataFrame({"customer_id": [ids[2]], "name": ["Order Completed"], "occurred_at": [AS_OF + DAY]}), run="b"
    )
    history.sync()
    with monkeypatch.context() as patched:
        patched.setattr(event_rows, "_scan", lambda *args: pytest.fail("the events are read again"))
        assert (remembering(ids, ORDER), remembering(ids, spring), remembering(ids, amount)) == ([0, 1], [0], [0])
    assert past.MEMORIES.memory is memory
    add_events(
        pl.DataFrame({"customer_id": [ids[2]], "name": ["Order Completed"], "occurred_at": [AS_OF - DAY]}), run="c"
    )
    history.sync()
    assert remembering(ids, ORDER) == [0, 1, 2]
    assert past.MEMORIES.memory is not memory


def test_a_memory_holds_no_more_than_it_may() -> None:
    ids = add_customers("anna")
    orders((ids[0], AS_OF - DAY, {}))
    history.sync()
    assert remembering(ids, ORDER) == [0]
    memory = past.MEMORIES.memory
    memory.columns["events", "Page Viewed"] = {"value": pl.Series([1.0])}
    memory.forget(10)
    assert list(memory.columns) == [("events", "Page Viewed")]
