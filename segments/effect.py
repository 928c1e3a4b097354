"""What saving a rule would do: who would enter the segment, who would leave it, as of the latest snapshot."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from segments import bitmaps, by_hand, snapshot_reading
from segments.everybody import Everybody
from segments.fields import catalogue
from segments.models import Segment
from segments.rules import Fields, Rule, mask, parse

EXAMPLES = 5


@dataclass(frozen=True)
class Move:
    """How many move, and some of them by their external ids."""

    count: int
    examples: list[str]


@dataclass(frozen=True)
class Effect:
    """Who would enter and who would leave."""

    entering: Move
    leaving: Move


def effect(rule_json: object, segment: Segment | None, as_of: datetime) -> Effect:
    """Compare whom a rule holds with the stored members.

    Raises RuleError, and NoSnapshot before the first full cycle.
    """
    fields = catalogue()
    rule = parse(rule_json, fields, segment.key if segment else "")
    return snapshot_reading.again(lambda: _effect(rule, fields, segment, as_of))


def _effect(rule: Rule, fields: Fields, segment: Segment | None, as_of: datetime) -> Effect:
    found = snapshot_reading.read(rule, fields, as_of, ["bucket"])
    now = mask(rule, found.frame, found.context)
    was = pl.repeat(False, found.frame.height, eager=True)
    if segment:
        now = by_hand.pinned(now, found.frame["customer_id"], found.context.pins.get(segment.key))
        was = bitmaps.members(segment.pk, found.frame)
    entering, leaving = (found.frame.filter(who) for who in (now & ~was, was & ~now))
    return Effect(_move(found.people, entering), _move(found.people, leaving))


def _move(people: Everybody, who: pl.DataFrame) -> Move:
    few = people.named(who["customer_id"].head(EXAMPLES))
    return Move(who.height, few["external_id"].to_list())
