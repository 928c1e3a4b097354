"""Every operator of a field: its type, its argument, its meaning and its words, in one row.

A meaning is null where the column has no value; the leaf of a mask turns that into false (or into true, where the
rule includes those without a value), so that an operator and its opposite both leave them out.
"""

import math
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

import polars as pl

from segments.rules.arguments import (
    COUNT,
    DAY,
    DURATION,
    NOTHING,
    NUMBER,
    NUMBER_RANGE,
    NUMBERS,
    PERCENT,
    PERCENT_RANGE,
    POINT,
    TEXT,
    TEXTS,
    TIME_RANGE,
    Argument,
)
from segments.rules.comparisons import COMPARISONS, Comparison, holds
from segments.rules.nodes import Condition, Type
from segments.rules.windows import Moment, Span, first_day

IN_BY_EQUALITY = 8


class Subject(NamedTuple):
    """The column a condition looks at; `is_day` where it holds days, not instants."""

    column: pl.Expr
    is_day: bool = False


class Cut(NamedTuple):
    """The values between which a share of all customers lies, ends in; `customers` had a value when it was taken."""

    low: float | None
    high: float | None
    customers: int


class CutKey(NamedTuple):
    """What a cut belongs to: the same question about the same field has the same answer in every rule."""

    field: str
    op: str
    value: Any


Meaning = Callable[[Subject, Any, Moment], pl.Expr]
CutPoint = Callable[["pl.Series", Any], Cut]


class Operator(NamedTuple):
    """One way to look at one type of field. With `cut_point` its meaning is given the Cut in place of the value."""

    type: Type
    name: str
    argument: Argument
    meaning: Meaning
    words: str
    is_negative: bool = False
    asks_for_value: bool = False
    cut_point: CutPoint | None = None


def folded(column: pl.Expr) -> pl.Expr:
    """Give texts as they are compared: NFC, and without case, so that STRASSE, Straße and STRAẞE are the same."""
    plain = column.str.normalize("NFC").str.to_lowercase().str.to_uppercase().str.to_lowercase()
    return plain.str.replace_all("ς", "σ", literal=True).str.normalize("NFC")


def _is_in(column: pl.Expr, values: tuple[Any, ...]) -> pl.Expr:
    if len(values) <= IN_BY_EQUALITY:
        return pl.any_horizontal(*(column == value for value in values))
    return column.is_in(pl.Series(values).implode())


def _in_list(column: pl.Expr, values: tuple[str, ...]) -> list[pl.Expr]:
    return [column.list.contains(pl.lit(value)) for value in values]


def _in_span(subject: Subject, span: Span, moment: Moment) -> pl.Expr:
    """Give the times of a span; a day is where its midnight in the zone is."""
    before = subject.column < (first_day(span.end, moment.zone) if subject.is_day else span.end)
    if span.start is None:
        return before
    return (subject.column >= (first_day(span.start, moment.zone) if subject.is_day else span.start)) & before


def _before(subject: Subject, instant: datetime | None, moment: Moment) -> pl.Expr:
    return _in_span(subject, Span(None, instant or moment.as_of), moment)


def _within(cut: Cut, column: pl.Expr) -> pl.Expr:
    """Give who lies within a cut, both ends in; nobody where nobody had a value when it was taken."""
    if cut.customers == 0:
        return column.is_null() & column.is_not_null()
    low = column >= cut.low if cut.low is not None else column.is_not_null()
    return low & (column <= cut.high) if cut.high is not None else low


def _share(percentage: float, customers: int) -> Fraction:
    return Fraction(str(percentage)) * customers / 100


def _top(values: pl.Series, customers: int) -> Cut:
    return Cut(float(values[max(len(values) - customers, 0)]), None, len(values))


def _bottom(values: pl.Series, customers: int) -> Cut:
    return Cut(None, float(values[min(customers, len(values)) - 1]), len(values))


def _between_shares(values: pl.Series, ends: tuple[float, float]) -> Cut:
    low, high = (_share(end, len(values)) for end in ends)
    return Cut(float(values[math.floor(low)]), float(values[math.ceil(high) - 1]), len(values))


# --- The rows. A cut-point is given all customers' values in ascending order, at least one. --------------------------
def _cut_row(name: str, argument: Argument, words: str, cut_point: CutPoint) -> Operator:
    return Operator(Type.NUMBER, name, argument, lambda s, v, m: _within(v, s.column), words, cut_point=cut_point)


def _value_rows(type: Type) -> tuple[Operator, Operator]:
    return (
        Operator(type, "has_value", NOTHING, lambda s, v, m: s.column.is_not_null(), "is known", asks_for_value=True),
        Operator(type, "no_value", NOTHING, lambda s, v, m: s.column.is_null(), "is not known", asks_for_value=True),
    )


def _number_row(name: str) -> Operator:
    """Give a comparison of a number; events share their meanings."""

    def meaning(subject: Subject, value: Any, moment: Moment) -> pl.Expr:
        return holds(Comparison(name, value if name == "between" else (value,)), subject.column)

    if name == "between":
        return Operator(Type.NUMBER, name, NUMBER_RANGE, meaning, "is from {}")
    return Operator(Type.NUMBER, name, NUMBER, meaning, COMPARISONS[name].words, COMPARISONS[name].is_negative)


