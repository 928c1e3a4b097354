"""A rule for the customers whose value of a field is missing or odd, to begin a segment with."""

from datetime import UTC
from typing import Any

from customers.cleaning import EARLIEST
from customers.models import FieldQuality
from customers.quality_days import ADDRESSES, EVENTS

WORDS = {
    "empty": "Customers without a value",
    "outside": "Customers far outside of the rest",
    "future": "Customers whose date lies in the future",
    "ancient": "Customers whose date lies before 1900",
}


def offered(row: FieldQuality) -> list[str]:
    """Give which customers of a field a segment can hold."""
    if row.field in ADDRESSES or row.field.startswith(EVENTS):
        return []
    figures = row.figures
    many = {
        "empty": figures["rows"] - figures["filled"],
        "outside": figures["below"] + figures["above"],
        "future": figures["future"],
        "ancient": figures["ancient"],
    }
    return [where for where in WORDS if many[where]]


def rule_of(row: FieldQuality, where: str) -> dict[str, Any]:
    """Give the rule of the customers."""
    day = row.as_of.astimezone(UTC).date()
    rules: dict[str, list[dict[str, Any]]] = {
        "empty": [_asks(row, "no_value")],
        "outside": [_asks(row, "<", row.figures["low"]), _asks(row, ">", row.figures["high"])],
        "future": [_asks(row, "after", day.isoformat())],
        "ancient": [_asks(row, "before", EARLIEST.date().isoformat())],
    }
    conditions = rules[where]
    return {"version": 1, "rule": {"any": conditions} if len(conditions) > 1 else {"all": conditions}}


def _asks(row: FieldQuality, op: str, value: object = None) -> dict[str, Any]:
    condition: dict[str, Any] = {"field": row.field, "op": op}
    return condition if value is None else {**condition, "value": value}
