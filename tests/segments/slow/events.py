"""Conditions on events: one customer's events, one at a time."""

from tests.segments.slow.fields import compares
from tests.segments.slow.rows import Happened, Json, Person, World
from tests.segments.slow.when import in_window


def known(name: str, person: Person, world: World) -> list[Happened]:
    """Give the events of a name that had happened and were known, in their order."""
    found = [e for e in person.events if e.name == name and e.at <= world.as_of and e.known_at <= world.as_of]
    return sorted(found, key=lambda e: e.at)


def event_holds(node: Json, person: Person, world: World) -> bool:
    zone = world.zone_of(node, person)
    events = known(node["event"], person, world)
    if "stopped" in node:
        return bool(events) and not any(in_window(e.at, node["stopped"]["for"], world.as_of, zone) for e in events)
    if "first_ever" in node:
        return bool(events) and in_window(events[0].at, node.get("within"), world.as_of, zone)
    inside = [e for e in events if in_window(e.at, node.get("within"), world.as_of, zone)]
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
