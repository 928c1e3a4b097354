"""Properties of events: read from JSON text by their type, and found by reading some events."""

import json

import polars as pl
import pytest

from customers import history
from customers.models import Attribute
from customers.properties import told
from customers.property_types import PropertyTypes
from tests.customers.histories import START, add_customers, add_events

TYPES = {
    "total": Attribute.Type.NUMBER,
    "coupon": Attribute.Type.TEXT,
    "gift": Attribute.Type.YES_NO,
    "ship_on": Attribute.Type.DATE,
    "tags": Attribute.Type.LIST,
    "to.city": Attribute.Type.TEXT,
    "größe": Attribute.Type.TEXT,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"total": 12.5, "coupon": "SPRING", "gift": true}', {"total": 12.5, "coupon": "SPRING", "gift": True}),
        ('{"total":-1.5e2,"coupon":null,"tags":[]}', {"total": -150.0, "tags": []}),
        ('{"total": "5", "coupon": 7, "gift": "true", "tags": [{"a": 1}]}', {}),
        ('{"coupon": "say \\"hi\\" \\u00e9", "tags": ["a", "b"]}', {"coupon": 'say "hi" é', "tags": ["a", "b"]}),
        ('{"to": {"city": "Bonn", "total": 9}, "total": 3}', {"to.city": "Bonn", "total": 3.0}),
        ('{"to": {"total": 9}}', {}),
        ('{"note": "{\\"total\\": 4}", "coupon": "X"}', {"coupon": "X"}),
        ('{"gr\\u00f6\\u00dfe": "XL"}', {"größe": "XL"}),
        ("{}", {}),
    ],
)
def test_a_property_is_read_by_its_type_and_what_does_not_fit_is_no_value(text: str, expected: object) -> None:
    found = told(pl.Series([text]), TYPES).row(0, named=True)
    assert {name: value for name, value in found.items() if value is not None} == expected


def test_a_day_and_a_time_are_dates() -> None:
    found = told(pl.Series(['{"ship_on": "2026-01-02"}', '{"ship_on": "2026-01-02T03:00:00+01:00"}']), TYPES)
    assert [at.isoformat() for at in found["ship_on"]] == ["2026-01-02T00:00:00+00:00", "2026-01-02T02:00:00+00:00"]


@pytest.mark.door
@pytest.mark.django_db
def test_the_types_of_properties_are_those_that_most_events_tell() -> None:
    (anna,) = add_customers("anna")
    properties = [
        {"total": 5, "coupon": "A", "at": "2026-01-01", "to": {"city": "Bonn"}, "lines": [{"sku": 1}]},
        {"total": 7.5, "coupon": "2026-01-01", "gift": False, "tags": ["a"]},
        {"total": "many", "nothing": None},
    ]
    rows = [(anna, "Order Completed", START, json.dumps(one)) for one in properties]
    add_events(pl.DataFrame(rows, ["customer_id", "name", "occurred_at", "properties"], orient="row"))
    history.sync()
    known = PropertyTypes()
    assert dict(known["Order Completed"]) == {
        "total": "number",
        "coupon": "text",
        "at": "date",
        "to.city": "text",
        "gift": "yes_no",
        "tags": "list",
    }
    assert known.get("Page Viewed") is None
    assert list(known) == ["Order Completed"]
