"""What a rule needs before it can be answered: columns, events, segments, cut-points."""

from collections.abc import Iterator
from dataclasses import dataclass

from segments.rules.nodes import Condition, EventCondition, History, Ids, Other, Rule, Sample, SegmentReference, walk
from segments.rules.operators import operator
from segments.rules.windows import CUSTOMER


@dataclass(frozen=True)
class Needs:
    """The frame's columns, the events' names, the other segments, and the conditions that compare with everybody.

    `told` are the names that the histories are kept under which it asks for.
    """

    columns: frozenset[str]
    events: frozenset[str]
    segments: frozenset[str]
    cuts: frozenset[Condition]
    told: frozenset[str] = frozenset()


def needs(rule: Rule) -> Needs:
    """Give what a rule reads, its referenced segments' own needs not included."""
    nodes = list(walk(rule.root))
    conditions = [node for node in nodes if isinstance(node, Condition)]
    histories = [node for node in nodes if isinstance(node, History)]
    columns = {node.field.name for node in conditions} | {node.field.name for node in histories}
    columns |= {node.value.field.name for node in conditions if isinstance(node.value, Other)}
    columns |= {"time_zone" for node in nodes if getattr(node, "zone", "") == CUSTOMER}
    columns |= {"seed" for node in nodes if isinstance(node, Sample)}
    columns |= {"external_id" for node in nodes if isinstance(node, Ids)}
    return Needs(
        frozenset(columns),
        frozenset(node.event for node in nodes if isinstance(node, EventCondition)),
        frozenset(node.key for node in nodes if isinstance(node, SegmentReference)),
        frozenset(node for node in conditions if operator(node).cut_point),
        frozenset(node.field.told_as for node in histories),
    )


def named(data: object, key: str) -> frozenset[str]:
    """Give the texts under a key anywhere in a rule's JSON, which need not be valid: `named(rule, "segment")`."""
    return frozenset(_named(data, key))


def _named(data: object, key: str) -> Iterator[str]:
    if isinstance(data, dict):
        if isinstance(data.get(key), str):
            yield data[key]
        for value in data.values():
            yield from _named(value, key)
    elif isinstance(data, list):
        for value in data:
            yield from _named(value, key)
