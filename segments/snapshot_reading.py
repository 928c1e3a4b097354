"""What a rule is read against outside a cycle: everybody as of the latest snapshot, with the columns that it asks."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import polars as pl

from customers import history
from customers.columns import Replaced
from segments import cuts, everybody, past, rulebook
from segments.everybody import Everybody
from segments.rules import Context, Fields, Rule
from segments.rules.meaning import in_levels, missing_cuts, with_made
from segments.rules.nodes import walk

NOBODYS = pl.Series(dtype=pl.Float64)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Reading:
    """Everybody, one row each with what a rule asks, and what the rule is compared with."""

    people: Everybody
    frame: pl.DataFrame
    context: Context


def read(rule: Rule, fields: Fields, as_of: datetime, also: Collection[str] = ()) -> Reading:
    """Give what a rule is read against as of the latest snapshot, or of `as_of` where that is earlier.

    Raises NoSnapshot before the first full cycle, and columns.Replaced.
    """
    people = everybody.latest()
    book = rulebook.behind(rule, fields)
    rules = [one for level in in_levels({"": rule}, book.readable) for one in level.values()]
    frame = people.frame(rules, also)
    context = past.remembered(past.known(book.context(min(as_of, people.pinned.as_of)), [rule], history.Scope()))
    frame = with_made(frame, [node for one in rules for node in walk(one.root)], context)
    absent = missing_cuts(rule, context)
    columns = {node.field.name: frame.get_column(node.field.name, default=NOBODYS) for node in absent}
    ordered = {name: people.ordered(column) for name, column in columns.items()}
    return Reading(people, frame, replace(context, cuts={**context.cuts, **cuts.of_ordered(ordered, absent)}))


def again(ask: Callable[[], Answer]) -> Answer:
    """Ask, and once more where the snapshot was written anew meanwhile."""
    while True:
        try:
            return ask()
        except Replaced:
            continue
