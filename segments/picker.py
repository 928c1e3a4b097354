"""Everything a rule may name, as the builder and the REST door show it."""

from collections.abc import Iterable, Mapping
from typing import Any

from segments.fields import catalogue
from segments.known import Count, EventFacts, FieldFacts, Known, known
from segments.models import Segment
from segments.rules.nodes import Field, Type
from segments.rules.operators import OPERATORS

NOTHING = FieldFacts(0.0)
UNSEEN = EventFacts(0, {})


def listed() -> dict[str, Any]:
    """Give fields with their operators, known values and share filled, events with their properties, and segments."""
    asked = catalogue()
    found = known(asked.fields.values())
    return {
        "as_of": found.as_of,
        "customers": found.customers,
        "results": [_field(field, found) for field in asked.fields.values()],
        "events": [_event(name, found.events) for name in sorted(asked.events)],
        "bought": {name: _values(values) for name, values in sorted(found.bought.items())},
        "segments": list(Segment.objects.order_by("name").values("key", "name", "size")),
    }


def operators(type: Type) -> list[dict[str, str]]:
    """Give the operators of a type: name, label, and the form of the value that it takes."""
    rows = [row for row in OPERATORS.values() if row.type == type]
    return [{"name": row.name, "label": row.label or label(row.words), "form": row.argument.form} for row in rows]


def label(words: str) -> str:
    """Give an operator's words for a list to pick from: `is in the top … %`."""
    return words.replace("{}", "…").removesuffix("…").strip()


def _field(field: Field, found: Known) -> dict[str, Any]:
    facts = found.fields.get(field.name, NOTHING)
    return {
        "name": field.name,
        "label": field.label,
        "group": field.group,
        "type": str(field.type),
        "unit": field.unit,
        "share": round(facts.share, 4),
        "values": _values(facts.values),
        "operators": operators(field.type),
    }


def _event(name: str, events: Mapping[str, EventFacts]) -> dict[str, Any]:
    facts = events.get(name, UNSEEN)
    properties = [
        {"name": key, "type": str(type), "values": _values(facts.values.get(key, ()))}
        for key, type in facts.properties.items()
    ]
    return {"name": name, "label": name, "count": facts.count, "properties": properties}


def _values(counts: Iterable[Count]) -> list[dict[str, Any]]:
    return [{"value": one.value, "count": one.count} for one in counts]
