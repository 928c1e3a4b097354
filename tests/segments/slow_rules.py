"""A second, naive meaning of rules, customer by customer, straight from the JSON. It shares no code with the first."""

import hashlib
import unicodedata
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Json = Any
MASK = 2**64 - 1


@dataclass
class Happened:
    """One event of one customer."""

    name: str
    at: datetime
    known_at: datetime
    value: float | None = None


@dataclass
class Person:
    """One customer: values by field, and what happened."""

    number: int
    seed: int
    values: dict[str, Any]
    events: list[Happened] = field(default_factory=list)

    @property
    def external_id(self) -> str:
        return f"c-{self.number}"


@dataclass
class World:
    """Everybody, the time, the zone, and the other segments' rules."""

    people: list[Person]
    as_of: datetime
    zone: str = "UTC"
    segments: Mapping[str, Json] = field(default_factory=dict)


def holds(node: Json, person: Person, world: World) -> bool:
    """Say whether a node holds for a customer."""
    for kind in ("all", "any", "none", "of"):
        if kind in node:
            found = [holds(child, person, world) for child in node[kind]]
            wanted = {"all": len(found), "any": 1, "none": 0, "of": node.get("at_least", 0)}[kind]
            return not any(found) if kind == "none" else bool(sum(found) >= wanted)
    if "not" in node:
        return not holds(node["not"], person, world)
    if "event" in node:
        return event_holds(node, person, world)
    return field_holds(node, person, world) if "field" in node else other_holds(node, person, world)


def other_holds(node: Json, person: Person, world: World) -> bool:
    if "segment" in node:
        return holds(world.segments[node["segment"]], person, world) is (node["op"] == "in")
    if "sample" in node:
        return bool(draw(person.seed, node["salt"]) < node["sample"] / 100)
    return person.external_id in node["ids"]


def draw(seed: int, salt: str) -> float:
    """SplitMix64 in Python's own whole numbers."""
    state = (seed & MASK) ^ int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "big")
    state = (state + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return ((state ^ (state >> 31)) >> 11) / 2**53


def field_holds(node: Json, person: Person, world: World) -> bool:
    seen, op = person.values.get(node["field"]), node["op"]
    if op in ("has_value", "no_value"):
        return (seen is None) is (op == "no_value")
    if seen is None:
        return bool(node.get("missing") == "include")
    return value_holds(node, seen, world)


def value_holds(node: Json, seen: Any, world: World) -> bool:
    op, asked = node["op"], node.get("value")
    if isinstance(seen, bool):
        return seen is (op == "is_true")
    if isinstance(seen, int | float):
        return number_holds(node, float(seen), world)
    if isinstance(seen, date):
        zone = ZoneInfo(node.get("zone", world.zone))
        instant = seen if isinstance(seen, datetime) else start_of(seen, zone)
        return date_holds(op, instant, asked, world.as_of, zone)
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


def date_holds(op: str, seen: datetime, asked: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    if op in ("in_last", "not_in_last", "more_than_ago"):
        window = {"last": asked["n"], "unit": asked["unit"]}
        if op == "more_than_ago":
            return not in_window(seen, window, as_of, zone) and seen <= as_of
        return in_window(seen, window, as_of, zone) == (op == "in_last")
    if op == "between":
        return start_of(as_date(asked[0]), zone) <= seen < start_of(as_date(asked[1]), zone)
    begin = start_of(as_date(asked), zone)
    end = start_of(as_date(asked) + timedelta(days=1), zone)
    return {"on": begin <= seen < end, "before": seen < begin, "after": seen >= end}[op]


def as_date(text: str) -> date:
    return date.fromisoformat(text)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def in_window(at: datetime, window: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    """Say whether an instant lies in a window."""
    if window is None:
        return True
    if "last" in window:
        return at <= as_of and in_last(at, window["last"], window["unit"], as_of, zone)
    local_day, today = at.astimezone(zone).date(), as_of.astimezone(zone).date()
    if "this" in window:
        return period(local_day, window["this"]) == period(today, window["this"])
    if "previous" in window:
        day = today
        while period(day, window["previous"]) == period(today, window["previous"]):
            day -= timedelta(days=1)
        return period(local_day, window["previous"]) == period(day, window["previous"])
    begins = "from" not in window or at >= start_of(as_date(window["from"]), zone)
    return begins and ("to" not in window or at < start_of(as_date(window["to"]), zone))


def in_last(at: datetime, number: int, unit: str, as_of: datetime, zone: ZoneInfo) -> bool:
    if unit == "calendar_days":
        return (as_of.astimezone(zone).date() - at.astimezone(zone).date()).days < number
    if unit in ("months", "years"):
        return at > months_before(as_of, number * (12 if unit == "years" else 1), zone)
    seconds = {"minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}[unit]
    return as_of - at < timedelta(seconds=seconds * number)


def months_before(as_of: datetime, months: int, zone: ZoneInfo) -> datetime:
    local = as_of.astimezone(zone)
    year, month = local.year, local.month
    for _ in range(months):
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    day = min(local.day, monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day, fold=0).astimezone(UTC)


def period(day: date, name: str) -> tuple[int, ...]:
    return {
        "day": (day.toordinal(),),
        "week": day.isocalendar()[:2],
        "month": (day.year, day.month),
        "quarter": (day.year, (day.month - 1) // 3),
        "year": (day.year,),
    }[name]


def event_holds(node: Json, person: Person, world: World) -> bool:
    zone = ZoneInfo(node.get("zone", world.zone))
    known = [e for e in person.events if e.name == node["event"] and e.at <= world.as_of and e.known_at <= world.as_of]
    if "stopped" in node:
        return bool(known) and not any(in_window(e.at, node["stopped"]["for"], world.as_of, zone) for e in known)
    inside = [e for e in known if in_window(e.at, node.get("within"), world.as_of, zone)]
    if "first_ever" in node:
        return bool(known) and in_window(min(e.at for e in known), node.get("within"), world.as_of, zone)
    if "count" in node:
        ((op, asked),) = node["count"].items()
        return compares(len(inside), op, asked)
    ((op, asked),) = node["compare"].items()
    values = [e.value for e in inside if e.value is not None]
    if "sum" in node:
        return compares(sum(values), op, asked)
    if not values:
        return False
    outcome = {"avg": sum(values) / len(values), "min": min(values), "max": max(values)}
    return compares(next(outcome[kind] for kind in outcome if kind in node), op, asked)
