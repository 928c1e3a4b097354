"""When customers entered and left segments: from the changes of memberships that are stored, in their order."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from customers.rows import Ints, Mask, numbered
from segments.rules.event_meaning import Answer, People
from segments.rules.event_rows import TIME, microseconds
from segments.rules.nodes import SegmentHistory
from segments.rules.windows import CUSTOMER, Moment, happened

NEVER = np.iinfo(np.int64).min
ENTERED, LEFT, IN_FOR = "entered", "left", "in_for"


def histories(
    nodes: Sequence[SegmentHistory], changes: pl.LazyFrame, people: People, moment: Callable[[str], Moment]
) -> list[Answer]:
    """Give the answer of each node: when the last change of its kind was, and whether that is as asked."""
    keys = sorted({node.key for node in nodes})
    told = changes.filter(pl.col("segment").is_in(keys), pl.col("as_of") <= moment("").as_of).collect()
    return [_answer(node, told.filter(pl.col("segment") == node.key), people, moment) for node in nodes]


def _answer(node: SegmentHistory, changes: pl.DataFrame, people: People, moment: Callable[[str], Moment]) -> Answer:
    times = {kind: _last(changes.filter(pl.col("kind") == kind), people.ids) for kind in (ENTERED, LEFT)}
    since = times[LEFT if node.kind == LEFT else ENTERED]
    found = pl.Series(since).cast(TIME).set(pl.Series(since == NEVER), None)
    zones = people.zones if node.zone == CUSTOMER else {node.zone: np.ones(len(people.ids), dtype=bool)}
    holds = np.zeros(len(people.ids), dtype=bool)
    for zone, is_here in zones.items():
        holds |= is_here & _as_asked(node, since, times[LEFT], moment(zone))
    return Answer(pl.Series(holds), found)


def _as_asked(node: SegmentHistory, since: Ints, left: Ints, moment: Moment) -> Mask:
    span = happened(node.window, moment)
    start = NEVER if span.start is None else microseconds(span.start)
    holds: Mask = since != NEVER
    if node.kind == IN_FOR:
        holds &= (since > left) & (since < start)
    else:
        holds &= (since >= start) & (since < microseconds(span.end))
    return holds


def _last(changes: pl.DataFrame, ids: Ints) -> Ints:
    """Give when each customer's last of some changes was."""
    who = numbered(ids, changes["customer_id"].to_numpy())
    last = np.full(len(ids), NEVER)
    np.maximum.at(last, who[who >= 0], changes["as_of"].to_physical().to_numpy()[who >= 0])
    return last
