"""Conditions on fields: texts, numbers, yes or no, dates and lists."""

import unicodedata
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.segments.slow.rows import Json, Person, World
from tests.segments.slow.when import begins, day_of, in_last, is_before, point


def field_holds(node: Json, person: Person, world: World) -> bool:
    seen, op = person.values.get(node["field"]), node["op"]
    if op in ("has_value", "no_value"):
        return (seen is None) is (op == "no_value")
    if seen is None:
        return bool(node.get("missing") == "include")
    return value_holds(node, seen, person, world)


def value_holds(node: Json, seen: Any, person: Person, world: World) -> bool:
    op, asked = node["op"], node.get("value")
    if isinstance(seen, bool):
        return seen is (op == "is_true")
    if isinstance(seen, int | float):
        return number_holds(node, float(seen), world)
    if isinstance(seen, date):
        return date_holds(op, seen, asked, world.as_of, world.zone_of(node, person))
    same = (lambda text: text) if node.get("exact") else fold
    if isinstance(seen, list):
        return list_holds(op, [same(one) for one in seen], [same(one) for one in many(asked)])
    return text_holds(op, same(seen), [same(one) for one in many(asked)])


def many(value: Json) -> list[str]:
    return value if isinstance(value, list) else [value]


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def text_holds(op: str, seen: str, asked: list[str]) -> bool:
    return {
        "is": seen in asked,
        "any_of": seen in asked,
        "is_not": seen not in asked,
        "none_of": seen not in asked,
        "contains": asked[0] in seen,
        "not_contains": asked[0] not in seen,
        "starts": seen.startswith(asked[0]),
        "ends": seen.endswith(asked[0]),
    }[op]


def list_holds(op: str, seen: list[str], asked: list[str]) -> bool:
    found = [one in seen for one in asked]
    return {
        "contains": found[0],
        "not_contains": not found[0],
        "any_of": any(found),
        "all_of": all(found),
        "none_of": not any(found),
    }[op]


def number_holds(node: Json, seen: float, world: World) -> bool:
    op, asked = node["op"], node["value"]
    if op == "any_of":
        return bool(seen in asked)
    if op in ("top_percent", "bottom_percent", "top_n", "bottom_n", "percentile_between"):
        everybody = [float(v) for person in world.people if (v := person.values.get(node["field"])) is not None]
        return ranks(op, asked, len(everybody), sum(v > seen for v in everybody), sum(v < seen for v in everybody))
    return compares(seen, op, asked)


def ranks(op: str, asked: Json, customers: int, above: int, below: int) -> bool:
    """A customer is in while those strictly better do not fill the share: who ties with the last one is in."""
    if op in ("top_n", "bottom_n"):
        return bool((above if op == "top_n" else below) < asked)
    if op == "percentile_between":
        return bool((customers - above) * 100 > asked[0] * customers and below * 100 < asked[1] * customers)
    return bool((above if op == "top_percent" else below) * 100 < asked * customers)


def compares(seen: float, op: str, asked: Json) -> bool:
    if op == "between":
        return bool(asked[0] <= seen <= asked[1])
    outcomes: dict[str, bool] = {
        "=": seen == asked,
        "!=": seen != asked,
        ">": seen > asked,
        ">=": seen >= asked,
        "<": seen < asked,
        "<=": seen <= asked,
    }
    return outcomes[op]


def date_holds(op: str, seen: date | datetime, asked: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    if op in ("in_last", "not_in_last"):
        return in_last(seen, asked["n"], asked["unit"], as_of, zone) == (op == "in_last")
    if op == "more_than_ago":
        return begins(seen, zone) <= as_of and not in_last(seen, asked["n"], asked["unit"], as_of, zone)
    if op == "between":
        return not is_before(seen, point(asked[0]), zone) and is_before(seen, point(asked[1]), zone)
    other = point(asked)
    if op == "before":
        return is_before(seen, other, zone)
    is_on = begins(seen, zone) == other if isinstance(other, datetime) else day_of(seen, zone) == other
    return is_on if op == "on" else not is_on and not is_before(seen, other, zone)
