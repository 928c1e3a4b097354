"""From JSON to a Rule, or an error that names the place. Nothing is dropped, nothing is guessed."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

from segments.rules import arguments, history
from segments.rules.arguments import expects, keys_of, nearest, quoted, shown
from segments.rules.event_parser import EventReader
from segments.rules.history import HISTORIES
from segments.rules.nodes import (
    Condition,
    Field,
    Fields,
    Group,
    Happening,
    Ids,
    Listed,
    Node,
    Other,
    Rule,
    RuleError,
    Sample,
    SegmentHistory,
    SegmentReference,
    Type,
)
from segments.rules.operators import OPERATORS, Operator, names
from segments.rules.windows import CUSTOMER, Anniversary, Window

VERSION = 1
MAX_DEPTH = 8
MAX_NODES = 200
FEW = 10
MAX_OFFSET_DAYS = 36_600
CONDITION_KEYS = {"field", "op", "value", "missing", "exact", "zone", "leap"}


def parse(data: object, fields: Fields, key: str = "") -> Rule:
    """Give the rule that `{"version": 1, "rule": ...}` says; raise RuleError where it says none.

    `key` is the segment whose rule this is: it may not, through others, refer to itself.
    """
    whole = keys_of(data, "rule", {"version", "rule"}, {"version", "rule"})
    if whole["version"] != VERSION or isinstance(whole["version"], bool):
        raise expects("version", f"{VERSION}, the version of the rule language", whole["version"])
    return Rule(_Parser(fields, key).node(whole["rule"], "rule", 1))


def happening(data: object, fields: Fields, path: str) -> Happening:
    """Give which events `{"event": ..., "where": [...], "lines": ...}` means; raise RuleError where it means none."""
    reader = _Parser(fields, "").events
    given = keys_of(data, path, {"event", "where", "lines"}, {"event"})
    return reader.happening(given, path, reader.known(given, path))


class _Parser:
    """Reads one rule; counts its nodes."""

    def __init__(self, fields: Fields, key: str) -> None:
        self.fields = fields
        self.key = key
        self.nodes = 0
        self.events = EventReader(fields, self.about_event)

    def node(self, data: object, path: str, depth: int) -> Node:
        self.count(path)
        if depth > MAX_DEPTH:
            raise RuleError(path, f"is nested more than {MAX_DEPTH} levels deep")
        if not isinstance(data, dict):
            raise expects(path, "a condition or a group", data)
        kinds = [kind for kind in KINDS if kind in data]
        if not kinds:
            near = next((hint for key in itertools.islice(data, FEW) if (hint := nearest(key, KINDS))), "")
            raise RuleError(path, f"expects one of {', '.join(KINDS)}, got {shown(data)}{near}")
        if len(kinds) > 1:
            raise RuleError(path, f"is two things at once: {' and '.join(kinds)}")
        return KINDS[kinds[0]](self, data, path, depth)

    def count(self, path: str) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise RuleError(path, f"has more than {MAX_NODES} nodes")

    def group(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        kind = next(kind for kind in ("all", "any", "none") if kind in data)
        keys_of(data, path, {kind}, {kind})
        return Group(kind, self.children(data[kind], f"{path}.{kind}", depth))

    def negation(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        keys_of(data, path, {"not"}, {"not"})
        return Group("not", (self.node(data["not"], f"{path}.not", depth + 1),))

    def at_least(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        keys_of(data, path, {"at_least", "of"}, {"at_least", "of"})
        nodes = self.children(data["of"], f"{path}.of", depth)
        return Group("at_least", nodes, arguments.whole(data["at_least"], f"{path}.at_least", 1, len(nodes)))

    def children(self, data: object, path: str, depth: int) -> tuple[Node, ...]:
        if not isinstance(data, list):
            raise expects(path, "a list of nodes", data)
        if not data:
            raise RuleError(path, "is empty; a group needs at least one condition")
        return tuple(self.node(child, f"{path}[{i}]", depth + 1) for i, child in enumerate(data))

    def condition(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        field = self.field(data["field"], path)
        is_missing_included = _choice(data, path, "missing", "include", "exclude")
        is_exact, zone = _choice(data, path, "exact", True, False), _zone(data, path)
        if HISTORIES.keys() & data.keys():
            asked = history.read(field, data, path)
            return replace(asked, is_missing_included=is_missing_included, is_exact=is_exact, zone=zone)
        keys_of(data, path, CONDITION_KEYS, {"op"})
        row = OPERATORS.get((field.type, data["op"])) if isinstance(data["op"], str) else None
        if row is None:
            known = names(field.type)
            hint = nearest(data["op"], known) or f"; there are {', '.join(known)}"
            raise RuleError(f"{path}.op", f"no operator {quoted(data['op'])} for {field.type.replace('_', '/')}{hint}")
        if row.asks_for_value and "missing" in data:
            raise RuleError(f"{path}.missing", f"{row.name} asks for the value itself")
        if row.argument is not arguments.NOTHING and "value" not in data:
            raise RuleError(path, "'value' is missing")
        return Condition(field, row.name, self.value(row, data, path), is_missing_included, is_exact, zone)

    def field(self, name: object, path: str) -> Field:
        found = self.fields.fields.get(name) if isinstance(name, str) else None
        if found is None:
            raise RuleError(path, f"no field named {quoted(name)}{nearest(name, self.fields.fields)}")
        return found

    def value(self, row: Operator, data: Mapping[str, object], path: str) -> object:
        """Give what a field is compared with: a value, or another field."""
        given = data.get("value")
        is_leap_on_mar1 = _choice(data, path, "leap", "mar1", "feb28")
        if isinstance(given, dict) and "field" in given:
            return self.other(row, given, f"{path}.value")
        value = row.argument.parse(given, f"{path}.value")
        if isinstance(value, Anniversary):
            return replace(value, is_leap_on_mar1=is_leap_on_mar1)
        if "leap" in data:
            raise RuleError(f"{path}.leap", "is for anniversaries only")
        return value

    def other(self, row: Operator, given: Mapping[str, object], path: str) -> Other:
        if row.other is None:
            raise RuleError(path, f"{row.name} compares with a value, not with another field")
        found = self.field(given["field"], path)
        if found.type != row.other:
            wanted, is_ = (str(one).replace("_", "/") for one in (row.other, found.type))
            raise RuleError(f"{path}.field", f"expects a field of type {wanted}, '{found.name}' is of type {is_}")
        keys_of(given, path, {"field", "offset_days"} if row.other == Type.DATE else {"field"}, set())
        days = given.get("offset_days", 0)
        return Other(found, arguments.whole(days, f"{path}.offset_days", -MAX_OFFSET_DAYS, MAX_OFFSET_DAYS))

    def event(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        return self.events.event(data, path, _zone(data, path))

    def sequence(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        return self.events.sequence(data, path, _zone(data, path))

    def about_event(self, data: Mapping[str, object], path: str, known: Fields) -> Condition:
        """Give a condition on one event, which counts as a node."""
        self.count(path)
        found = _Parser(known, self.key).condition(data, path, 1)
        if not isinstance(found, Condition):
            raise RuleError(path, "is about an event, which has no history: it needs 'op'")
        return found

    def segment(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        keys_of(data, path, {"segment", "op", "zone", *HISTORY}, {"segment"})
        key = data["segment"]
        if not isinstance(key, str) or key not in {*self.fields.segments, self.key} - {""}:
            raise RuleError(path, f"no segment named {quoted(key)}{nearest(key, self.fields.segments)}")
        self.refuse_cycle(key, path)
        asked = [name for name in ("op", *HISTORY) if name in data]
        if len(asked) != 1:
            raise RuleError(path, f"needs exactly one of op, {', '.join(HISTORY)}")
        if asked[0] != "op":
            window = HISTORY[asked[0]](data[asked[0]], f"{path}.{asked[0]}")
            return SegmentHistory(key, asked[0], window, _zone(data, path))
        keys_of(data, path, {"segment", "op"}, set())
        if data["op"] not in ("in", "not_in"):
            raise RuleError(f"{path}.op", f"no operator {quoted(data['op'])} for segments; there are in, not_in")
        return SegmentReference(key, data["op"] == "in")

    def refuse_cycle(self, key: str, path: str) -> None:
        ways: list[tuple[str, ...]] = [(self.key, key)] if self.key else []
        seen: set[str] = set()
        while ways:
            way = ways.pop()
            if way[-1] == self.key:
                raise RuleError(path, f"segment '{self.key}' would depend on itself: {' → '.join(way)}")
            if way[-1] not in seen:
                seen.add(way[-1])
                ways += [(*way, further) for further in sorted(self.fields.segments.get(way[-1], ()))]

    def sample(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        keys_of(data, path, {"sample", "salt"}, {"salt"})
        share = arguments.percent(data["sample"], f"{path}.sample")
        return Sample(share, arguments.text(data["salt"], f"{path}.salt"))

    def ids(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        keys_of(data, path, {"ids"}, set())
        return Ids(arguments.ids(data["ids"], f"{path}.ids"))

    def listed(self, data: Mapping[str, object], path: str, depth: int) -> Node:
        keys_of(data, path, {"listed"}, set())
        if data["listed"] is not True:
            raise expects(f"{path}.listed", "true", data["listed"])
        if not self.key:
            raise RuleError(path, "only a segment of kind list has a list of its own; name it as a segment")
        return Listed(self.key)


KINDS: dict[str, Callable[[_Parser, Mapping[str, object], str, int], Node]] = {
    "all": _Parser.group,
    "any": _Parser.group,
    "none": _Parser.group,
    "not": _Parser.negation,
    "at_least": _Parser.at_least,
    "field": _Parser.condition,
    "event": _Parser.event,
    "sequence": _Parser.sequence,
    "segment": _Parser.segment,
    "sample": _Parser.sample,
    "ids": _Parser.ids,
    "listed": _Parser.listed,
}
HISTORY: dict[str, Callable[[object, str], Window]] = {
    "entered": arguments.window,
    "left": arguments.window,
    "in_for": arguments.duration,
}


def _choice(data: Mapping[str, object], path: str, key: str, yes: object, no: object) -> bool:
    given = data.get(key, no)
    if given not in (yes, no) or type(given) is not type(yes):
        raise expects(f"{path}.{key}", f"{shown(yes)} or {shown(no)}", given)
    return given == yes


def _zone(data: Mapping[str, object], path: str) -> str:
    if data.get("zone") == CUSTOMER:
        return CUSTOMER
    return arguments.zone(data["zone"], f"{path}.zone") if "zone" in data else ""
