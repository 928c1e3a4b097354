"""A rule as one plain English sentence, the same wherever it is shown."""

from collections.abc import Callable
from typing import Any

from segments.rules.groups import GROUPS
from segments.rules.measures import MEASURES
from segments.rules.nodes import Condition, EventCondition, Group, Ids, Node, Rule, Sample, SegmentReference
from segments.rules.operators import operator

FEW = 3


def sentence(rule: Rule) -> str:
    """Give `country is DE or AT, and 2 or more Order Completed in the last 90 days`."""
    return in_words(rule.root)


def in_words(node: Node) -> str:
    """Give the words of one node and what is below it."""
    return WORDS[type(node)](node)


def _group(node: Group) -> str:
    plain = node.kind in ("all", "any") and len(node.nodes) > 1
    parts = [f"({in_words(child)})" if plain and _is_joined(child) else in_words(child) for child in node.nodes]
    return GROUPS[node.kind].words(parts, node.number)


def _is_joined(node: Node) -> bool:
    return isinstance(node, Group) and node.kind in ("all", "any") and len(node.nodes) > 1


def _condition(node: Condition) -> str:
    row = operator(node)
    label = node.field.label
    said = f"{label} {row.words.format(row.argument.words(node.value))}"
    if node.is_exact:
        said += " (exactly as written)"
    if node.zone:
        said += f" ({node.zone})"
    if row.asks_for_value:
        return said
    if node.is_missing_included:
        return f"{said} or not known"
    return f"{said} (and is known)" if row.is_negative else said


def _event(node: EventCondition) -> str:
    said = MEASURES[node.measure].words(node)
    return f"{said} ({node.zone})" if node.zone else said


def _ids(node: Ids) -> str:
    if len(node.ids) > FEW:
        return f"one of {len(node.ids)} listed customers"
    return f"customer {' or '.join(node.ids)}"


WORDS: dict[type, Callable[[Any], str]] = {
    Group: _group,
    Condition: _condition,
    EventCondition: _event,
    SegmentReference: lambda node: f"{'in' if node.is_in else 'not in'} segment {node.key}",
    Sample: lambda node: f"in a stable sample of {node.percent:.15g} % (salt {node.salt})",
    Ids: _ids,
}
