"""What a rule may ask about an event: its value, its time of day, its order lines and its properties."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from segments.rules import arguments
from segments.rules.arguments import expects, nearest, shown
from segments.rules.comparisons import Comparison, in_words
from segments.rules.nodes import Condition, Field, Fields, RuleError, Type
from segments.rules.operators import operator
from segments.rules.windows import TICK, Point, Range

EVENT, LINE, PROPERTY = "Event", "Order line", "Properties"
VALUE, HOUR, WEEKDAY = "value", "hour", "weekday"
PREFIX = "properties."
OF_EVENT = (
    Field(VALUE, "value", Type.NUMBER, EVENT),
    Field(HOUR, "hour of the day", Type.NUMBER, EVENT),
    Field(WEEKDAY, "weekday (1 is Monday)", Type.NUMBER, EVENT),
)
OF_LINES = (
    Field("product", "product", Type.TEXT, LINE),
    Field("category", "category", Type.TEXT, LINE),
    Field("quantity", "quantity", Type.NUMBER, LINE),
    Field("price", "price", Type.NUMBER, LINE),
    Field("amount", "amount", Type.NUMBER, LINE),
    Field("discount", "discount", Type.NUMBER, LINE),
)


def of_event(name: str, fields: Fields) -> dict[str, Field]:
    """Give what a rule may ask about the events of a name."""
    known = fields.properties.get(name, {}).items()
    told = (Field(f"{PREFIX}{key}", key, Type(type), PROPERTY) for key, type in known)
    return {field.name: field for field in (*OF_EVENT, *OF_LINES, *told)}


def property_named(name: object, known: Mapping[str, Field], path: str) -> Field:
    """Give the field that a measure is about: `value`, `quantity`, or a property, with its prefix or without."""
    found = known.get(name) or known.get(f"{PREFIX}{name}") if isinstance(name, str) else None
    if found is None:
        plain = [key.removeprefix(PREFIX) for key in known]
        raise RuleError(path, f"no property named {shown(name)} of this event{nearest(name, plain)}")
    return found


def comparison(value: object, field: Field, path: str) -> Comparison | Condition:
    """Give what a property is compared with: numbers with numbers, all else as the field of a condition."""
    if field.type == Type.NUMBER:
        return arguments.comparison(value, path)
    if not isinstance(value, dict) or len(value) != 1:
        raise expects(path, 'one comparison such as {"=": "SPRING"}', value)
    ((op, given),) = value.items()
    readers = READERS[field.type]
    if op not in readers:
        raise RuleError(path, f"expects one of {', '.join(readers)}, got {shown(op)}{nearest(op, readers)}")
    found: Condition = readers[op](field, given, f"{path}.{op}")
    return found


def compared_in_words(compare: Comparison | Condition) -> str:
    """Give `is 100 or more`, `is SPRING`."""
    if isinstance(compare, Comparison):
        return in_words(compare)
    row = operator(compare)
    return row.words.format(row.argument.words(compare.value))


def _is(field: Field, given: object, path: str) -> Condition:
    return Condition(field, "is", arguments.text(given, path))


def _is_not(field: Field, given: object, path: str) -> Condition:
    return Condition(field, "is_not", arguments.text(given, path))


def _truth(is_true: bool, given: object, path: str) -> str:
    if not isinstance(given, bool):
        raise expects(path, "true or false", given)
    return "is_true" if given == is_true else "is_false"


def _since(field: Field, given: object, path: str) -> Condition:
    return Condition(field, "between", Range(arguments.point(given, path), None))


def _until(field: Field, given: object, path: str) -> Condition:
    return Condition(field, "between", Range(None, _after(arguments.point(given, path))))


def _after(point: Point) -> Point:
    at: date = point.at
    return Point(at + (TICK if isinstance(at, datetime) else timedelta(days=1)))


READERS: dict[Type, dict[str, Any]] = {
    Type.TEXT: {"=": _is, "!=": _is_not},
    Type.YES_NO: {
        "=": lambda field, given, path: Condition(field, _truth(True, given, path)),
        "!=": lambda field, given, path: Condition(field, _truth(False, given, path)),
    },
    Type.DATE: {
        "=": lambda field, given, path: Condition(field, "on", arguments.day(given, path)),
        "<": lambda field, given, path: Condition(field, "before", arguments.point(given, path)),
        "<=": _until,
        ">": lambda field, given, path: Condition(field, "after", arguments.point(given, path)),
        ">=": _since,
        "between": lambda field, given, path: Condition(field, "between", arguments.time_range(given, path)),
    },
}
