"""What a customer's events of one name amount to: one row a measure, with what it reads, its outcome, test and words.

Nobody's count, sum and number of different values are 0; an average, a lowest, highest, first or last value of no
events is no value. Events without a value of a property do not count for it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from customers.rows import Floats, Ints, Rows, greatest, share
from segments.rules import arguments
from segments.rules.arguments import expects, keys_of, shown
from segments.rules.comparisons import Comparison, counted_in_words, holds, in_words, number_in_words
from segments.rules.event_fields import compared_in_words, comparison, property_named
from segments.rules.nodes import Condition, EventCondition, Field, Habit, RuleError, Type
from segments.rules.silence import is_after_silence
from segments.rules.texts import folded
from segments.rules.windows import PERIODS, TICK, Ever, Last, Moment, Span, happened, period_starts

EVENT_KEYS = {"event", "zone", "where", "lines"}
DECIMALS = 6  # the order of a sum must not show
MAX_PERIODS = 400
MAX_TIMES = 1_000.0
TIME = pl.Datetime("us", "UTC")


class Asked(NamedTuple):
    """What a measure is compared with."""

    field: Field | None = None
    compare: Comparison | Condition | None = None
    length: Last | None = None
    habit: Habit | None = None
    times: float = 0.0


class Happened(NamedTuple):
    """Some customers' events: `rows` with their age, what each tells of the property, and the order they came in."""

    rows: Rows
    told: pl.Series
    order: Ints

    def with_value(self) -> "Happened":
        """Give those that tell the property."""
        has_value = self.told.is_not_null()
        if has_value.all():
            return self
        mask = has_value.to_numpy()
        return Happened(self.rows.where(mask), self.told.filter(has_value), self.order[mask])


class Measure(NamedTuple):
    """`read` parses what is asked; `outcome` is over the events of `span`, null where there is none; `test` asks it.

    Where the comparison is a condition of its own, that is asked in place of the test.
    """

    keys: set[str]
    read: Callable[[Mapping[str, object], str, str, Mapping[str, Field]], Asked]
    span: Callable[[EventCondition, Moment], Span]
    outcome: Callable[[Happened, EventCondition, Moment], pl.Series]
    test: Callable[[pl.Expr, EventCondition, Moment], pl.Expr]
    words: Callable[[EventCondition, str], str]


# --- What is read: `known` are the fields of the event. ---------------------------------------------------------------
Known = Mapping[str, Field]


