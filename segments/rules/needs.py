"""What a rule needs before it can be answered: columns, events, segments, cut-points."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from segments.rules.derived import STATES, campaign_of, score_of
from segments.rules.event_fields import PROPERTY
from segments.rules.event_meaning import asks_lines, fields_of, happenings, zoned
from segments.rules.nodes import (
    Condition,
    EventCondition,
    History,
    Ids,
    Other,
    Rule,
    Sample,
    SegmentHistory,
    SegmentReference,
    Sequence,
    walk,
)
from segments.rules.operators import operator
from segments.rules.windows import CUSTOMER


@dataclass(frozen=True)
class Needs:
    """The frame's columns, the events' names, the other segments, and the conditions that compare with everybody.

    `told` are the names that the histories are kept under which it asks for, `moves` the segments of which it asks who
    entered or left. With `has_properties` and `has_lines` it asks about these of its events. `earlier` are the scores
    that it compares with those of a week before.
    """

    columns: frozenset[str]
    events: frozenset[str]
    segments: frozenset[str]
    cuts: frozenset[Condition]
    told: frozenset[str] = frozenset()
    moves: frozenset[str] = frozenset()
    has_properties: bool = False
    has_lines: bool = False
    earlier: frozenset[str] = frozenset()


@functools.lru_cache(maxsize=4096)
def needs(rule: Rule) -> Needs:
    """Give what a rule reads, its referenced segments' own needs not included; looked for once a process."""
    nodes = list(walk(rule.root))
    conditions = [node for node in nodes if isinstance(node, Condition)]
    histories = [node for node in nodes if isinstance(node, History)]
    columns = {node.field.name for node in conditions} | {node.field.name for node in histories}
    columns |= {node.value.field.name for node in conditions if isinstance(node.value, Other)}
    zones = {getattr(one, "zone", "") for node in nodes for one in zoned(node)}
    earlier = {score for name in columns if (score := score_of(name))}
    of_campaigns = {*STATES} if any(campaign_of(name) for name in columns) else set()
    columns |= earlier
    columns |= {"time_zone"} if CUSTOMER in zones else set()
    columns |= {"seed" for node in nodes if isinstance(node, Sample)}
    columns |= {"external_id" for node in nodes if isinstance(node, Ids)}
    events = [node for node in nodes if isinstance(node, EventCondition | Sequence)]
    return Needs(
        frozenset(columns),
        frozenset(of.event for node in events for of in happenings(node)) | of_campaigns,
        frozenset(node.key for node in nodes if isinstance(node, SegmentReference | SegmentHistory)),
        frozenset(node for node in conditions if operator(node).cut_point),
        frozenset(node.field.told_as for node in histories),
        frozenset(node.key for node in nodes if isinstance(node, SegmentHistory)),
        bool(of_campaigns) or any(field.group == PROPERTY for node in events for field in fields_of(node)),
        any(asks_lines(node) for node in events),
        frozenset(earlier),
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
