"""What a customer's events of one name amount to: one row a measure, with its aggregate, its test and its words.

Nobody's count and sum are 0; an average, a lowest or highest value of no events is no value.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from segments.rules import arguments
from segments.rules.arguments import expects, keys_of, nearest, shown
from segments.rules.comparisons import Comparison, counted_in_words, holds, in_words
from segments.rules.nodes import EventCondition, RuleError
from segments.rules.windows import Ever, Last, Moment, happened

PROPERTIES = ("value",)
EVENT_KEYS = {"event", "zone"}


class Asked(NamedTuple):
    """What a measure is compared with."""

    property: str = ""
    compare: Comparison | None = None
    silence: Last | None = None


class Measure(NamedTuple):
    """`read` parses what is asked; `aggregate(property)` is over one customer's events in the window.

    With `is_ever` it is over all of them up to as_of. `test` asks its outcome, null for a customer without such events.
    """

    keys: set[str]
    read: Callable[[Mapping[str, object], str, str], Asked]
    aggregate: Callable[[str], pl.Expr]
    test: Callable[[pl.Expr, EventCondition, Moment], pl.Expr]
    words: Callable[[EventCondition], str]
    is_ever: bool = False


def _read_count(data: Mapping[str, object], path: str, kind: str) -> Asked:
    return Asked(compare=arguments.count(data[kind], f"{path}.{kind}"))


def _read_property(data: Mapping[str, object], path: str, kind: str) -> Asked:
    name = data[kind]
    if name not in PROPERTIES:
        raise RuleError(f"{path}.{kind}", f"no number named {shown(name)} in events{nearest(name, PROPERTIES)}")
    if "compare" not in data:
        raise RuleError(path, "'compare' is missing")
    return Asked(str(name), arguments.comparison(data["compare"], f"{path}.compare"))


def _read_true(data: Mapping[str, object], path: str, kind: str) -> Asked:
    if data[kind] is not True:
        raise expects(f"{path}.{kind}", "true", data[kind])
    return Asked()


def _read_silence(data: Mapping[str, object], path: str, kind: str) -> Asked:
    given = keys_of(data[kind], f"{path}.{kind}", {"for"}, {"for"})
    return Asked(silence=arguments.duration(given["for"], f"{path}.{kind}.for", "last"))


def _compared(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    assert node.compare is not None
    return holds(node.compare, outcome)


def _zero_compared(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    return _compared(outcome.fill_null(0), node, moment)


def _is_in_window(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    span = happened(node.within, moment)
    return outcome.is_between(span.start, span.end, closed="left") if span.start else outcome < span.end


def _is_silent(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    assert node.silence is not None
    return outcome < node.silence.span(moment).start


def _of_words(kind: str) -> Callable[[EventCondition], str]:
    def words(node: EventCondition) -> str:
        assert node.compare is not None
        return f"the {kind} {node.property} of {node.event} {node.within.words()} {in_words(node.compare)}"

    return words


def _count_words(node: EventCondition) -> str:
    assert node.compare is not None
    return f"{counted_in_words(node.compare)} {node.event} {node.within.words()}"


def _first_words(node: EventCondition) -> str:
    when = "was at any time" if isinstance(node.within, Ever) else f"was {node.within.words()}"
    return f"the first {node.event} ever {when}"


def _stopped_words(node: EventCondition) -> str:
    assert node.silence is not None
    return f"{node.event} before, but not {node.silence.words()}"


COUNTED = EVENT_KEYS | {"within"}
COMPARED = COUNTED | {"compare"}
MEASURES: dict[str, Measure] = {
    "count": Measure(COUNTED, _read_count, lambda p: pl.len(), _zero_compared, _count_words),
    "sum": Measure(COMPARED, _read_property, lambda p: pl.col(p).sum(), _zero_compared, _of_words("total")),
    "avg": Measure(COMPARED, _read_property, lambda p: pl.col(p).mean(), _compared, _of_words("average")),
    "min": Measure(COMPARED, _read_property, lambda p: pl.col(p).min(), _compared, _of_words("lowest")),
    "max": Measure(COMPARED, _read_property, lambda p: pl.col(p).max(), _compared, _of_words("highest")),
    "first_ever": Measure(
        COUNTED, _read_true, lambda p: pl.col("occurred_at").min(), _is_in_window, _first_words, is_ever=True
    ),
    "stopped": Measure(
        EVENT_KEYS, _read_silence, lambda p: pl.col("occurred_at").max(), _is_silent, _stopped_words, is_ever=True
    ),
}