def _read_count(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
    return Asked(compare=arguments.count(data[kind], f"{path}.{kind}"))


def _read_property(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
    field = property_named(data[kind], known, f"{path}.{kind}")
    if field.type not in TYPES[kind]:
        wanted = " or ".join(sorted(type.replace("_", "/") for type in TYPES[kind]))
        raise RuleError(f"{path}.{kind}", f"expects a property of type {wanted}; {field.label} is {field.type}")
    if "compare" not in data:
        raise RuleError(path, "'compare' is missing")
    if kind == "distinct":
        return Asked(field, arguments.count(data["compare"], f"{path}.compare"))
    return Asked(field, comparison(data["compare"], field, f"{path}.compare"))


def _read_true(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
    if data[kind] is not True:
        raise expects(f"{path}.{kind}", "true", data[kind])
    return Asked()


def _read_silence(key: str) -> Callable[[Mapping[str, object], str, str, Known], Asked]:
    def read(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
        given = keys_of(data[kind], f"{path}.{kind}", {key}, {key})
        return Asked(length=arguments.duration(given[key], f"{path}.{kind}.{key}", "last"))

    return read


def _read_habit(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
    at = f"{path}.{kind}"
    given = keys_of(data[kind], at, {"at_least", "of", "period"}, {"at_least", "of", "period"})
    of = arguments.whole(given["of"], f"{at}.of", 1, MAX_PERIODS)
    if given["period"] not in PERIODS:
        raise RuleError(f"{at}.period", f"expects one of {', '.join(PERIODS)}, got {shown(given['period'])}")
    return Asked(habit=Habit(arguments.whole(given["at_least"], f"{at}.at_least", 1, of), of, str(given["period"])))


def _read_trend(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
    given = keys_of(data[kind], f"{path}.{kind}", {"window", "ratio"}, {"window", "ratio"})
    window = arguments.duration(given["window"], f"{path}.{kind}.window", "last")
    return Asked(compare=arguments.comparison(given["ratio"], f"{path}.{kind}.ratio"), length=window)


def _read_overdue(data: Mapping[str, object], path: str, kind: str, known: Known) -> Asked:
    at = f"{path}.{kind}"
    given = keys_of(data[kind], at, {"times_usual_gap"}, {"times_usual_gap"})
    times = arguments.number(given["times_usual_gap"], f"{at}.times_usual_gap")
    if not 0 < times <= MAX_TIMES:
        raise expects(f"{at}.times_usual_gap", f"a number above 0, at most {MAX_TIMES:.0f}", times)
    return Asked(times=times)


# --- Which events. ----------------------------------------------------------------------------------------------------
def _within(node: EventCondition, moment: Moment) -> Span:
    return happened(node.within, moment)


def _ever(node: EventCondition, moment: Moment) -> Span:
    return Ever().span(moment)


def _until(node: EventCondition, moment: Moment) -> Span:
    return Span(None, happened(node.within, moment).end)


def _periods(node: EventCondition, moment: Moment) -> Span:
    assert node.habit is not None
    return Span(period_starts(node.habit.period, node.habit.of, moment)[0], moment.as_of + TICK)


def _twice(node: EventCondition, moment: Moment) -> Span:
    assert node.length is not None
    return Last(2 * node.length.number, node.length.unit).span(moment)


# --- What they amount to. ---------------------------------------------------------------------------------------------
def _count(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    return pl.Series(events.rows.count())


def _sum(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    return pl.Series(_numbers(events).total("told").round(DECIMALS))


def _avg(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    return _known(_numbers(events).mean("told").round(DECIMALS))


def _distinct(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    """Give how many different values there are; texts are compared without case."""
    told = events.with_value()
    values = pl.DataFrame({"told": told.told})
    if values.schema["told"] == pl.String:
        values = values.select(folded(pl.col("told")))
    codes = values["told"].rank("dense").cast(pl.Int64).to_numpy()
    return pl.Series(told.rows.with_columns(code=codes).distinct("code"))


def _extreme(highest: bool) -> Callable[[Happened, EventCondition, Moment], pl.Series]:
    def outcome(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
        told = events.with_value()
        values = told.told.to_physical().to_numpy()
        found = np.zeros(told.rows.customers, values.dtype)
        found[told.rows.who] = values  # any of a customer's own, to begin with
        (np.maximum if highest else np.minimum).at(found, told.rows.who, values)
        return pl.Series(found).cast(told.told.dtype).set(pl.Series(told.rows.count() == 0), None)

    return outcome


def _at_one_end(last: bool) -> Callable[[Happened, EventCondition, Moment], pl.Series]:
    def outcome(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
        told, sign = events.with_value(), -1 if last else 1
        place = greatest(told.rows.customers, told.rows.who, sign * told.rows.age, -sign * told.order)
        return told.told.gather(pl.Series(place).replace(-1, None))

    return outcome


def _time_of_first(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    return _times(events.rows, np.maximum, moment)


def _time_of_last(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    return _times(events.rows, np.minimum, moment)


def _resumed(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    """Give when a customer last came back."""
    assert node.length is not None
    rows, start = events.rows.in_order(), happened(node.within, moment).start
    gap = rows.since_before()
    is_next = gap > 0 if start is None else (gap > 0) & (rows.age <= (moment.as_of - start) // TICK)
    rows, gap = rows.where(is_next), gap[is_next]
    return _times(rows.where(is_after_silence(rows.age, gap, node.length, moment)), np.minimum, moment)


def _regularly(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    """Give in how many of the periods there were any."""
    assert node.habit is not None
    starts = period_starts(node.habit.period, node.habit.of, moment)
    ages = np.array([(moment.as_of - start) // TICK for start in starts], dtype=np.int64)
    number = np.searchsorted(-ages, -events.rows.age, side="right")
    return pl.Series(events.rows.with_columns(number=number).distinct("number"))


def _trend(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    assert node.length is not None
    start = node.length.span(moment).start
    assert start is not None
    is_new = events.rows.age <= (moment.as_of - start) // TICK
    new, old = events.rows.where(is_new).count(), events.rows.where(~is_new).count()
    return _known(share(new, old))


def _overdue(events: Happened, node: EventCondition, moment: Moment) -> pl.Series:
    """Give how many usual gaps, the mean of a customer's own, have passed since the last."""
    rows = events.rows
    first, last = np.zeros(rows.customers, np.int64), np.full(rows.customers, np.iinfo(np.int64).max)
    np.maximum.at(first, rows.who, rows.age)
    np.minimum.at(last, rows.who, rows.age)
    count = rows.count()
    between = np.where(count >= 2, first - last, 0).astype(np.float64)
    return _known(share(np.where(count >= 2, last, 0).astype(np.float64) * (count - 1), between))


def _numbers(events: Happened) -> Rows:
    told = events.with_value()
    return told.rows.with_columns(told=told.told.cast(pl.Float64).to_numpy())


def _known(values: Floats) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _times(rows: Rows, nearest: "np.ufunc", moment: Moment) -> pl.Series:
    """Give when each customer's first row was, or the last: that with the greatest age, or the least."""
    age = np.zeros(rows.customers, np.int64)
    age[rows.who] = rows.age
    nearest.at(age, rows.who, rows.age)
    at = (moment.as_of - datetime.fromtimestamp(0, moment.as_of.tzinfo)) // TICK - age
    return pl.Series(at).cast(TIME).set(pl.Series(rows.count() == 0), None)


# --- What is asked of it. ---------------------------------------------------------------------------------------------
def _compared(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    assert isinstance(node.compare, Comparison)
    return holds(node.compare, outcome)


def _is_in_window(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    span = happened(node.within, moment)
    return outcome.is_between(span.start, span.end, closed="left") if span.start else outcome < span.end


def _is_silent(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    assert node.length is not None
    return outcome < node.length.span(moment).start


def _is_there(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    return outcome.is_not_null()


def _is_regular(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    assert node.habit is not None
    return outcome >= node.habit.at_least


def _is_late(outcome: pl.Expr, node: EventCondition, moment: Moment) -> pl.Expr:
    return outcome > node.times


# --- How it is said: `events` are the words for which events. ---------------------------------------------------------
def _of_words(kind: str) -> Callable[[EventCondition, str], str]:
    def words(node: EventCondition, events: str) -> str:
        assert node.field is not None
        assert node.compare is not None
        compared = compared_in_words(node.compare)
        return f"the {kind} {node.field.label} of {events} {node.within.words()} {compared}"

    return words


def _count_words(node: EventCondition, events: str) -> str:
    assert isinstance(node.compare, Comparison)
    return f"{counted_in_words(node.compare)} {events} {node.within.words()}"


def _distinct_words(node: EventCondition, events: str) -> str:
    assert node.field is not None
    assert isinstance(node.compare, Comparison)
    counted = counted_in_words(node.compare)
    return f"{counted} different values of {node.field.label} in {events} {node.within.words()}"


def _first_words(node: EventCondition, events: str) -> str:
    when = "was at any time" if isinstance(node.within, Ever) else f"was {node.within.words()}"
    return f"the first {events} ever {when}"


def _stopped_words(node: EventCondition, events: str) -> str:
    assert node.length is not None
    return f"{events} before, but not {node.length.words()}"


def _resumed_words(node: EventCondition, events: str) -> str:
    assert node.length is not None
    when = "at any time" if isinstance(node.within, Ever) else node.within.words()
    return f"{events} again {when}, after none for {node.length.amount_in_words()}"


def _regular_words(node: EventCondition, events: str) -> str:
    assert node.habit is not None
    of, period = node.habit.of, node.habit.period
    return f"{events} in at least {node.habit.at_least} of the last {of} {period}s, this {period} included"


def _trend_words(node: EventCondition, events: str) -> str:
    assert node.length is not None
    assert isinstance(node.compare, Comparison)
    length = node.length.length_in_words()
    return f"the number of {events} {node.length.words()}, over that of the {length} before, {in_words(node.compare)}"


def _overdue_words(node: EventCondition, events: str) -> str:
    return f"the last {events} is more than {number_in_words(node.times)} times the customer's usual gap ago"


NUMBERS = {Type.NUMBER}
ORDERED = {Type.NUMBER, Type.DATE}
SINGLE = {Type.NUMBER, Type.DATE, Type.TEXT, Type.YES_NO}
TYPES: dict[str, set[Type]] = {
    "sum": NUMBERS,
    "avg": NUMBERS,
    "min": ORDERED,
    "max": ORDERED,
    "distinct": SINGLE,
    "first": SINGLE,
    "last": SINGLE,
}
COUNTED = EVENT_KEYS | {"within"}
COMPARED = COUNTED | {"compare"}


def _of_property(outcome: Any, words: Callable[[EventCondition, str], str]) -> Measure:
    return Measure(COMPARED, _read_property, _within, outcome, _compared, words)


MEASURES: dict[str, Measure] = {
    "count": Measure(COUNTED, _read_count, _within, _count, _compared, _count_words),
    "sum": _of_property(_sum, _of_words("total")),
    "avg": _of_property(_avg, _of_words("average")),
    "min": _of_property(_extreme(highest=False), _of_words("lowest")),
    "max": _of_property(_extreme(highest=True), _of_words("highest")),
    "distinct": _of_property(_distinct, _distinct_words),
    "first": _of_property(_at_one_end(last=False), _of_words("first")),
    "last": _of_property(_at_one_end(last=True), _of_words("last")),
    "first_ever": Measure(COUNTED, _read_true, _ever, _time_of_first, _is_in_window, _first_words),
    "stopped": Measure(EVENT_KEYS, _read_silence("for"), _ever, _time_of_last, _is_silent, _stopped_words),
    "resumed": Measure(COUNTED, _read_silence("after"), _until, _resumed, _is_there, _resumed_words),
    "regularly": Measure(EVENT_KEYS, _read_habit, _periods, _regularly, _is_regular, _regular_words),
    "trend": Measure(EVENT_KEYS, _read_trend, _twice, _trend, _compared, _trend_words),
    "overdue": Measure(EVENT_KEYS, _read_overdue, _ever, _overdue, _is_late, _overdue_words),
}
