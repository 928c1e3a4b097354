"""A rule as one plain English sentence, the same wherever it is shown."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from segments.rules.comparisons import counted_in_words
from segments.rules.event_fields import LINE, compared_in_words
from segments.rules.groups import GROUPS
from segments.rules.history import HISTORIES
from segments.rules.measures import MEASURES
from segments.rules.nodes import (
    Condition,
    EventCondition,
    Group,
    Happening,
    History,
    Ids,
    Lines,
    Listed,
    Node,
    Other,
    Rule,
    Sample,
    SegmentHistory,
    SegmentReference,
    Sequence,
)
from segments.rules.operators import operator
from segments.rules.windows import CUSTOMER, Ever, Last, Moment, Window, happened, instants_in_words

FEW = 3
LINE_WORDS = {
    "any": "a product whose {}",
    "all": "only products whose {}",
    "none": "no product whose {}",
}
Words = Callable[[Any, Moment | None], str]


def sentence(rule: Rule, moment: Moment | None = None) -> str:
    """Give `country is DE or AT, and 2 or more Order Completed in the last 90 days`.

    With the time that the rule is read at, and the default zone, the instants that its windows stand for are added.
    """
    return in_words(rule.root, moment)


def in_words(node: Node, moment: Moment | None = None) -> str:
    """Give the words of one node and what is below it."""
    return WORDS[type(node)](node, moment)


def _group(node: Group, moment: Moment | None) -> str:
    plain = node.kind in ("all", "any") and len(node.nodes) > 1
    told = [in_words(child, moment) for child in node.nodes]
    parts = [f"({said})" if plain and _is_joined(child) else said for child, said in zip(node.nodes, told, strict=True)]
    return GROUPS[node.kind].words(parts, node.number)


def _is_joined(node: Node) -> bool:
    return isinstance(node, Group) and node.kind in ("all", "any") and len(node.nodes) > 1


def _condition(node: Condition, moment: Moment | None) -> str:
    row = operator(node)
    value = _other(node.value) if isinstance(node.value, Other) else row.argument.words(node.value)
    said = f"{node.field.label} {row.words.format(value)}"
    if node.is_exact:
        said += " (exactly as written)"
    said += _zone(node.zone)
    if moment and row.span and not isinstance(node.value, Other):
        span = row.span
        said += instants_in_words(lambda at: span(node.value, at), moment, node.zone)
    if row.asks_for_value:
        return said
    if node.is_missing_included:
        return f"{said} or not known"
    return f"{said} (and is known)" if row.is_negative else said


def _history(node: History, moment: Moment | None) -> str:
    row = HISTORIES[node.kind]
    said = f"{node.field.label} {row.words(node)}"
    said += f"{' (exactly as written)' if node.is_exact else ''}{_zone(node.zone)}"
    if moment and row.window and not isinstance(row.window(node.value), Ever):
        within = row.window(node.value)
        said += instants_in_words(lambda at: happened(within, at), moment, node.zone)
    if node.is_missing_included:
        return f"{said} or was never known"
    return f"{said} (and was known)" if row.is_negative else said


def _other(other: Other) -> str:
    if not other.offset_days:
        return other.field.label
    days = "1 day" if abs(other.offset_days) == 1 else f"{abs(other.offset_days)} days"
    return f"{days} {'after' if other.offset_days > 0 else 'before'} {other.field.label}"


def _zone(zone: str) -> str:
    return " (in the customer's time zone)" if zone == CUSTOMER else f" ({zone})" if zone else ""


def _event(node: EventCondition, moment: Moment | None) -> str:
    is_of_lines = node.field is not None and node.field.group == LINE and node.of.lines.kind == "any"
    events = _products(node.of) if is_of_lines else happening_in_words(node.of)
    said = MEASURES[node.measure].words(node, events) + _zone(node.zone)
    return said + _instants(node.within, moment, node.zone)


def _sequence(node: Sequence, moment: Moment | None) -> str:
    steps = [f"no {happening_in_words(step.of)}" if step.is_not else happening_in_words(step.of) for step in node.steps]
    gap = f", each at most {node.gap.amount_in_words()} after the one before" if node.gap else ""
    said = f"{', then '.join(steps)}{gap}, {node.within.words()}{_zone(node.zone)}"
    return said + _instants(node.within, moment, node.zone)


def _products(of: Happening) -> str:
    """Give `products whose category is Tea, in Order Completed`."""
    lines = [one for one in of.where if one.field.group == LINE]
    which = f" whose {' and '.join(_condition(one, None) for one in lines)}," if lines else ""
    orders = happening_in_words(replace(of, where=tuple(one for one in of.where if one not in lines)))
    return f"products{which} in {orders}"


def happening_in_words(of: Happening) -> str:
    """Give `Order Completed (with value is 50 or more)`."""
    about = [_condition(one, None) for one in of.where if one.field.group != LINE]
    lines = " and ".join(_condition(one, None) for one in of.where if one.field.group == LINE)
    if of.lines.compare is not None:
        what = "products" if of.lines.field is None else of.lines.field.label
        which = f" whose {lines}" if lines else ""
        counted = counted_in_words(of.lines.compare)
        about.append(f"{counted} products{which}" if of.lines.field is None else _summed(of.lines, what, which))
    elif lines:
        about.append(LINE_WORDS[of.lines.kind].format(lines))
    return f"{of.event} (with {', and '.join(about)})" if about else of.event


def _summed(lines: Lines, what: str, which: str) -> str:
    assert lines.compare is not None
    return f"products{which} of which the total {what} {compared_in_words(lines.compare)}"


def _moved(node: SegmentHistory, moment: Moment | None) -> str:
    if isinstance(node.window, Last) and node.kind == "in_for":
        return f"in segment {node.key} for {node.window.amount_in_words()} or longer{_zone(node.zone)}"
    said = f"{node.kind} segment {node.key} {node.window.words()}{_zone(node.zone)}"
    return said + _instants(node.window, moment, node.zone)


def _instants(window: Window, moment: Moment | None, zone: str) -> str:
    if moment is None or isinstance(window, Ever):
        return ""
    return instants_in_words(lambda at: happened(window, at), moment, zone)


def _ids(node: Ids, moment: Moment | None) -> str:
    if len(node.ids) > FEW:
        return f"one of {len(node.ids)} listed customers"
    return f"customer {' or '.join(node.ids)}"


WORDS: dict[type, Words] = {
    Group: _group,
    Condition: _condition,
    History: _history,
    EventCondition: _event,
    Sequence: _sequence,
    SegmentHistory: _moved,
    SegmentReference: lambda node, moment: f"{'in' if node.is_in else 'not in'} segment {node.key}",
    Sample: lambda node, moment: f"in a stable sample of {node.percent:.15g} % (salt {node.salt})",
    Ids: _ids,
    Listed: lambda node, moment: "on the list",
}
