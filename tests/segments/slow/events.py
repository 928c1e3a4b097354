"""Conditions on events: one customer's events, one at a time."""

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.segments.slow import days
from tests.segments.slow.fields import compares, field_holds, fold
from tests.segments.slow.rows import Happened, Json, Line, Moved, Person, World
from tests.segments.slow.when import SECONDS, day_of, in_last, in_window, period_number, point

OF_LINES = ("product", "category", "quantity", "price", "amount")
DECIMALS = 6  # sums of the same numbers in another order differ further behind


def event_holds(node: Json, person: Person, world: World) -> bool:
    zone = world.zone_of(node, person)
    events = known(node, person, world)
    times = [event.at for event in events]
    inside = [event for event in events if in_window(event.at, node.get("within"), world.as_of, zone)]
    meanings: dict[str, Callable[[], bool]] = {
        "count": lambda: compared(len(inside), node["count"], zone),
        "first_ever": lambda: bool(times) and in_window(min(times), node.get("within"), world.as_of, zone),
        "stopped": lambda: (
            bool(times) and not any(in_window(t, node["stopped"]["for"], world.as_of, zone) for t in times)
        ),
        "resumed": lambda: any(is_resumed(event.at, times, node["resumed"]["after"], zone) for event in inside),
        "regularly": lambda: is_regular(times, node["regularly"], day_of(world.as_of, zone), zone),
        "trend": lambda: has_trend(times, node["trend"], world.as_of, zone),
        "overdue": lambda: is_overdue(times, node["overdue"]["times_usual_gap"], world.as_of),
    }
    for kind, meaning in meanings.items():
        if kind in node:
            return meaning()
    return property_holds(node, inside, person, world)


def known(node: Json, person: Person, world: World) -> list[Happened]:
    """Give the events that are meant, had happened and were known, in their order."""
    found = [e for e in person.events if e.name == node["event"] and e.at <= world.as_of and e.known_at <= world.as_of]
    return sorted((e for e in found if is_meant(node, e, person, world)), key=lambda event: event.at)


# --- The same event. --------------------------------------------------------------------------------------------------
def is_meant(node: Json, event: Happened, person: Person, world: World) -> bool:
    """Say whether an event meets all conditions at once, and has the lines that are asked for."""
    about_event = [one for one in node.get("where", []) if one["field"] not in OF_LINES]
    if not all(asked(one, node, event_values(event, node, one, person, world), person, world) for one in about_event):
        return False
    has_lines = "lines" in node or len(about_event) < len(node.get("where", []))
    return not has_lines or lines_hold(node, event, person, world)


def lines_hold(node: Json, event: Happened, person: Person, world: World) -> bool:
    kind, met = node.get("lines", "any"), lines_met(node, event, person, world)
    if kind == "all":
        return bool(met) and len(met) == len(event.lines)
    if kind in ("any", "none"):
        return (kind == "any") is bool(met)
    if "count" in kind:
        return compared(len(met), kind["count"], ZoneInfo("UTC"))
    return compared(total(line_values(line)[kind["sum"]] for line in met), kind["compare"], ZoneInfo("UTC"))


def lines_met(node: Json, event: Happened, person: Person, world: World) -> list[Line]:
    """Give the lines that meet all conditions on lines, each line by itself."""
    about_lines = [one for one in node.get("where", []) if one["field"] in OF_LINES]
    return [
        line for line in event.lines if all(asked(one, node, line_values(line), person, world) for one in about_lines)
    ]


def asked(condition: Json, node: Json, values: dict[str, Any], person: Person, world: World) -> bool:
    """Ask a condition of an event or a line, as if it were a customer who lives where its customer does."""
    of_person = {"time_zone": person.values.get("time_zone")}
    zoned = condition if "zone" in condition or "zone" not in node else {**condition, "zone": node["zone"]}
    return field_holds(zoned, Person(person.number, person.seed, {**values, **of_person}), world)


def line_values(line: Line) -> dict[str, Any]:
    has_both = line.quantity is not None and line.price is not None
    return {
        "product": line.product,
        "category": line.category,
        "quantity": line.quantity,
        "price": line.price,
        "amount": line.quantity * line.price if has_both else None,  # type: ignore[operator]
    }


def event_values(event: Happened, node: Json, condition: Json, person: Person, world: World) -> dict[str, Any]:
    local = event.at.astimezone(world.zone_of({**node, **condition}, person))
    told = {f"properties.{name}": typed(event.properties.get(name), type) for name, type in world.properties.items()}
    return {"value": event.value, "hour": local.hour, "weekday": local.isoweekday(), **told}


def typed(value: Any, type: str) -> Any:
    """Give what was told if it is of its type; else it is no value."""
    if type == "number":
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if type == "date":
        try:
            return datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None
    return value if isinstance(value, {"text": str, "yes_no": bool, "list": list}[type]) else None


# --- What the events amount to. ---------------------------------------------------------------------------------------
def property_holds(node: Json, inside: Sequence[Happened], person: Person, world: World) -> bool:
    kind = next(kind for kind in ("sum", "avg", "min", "max", "distinct", "first", "last") if kind in node)
    name, zone = node[kind], world.zone_of(node, person)
    values = [value for event in inside for value in told(name, event, node, person, world) if value is not None]
    if kind == "sum":
        return compared(total(values), node["compare"], zone)
    if kind == "distinct":
        return compared(len({fold(one) if isinstance(one, str) else one for one in values}), node["compare"], zone)
    if not values:
        return False
    outcomes: dict[str, Callable[[], Any]] = {
        "avg": lambda: round(math.fsum(values) / len(values), DECIMALS),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "first": lambda: values[0],
        "last": lambda: values[-1],
    }
    return compared(outcomes[kind](), node["compare"], zone)


