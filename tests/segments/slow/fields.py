"""Conditions on fields: texts, numbers, yes or no, dates and lists."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from statistics import fmean, pstdev
from typing import Any
from zoneinfo import ZoneInfo

from tests.segments.slow.days import date_holds, later
from tests.segments.slow.rows import Json, Person, World

ALIKE = 1e-9  # sums of the same numbers in another order differ by less


def field_holds(node: Json, person: Person, world: World) -> bool:
    seen, op, asked = person.values.get(node["field"]), node["op"], node.get("value")
    if op in ("has_value", "no_value"):
        return (seen is None) is (op == "no_value")
    if isinstance(asked, dict) and "field" in asked:
        asked = other_value(asked, person, world.zone_of(node, person))
        if asked is None:
            return bool(node.get("missing") == "include")
    if seen is None:
        return bool(node.get("missing") == "include")
    return value_holds(node, seen, asked, person, world)


def other_value(asked: Json, person: Person, zone: ZoneInfo) -> Any:
    """Give the value of another field, dates so many days later."""
    found = person.values.get(asked["field"])
    return found if found is None else later(found, asked.get("offset_days", 0), zone)


def value_holds(node: Json, seen: Any, asked: Any, person: Person, world: World) -> bool:
    op = node["op"]
    if isinstance(seen, bool):
        return seen is (op == "is_true")
    if isinstance(seen, int | float):
        return number_holds(node, float(seen), asked, world)
    if isinstance(seen, date):
        return date_holds(node, seen, asked, world.as_of, world.zone_of(node, person))
    same = (lambda text: text) if node.get("exact") else fold
    if op == "length":
        ((comparison, length),) = asked.items()
        return compares(len(seen if isinstance(seen, list) else unicodedata.normalize("NFC", seen)), comparison, length)
    if isinstance(seen, list):
        return list_holds(op, {same(one) for one in seen}, {same(one) for one in many(asked)})
    return text_holds(op, same(seen), [same(one) for one in many(asked)])


def many(value: Json) -> list[str]:
    return value if isinstance(value, list) else [value]


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def text_holds(op: str, seen: str, asked: list[str]) -> bool:
    meanings: dict[str, Callable[[], bool]] = {
        "is": lambda: seen in asked,
        "any_of": lambda: seen in asked,
        "is_not": lambda: seen not in asked,
        "none_of": lambda: seen not in asked,
        "contains": lambda: asked[0] in seen,
        "not_contains": lambda: asked[0] not in seen,
        "contains_any": lambda: any(one in seen for one in asked),
        "starts": lambda: seen.startswith(asked[0]),
        "ends": lambda: seen.endswith(asked[0]),
        "matches": lambda: re.search(asked[0], seen) is not None,
        "domain_is": lambda: domain(seen) == asked[0],
    }
    return meanings[op]()


def domain(address: str) -> str:
    """Give the domain of an e-mail address or a web address."""
    host = re.split("[/?#]", address.split("://")[-1])[0]
    return host.rpartition("@")[2].split(":")[0]


def list_holds(op: str, seen: set[str], asked: set[str]) -> bool:
    return {
        "contains": asked <= seen,
        "not_contains": not asked <= seen,
        "any_of": bool(asked & seen),
        "all_of": asked <= seen,
        "none_of": not asked & seen,
        "exactly": asked == seen,
    }[op]


def number_holds(node: Json, seen: float, asked: Any, world: World) -> bool:
    op = node["op"]
    if op == "any_of":
        return bool(seen in asked)
    if op == "not_between":
        return not compares(seen, "between", asked)
    everybody = [float(v) for person in world.people if (v := person.values.get(node["field"])) is not None]
    if op == "above_mean_sd":
        return bool(seen >= fmean(everybody) + asked * pstdev(everybody) - ALIKE)
    if op == "below_mean_sd":
        return bool(seen <= fmean(everybody) - asked * pstdev(everybody) + ALIKE)
    if op in ("top_percent", "bottom_percent", "top_n", "bottom_n", "percentile_between"):
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
