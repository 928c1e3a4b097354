"""From JSON to conditions on events: measures, what each event must meet, sequences."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from segments.rules import arguments
from segments.rules.arguments import expects, keys_of, nearest, quoted, shown
from segments.rules.event_fields import LINE, of_event, property_named
from segments.rules.measures import MEASURES, TYPES
from segments.rules.nodes import (
    Condition,
    EventCondition,
    Field,
    Fields,
    Happening,
    Lines,
    RuleError,
    Sequence,
    Step,
)
from segments.rules.operators import operator
from segments.rules.windows import LENGTHS, Ever, Last, Window

ReadCondition = Callable[[Mapping[str, object], str, Fields], Condition]
Json = Mapping[str, object]
LINE_KINDS = ("any", "all", "none")
STEP_KEYS = {"event", "where", "lines", "not"}
SEQUENCE_KEYS = {"sequence", "within", "gap", "zone"}
MAX_STEPS = 10
EVERY_KEY = {*MEASURES, *(key for measure in MEASURES.values() for key in measure.keys)}


class EventReader:
    """Reads what is asked of events; `condition` reads one field condition against some fields."""

    def __init__(self, fields: Fields, condition: ReadCondition) -> None:
        self.fields = fields
        self.condition = condition

    def event(self, data: Json, path: str, zone: str) -> EventCondition:
        """Give a condition on what the events of one name amount to."""
        known = self.known(data, path)
        keys_of(data, path, EVERY_KEY, set())
        found = [kind for kind in MEASURES if kind in data]
        if len(found) != 1:
            raise RuleError(path, f"needs exactly one of {', '.join(MEASURES)}")
        measure = MEASURES[found[0]]
        keys_of(data, path, measure.keys | {found[0]}, set())
        asked = measure.read(data, path, found[0], known)
        happening = self.happening(data, path, known)
        return EventCondition(happening, found[0], _window(data, path), *asked, zone=zone)

    def sequence(self, data: Json, path: str, zone: str) -> Sequence:
        """Give a condition on events one after the other."""
        keys_of(data, path, SEQUENCE_KEYS, set())
        listed = data["sequence"]
        if not isinstance(listed, list) or not 2 <= len(listed) <= MAX_STEPS:
            raise RuleError(f"{path}.sequence", f"expects a list of 2 to {MAX_STEPS} events")
        steps = tuple(self.step(one, f"{path}.sequence[{i}]") for i, one in enumerate(listed))
        if all(step.is_not for step in steps):
            raise RuleError(f"{path}.sequence", "needs an event without 'not'")
        gap = _gap(data["gap"], f"{path}.gap") if "gap" in data else None
        return Sequence(steps, _window(data, path), gap, zone)

    def step(self, data: object, path: str) -> Step:
        given = keys_of(data, path, STEP_KEYS, {"event"})
        if not isinstance(given.get("not", False), bool):
            raise expects(f"{path}.not", "true or false", given["not"])
        return Step(self.happening(given, path, self.known(given, path)), given.get("not", False) is True)

    def known(self, data: Json, path: str) -> dict[str, Field]:
        """Give the fields of the event that is named."""
        name = data["event"]
        if not isinstance(name, str) or name not in self.fields.events:
            raise RuleError(path, f"no event named {quoted(name)}{nearest(name, self.fields.events)}")
        return of_event(name, self.fields)

    def happening(self, data: Json, path: str, known: Mapping[str, Field]) -> Happening:
        """Give which events of the name are meant."""
        listed = data.get("where", [])
        if not isinstance(listed, list) or ("where" in data and not listed):
            raise expects(f"{path}.where", "a list of conditions on the event", listed)
        conditions = [self.about(one, f"{path}.where[{i}]", known) for i, one in enumerate(listed)]
        lines = _lines(data["lines"], f"{path}.lines", known) if "lines" in data else Lines()
        if "lines" in data and not lines.compare and not any(one.field.group == LINE for one in conditions):
            raise RuleError(f"{path}.lines", "needs a condition on product, category, quantity or price in 'where'")
        return Happening(str(data["event"]), tuple(conditions), lines)

    def about(self, data: object, path: str, known: Mapping[str, Field]) -> Condition:
        """Give a condition on one event."""
        if not isinstance(data, dict) or "field" not in data:
            raise expects(path, 'a condition such as {"field": "value", "op": ">=", "value": 50}', data)
        found = self.condition(data, path, replace(self.fields, fields=known))
        if operator(found).cut_point:
            raise RuleError(f"{path}.op", f"{found.op} compares customers, not events")
        return found


def _window(data: Json, path: str) -> Window:
    return arguments.window(data["within"], f"{path}.within") if "within" in data else Ever()


def _gap(value: object, path: str) -> Last:
    found = arguments.duration(value, path, "at_most")
    if found.unit not in LENGTHS:
        raise RuleError(f"{path}.unit", f"expects one of {', '.join(LENGTHS)}, got {shown(found.unit)}")
    return found


def _lines(value: object, path: str, known: Mapping[str, Field]) -> Lines:
    """Give how an order's lines are looked at: any, all, none, or their count or sum."""
    if isinstance(value, str):
        if value not in LINE_KINDS:
            raise RuleError(path, f"expects one of {', '.join(LINE_KINDS)}, got {shown(value)}")
        return Lines(value)
    given = keys_of(value, path, {"count", "sum", "compare"}, set())
    if "count" in given:
        keys_of(value, path, {"count"}, set())
        return Lines("count", None, arguments.count(given["count"], f"{path}.count"))
    keys_of(value, path, {"sum", "compare"}, {"sum", "compare"})
    field = property_named(given["sum"], known, f"{path}.sum")
    if field.group != LINE or field.type not in TYPES["sum"]:
        raise RuleError(f"{path}.sum", "expects one of quantity, price, amount, discount")
    return Lines("sum", field, arguments.comparison(given["compare"], f"{path}.compare"))
