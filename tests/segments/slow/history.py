"""Conditions on what a field was: one customer's told values, one after the other."""

import itertools
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.segments.slow.fields import fold
from tests.segments.slow.rows import Json, Person, World
from tests.segments.slow.when import day_of, in_last, in_window, point

KINDS = ("ever", "never", "changed", "unchanged_for")


class Change(NamedTuple):
    """A value that took another's place."""

    before: Any
    after: Any
    at: datetime


def history_holds(node: Json, person: Person, world: World) -> bool:
    zone, now = world.zone_of(node, person), person.values.get(node["field"])
    found = values(node, person, world)
    if not found and now is None:
        return bool(node.get("missing") == "include")
    if "unchanged_for" in node and now is None:
        return bool(node.get("missing") == "include")
    known = [value for value, _ in found] + ([] if now is None else [now])
    meanings: dict[str, Callable[[], bool]] = {
        "ever": lambda: any(is_same(value, node["ever"], node, zone) for value in known),
        "never": lambda: not any(is_same(value, node["never"], node, zone) for value in known),
        "changed": lambda: any(is_asked(change, node, world.as_of, zone) for change in changes(node, found)),
        "unchanged_for": lambda: is_old(node, found, world.as_of, zone),
    }
    return next(meanings[kind] for kind in KINDS if kind in node)()


def values(node: Json, person: Person, world: World) -> list[tuple[Any, datetime]]:
    """Give the values that a field had, in their order; of two told at once the last one stays."""
    told = {
        one.known_at: one.value for one in person.told if one.field == node["field"] and one.known_at <= world.as_of
    }
    return [(told[at], at) for at in sorted(told) if told[at] is not None]


def changes(node: Json, found: list[tuple[Any, datetime]]) -> list[Change]:
    pairs = itertools.pairwise(found)
    return [
        Change(before, after, at) for (before, _), (after, at) in pairs if spelt(before, node) != spelt(after, node)
    ]


def is_asked(change: Change, node: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    asked = node["changed"]
    ends = asked if "within" in asked else {}
    return (
        in_window(change.at, asked.get("within", asked), as_of, zone)
        and ("from" not in ends or is_same(change.before, ends["from"], node, zone))
        and ("to" not in ends or is_same(change.after, ends["to"], node, zone))
    )


def is_old(node: Json, found: list[tuple[Any, datetime]], as_of: datetime, zone: ZoneInfo) -> bool:
    """Say whether the value came so long ago: with the last change, or else with the first that was told."""
    came = [change.at for change in changes(node, found)] or [at for _, at in found[:1]]
    length = node["unchanged_for"]
    return not came or not in_last(came[-1], length["n"], length["unit"], as_of, zone)


def is_same(value: Any, asked: Any, node: Json, zone: ZoneInfo) -> bool:
    if isinstance(value, date):
        return day_of(value, zone) == point(asked)
    return (
        spelt(asked, node) in spelt(value, node)
        if isinstance(value, list)
        else spelt(value, node) == spelt(asked, node)
    )


def spelt(value: Any, node: Json) -> Any:
    """Give a value as it is compared."""
    if isinstance(value, list):
        return {spelt(one, node) for one in value}
    return fold(value) if isinstance(value, str) and not node.get("exact") else value