TEXT_ROWS = [
    Operator(Type.TEXT, "is", TEXT, lambda s, v, m: s.column == v, "is {}"),
    Operator(Type.TEXT, "is_not", TEXT, lambda s, v, m: s.column != v, "is not {}", is_negative=True),
    Operator(Type.TEXT, "any_of", TEXTS, lambda s, v, m: _is_in(s.column, v), "is {}"),
    Operator(Type.TEXT, "none_of", TEXTS, lambda s, v, m: ~_is_in(s.column, v), "is not {}", is_negative=True),
    Operator(Type.TEXT, "contains", TEXT, lambda s, v, m: s.column.str.contains(v, literal=True), "contains {}"),
    Operator(
        Type.TEXT,
        "not_contains",
        TEXT,
        lambda s, v, m: ~s.column.str.contains(v, literal=True),
        "does not contain {}",
        is_negative=True,
    ),
    Operator(Type.TEXT, "starts", TEXT, lambda s, v, m: s.column.str.starts_with(v), "starts with {}"),
    Operator(Type.TEXT, "ends", TEXT, lambda s, v, m: s.column.str.ends_with(v), "ends with {}"),
]
NUMBER_ROWS = [
    *map(_number_row, COMPARISONS),
    Operator(Type.NUMBER, "any_of", NUMBERS, lambda s, v, m: _is_in(s.column, v), "is {}"),
    _cut_row("top_percent", PERCENT, "is in the top {} %", lambda s, v: _top(s, math.ceil(_share(v, len(s))))),
    _cut_row("bottom_percent", PERCENT, "is in the bottom {} %", lambda s, v: _bottom(s, math.ceil(_share(v, len(s))))),
    _cut_row("percentile_between", PERCENT_RANGE, "is between the percentiles {}", _between_shares),
    _cut_row("top_n", COUNT, "is among the {} highest", _top),
    _cut_row("bottom_n", COUNT, "is among the {} lowest", _bottom),
]
YES_NO_ROWS = [
    Operator(Type.YES_NO, "is_true", NOTHING, lambda s, v, m: s.column, "is true"),
    Operator(Type.YES_NO, "is_false", NOTHING, lambda s, v, m: ~s.column, "is false", is_negative=True),
]
DATE_ROWS = [
    Operator(Type.DATE, "on", DAY, lambda s, v, m: _in_span(s, v.span(m), m), "is on {}"),
    Operator(Type.DATE, "before", POINT, lambda s, v, m: _before(s, v.instant(m.zone), m), "is before {}"),
    Operator(Type.DATE, "after", POINT, lambda s, v, m: ~_before(s, v.end(m.zone), m), "is after {}"),
    Operator(Type.DATE, "between", TIME_RANGE, lambda s, v, m: _in_span(s, v.span(m), m), "is {}"),
    Operator(Type.DATE, "in_last", DURATION, lambda s, v, m: _in_span(s, v.span(m), m), "is in the last {}"),
    Operator(
        Type.DATE,
        "not_in_last",
        DURATION,
        lambda s, v, m: ~_in_span(s, v.span(m), m),
        "is not in the last {}",
        is_negative=True,
    ),
    Operator(
        Type.DATE, "more_than_ago", DURATION, lambda s, v, m: _before(s, v.span(m).start, m), "is more than {} ago"
    ),
]
LIST_ROWS = [
    Operator(Type.LIST, "contains", TEXT, lambda s, v, m: s.column.list.contains(pl.lit(v)), "contains {}"),
    Operator(
        Type.LIST,
        "not_contains",
        TEXT,
        lambda s, v, m: ~s.column.list.contains(pl.lit(v)),
        "does not contain {}",
        is_negative=True,
    ),
    Operator(Type.LIST, "any_of", TEXTS, lambda s, v, m: pl.any_horizontal(_in_list(s.column, v)), "has any of {}"),
    Operator(Type.LIST, "all_of", TEXTS, lambda s, v, m: pl.all_horizontal(_in_list(s.column, v)), "has all of {}"),
    Operator(
        Type.LIST,
        "none_of",
        TEXTS,
        lambda s, v, m: ~pl.any_horizontal(_in_list(s.column, v)),
        "has none of {}",
        is_negative=True,
    ),
]
ROWS = [
    *(TEXT_ROWS + NUMBER_ROWS + YES_NO_ROWS + DATE_ROWS + LIST_ROWS),
    *(row for type in Type for row in _value_rows(type)),
]
OPERATORS: dict[tuple[Type, str], Operator] = {(row.type, row.name): row for row in ROWS}


def operator(condition: Condition) -> Operator:
    """Give the row of a condition."""
    return OPERATORS[condition.field.type, condition.op]


def names(type: Type) -> list[str]:
    """Give the operators of a type, in the order of the table."""
    return [row.name for row in OPERATORS.values() if row.type == type]


def cut_key(condition: Condition) -> CutKey:
    """Give the key of a condition's cut."""
    return CutKey(condition.field.name, condition.op, condition.value)
