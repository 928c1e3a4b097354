"""When customers entered and left segments: from the changes of memberships that are stored, in their order."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from customers.rows import Ints, numbered
from segments.rules.event_meaning import Answer, People
from segments.rules.event_rows import TIME, microseconds
from segments.rules.nodes import SegmentHistory
from segments.rules.windows import CUSTOMER, Moment, Span, happened

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
    who = numbered(people.ids, changes["customer_id"].to_numpy())
    is_there = pl.Series(who >= 0)
    moves = changes.filter(is_there).select("kind", "as_of", who=pl.Series(who).filter(is_there))
    of_kind = moves.filter(pl.col("kind") == (LEFT if node.kind == LEFT else ENTERED))
    last, left = (_last(rows, len(people.ids)) for rows in (of_kind, moves.filter(pl.col("kind") == LEFT)))
    zones = people.zones if node.zone == CUSTOMER else {node.zone: np.ones(len(people.ids), dtype=bool)}
    holds = np.zeros(len(people.ids), dtype=bool)
    for zone, is_here in zones.items():
        span = happened(node.window, moment(zone))
        if node.kind == IN_FOR:
            assert span.start is not None
            holds |= is_here & (last > left) & (last < microseconds(span.start))
        else:
            holds |= is_here & (_last(of_kind.filter(_is_within(span)), len(people.ids)) != NEVER)
    return Answer(pl.Series(holds, dtype=pl.Boolean), pl.Series(last).cast(TIME).set(pl.Series(last == NEVER), None))


def _is_within(span: Span) -> pl.Expr:
    is_before = pl.col("as_of") < span.end
    return is_before if span.start is None else is_before & (pl.col("as_of") >= span.start)


def _last(moves: pl.DataFrame, customers: int) -> Ints:
    """Give when each customer's last move was."""
    last: Ints = np.full(customers, NEVER)
    np.maximum.at(last, moves["who"].to_numpy(), moves["as_of"].to_physical().to_numpy())
    return last