def told(name: str, event: Happened, node: Json, person: Person, world: World) -> list[Any]:
    """Give what an event tells of a property, or its lines that are meant."""
    if name in OF_LINES:
        is_any = node.get("lines") != "none"
        lines = lines_met(node, event, person, world) if is_any else event.lines
        return [line_values(line)[name] for line in lines]
    values = event_values(event, node, {}, person, world)
    return [values[name] if name in values else values[f"properties.{name}"]]


def total(values: Any) -> float:
    return round(math.fsum(value for value in values if value is not None), DECIMALS)


def compared(value: Any, compare: Json, zone: ZoneInfo) -> bool:
    ((op, wanted),) = compare.items()
    if isinstance(value, str):
        return (fold(value) == fold(wanted)) is (op == "=")
    if isinstance(value, date):
        return date_compares(value, op, wanted, zone)
    return compares(value, op, wanted)


def date_compares(value: date, op: str, wanted: Any, zone: ZoneInfo) -> bool:
    """Compare with days as date conditions do: on, before, after, and [from, to)."""
    if op == "between":
        return not days.compares("before", value, point(wanted[0]), zone) and days.compares(
            "before", value, point(wanted[1]), zone
        )
    found = {word: days.compares(word, value, point(wanted), zone) for word in ("before", "after")}
    return {
        "=": not found["before"] and not found["after"],
        "<": found["before"],
        "<=": not found["after"],
        ">": found["after"],
        ">=": not found["before"],
    }[op]


def is_resumed(at: datetime, times: Sequence[datetime], silence: Json, zone: ZoneInfo) -> bool:
    """Say whether there were events before, and none of them in the length of time that ends with this one."""
    before = [time for time in times if time < at]
    return bool(before) and not any(in_last(time, silence["last"], silence["unit"], at, zone) for time in before)


def is_regular(times: Sequence[datetime], habit: Json, today: date, zone: ZoneInfo) -> bool:
    """Say in how many of the last periods there were events; the running one is the last of them."""
    now = period_number(today, habit["period"])
    periods = {period_number(day_of(time, zone), habit["period"]) for time in times}
    recent = [number for number in periods if now - habit["of"] < number <= now]
    return bool(len(recent) >= habit["at_least"])


def has_trend(times: Sequence[datetime], trend: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    """Compare how many there were with how many there were in the window before; of none there is no ratio."""
    number, unit = trend["window"]["last"], trend["window"]["unit"]
    new = [time for time in times if in_last(time, number, unit, as_of, zone)]
    both = [time for time in times if in_last(time, 2 * number, unit, as_of, zone)]
    old = len(both) - len(new)
    return old > 0 and compares(len(new) / old, *next(iter(trend["ratio"].items())))


def is_overdue(times: Sequence[datetime], factor: float, as_of: datetime) -> bool:
    """Say whether the last is more than so many mean gaps ago; who did all at once has no gap."""
    if len(times) < 2 or max(times) == min(times):
        return False
    gap = (max(times) - min(times)) / timedelta(microseconds=1) / (len(times) - 1)
    return (as_of - max(times)) / timedelta(microseconds=1) / gap > factor


# --- One after the other. ---------------------------------------------------------------------------------------------
def sequence_holds(node: Json, person: Person, world: World) -> bool:
    """Say whether there is a way through the steps, all within the window."""
    zone = world.zone_of(node, person)
    steps = []
    for step in node["sequence"]:
        zoned = {**step, "zone": node["zone"]} if "zone" in node else step
        found = known(zoned, person, world)
        steps.append([event.at for event in found if in_window(event.at, node.get("within"), world.as_of, zone)])
    return goes_on(node, steps, 0, None, [])


def goes_on(
    node: Json, steps: list[list[datetime]], number: int, before: datetime | None, barred: list[datetime]
) -> bool:
    """Say whether the steps from this one on can follow; nothing barred may lie between two of them."""
    if number == len(steps):
        return not any(is_between(time, before, None) for time in barred)
    if node["sequence"][number].get("not"):
        return goes_on(node, steps, number + 1, before, barred + steps[number])
    for at in steps[number]:
        follows = before is None or (before < at and is_near(before, at, node.get("gap")))
        clear = not any(is_between(time, before, at) for time in barred)
        if follows and clear and goes_on(node, steps, number + 1, at, []):
            return True
    return False


def is_between(time: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or start < time) and (end is None or time < end)


def is_near(before: datetime, at: datetime, gap: Json) -> bool:
    return gap is None or at - before <= timedelta(seconds=gap["at_most"] * SECONDS[gap["unit"]])


# --- Segments entered and left. ---------------------------------------------------------------------------------------
def membership_holds(node: Json, person: Person, world: World) -> bool:
    """Say whether the customer entered or left a segment in a window, or entered so long ago and did not leave."""
    zone = world.zone_of(node, person)
    moves = sorted((m for m in person.moves if m.segment == node["segment"] and m.as_of <= world.as_of), key=when)
    for kind in ("entered", "left"):
        if kind in node:
            return any(m.kind == kind and in_window(m.as_of, node[kind], world.as_of, zone) for m in moves)
    if not moves or moves[-1].kind == "left":
        return False
    return not in_last(moves[-1].as_of, node["in_for"]["n"], node["in_for"]["unit"], world.as_of, zone)


def when(move: Moved) -> datetime:
    return move.as_of
