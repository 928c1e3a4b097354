"""The operators of numbers and of yes or no. Those with a cut-point compare a customer with all customers."""

import math
from fractions import Fraction

import polars as pl

from segments.rules.arguments import (
    COUNT,
    NOTHING,
    NUMBER,
    NUMBER_RANGE,
    NUMBERS,
    PERCENT,
    PERCENT_RANGE,
    SPREAD,
    Argument,
)
from segments.rules.comparisons import COMPARISONS, Comparison, holds
from segments.rules.nodes import Type
from segments.rules.subjects import Cut, CutPoint, Operator, Subject, is_in, value_rows
from segments.rules.windows import Moment

DECIMALS = 9  # of a mean and a spread: what a sum of many leaves behind them is noise


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


def _from_mean(values: pl.Series, spreads: float) -> float:
    """Give the mean and so many standard deviations of all customers."""
    mean, spread = values.mean(), values.std(ddof=0)
    assert isinstance(mean, float)
    assert isinstance(spread, float)
    return round(mean + spreads * spread, DECIMALS)


def _row(name: str) -> Operator:
    """Give a comparison with one number, or another field; events share their meanings."""
    compared = COMPARISONS[name]

    def against(subject: Subject, other: Subject, moment: Moment) -> pl.Expr:
        return compared.meaning(subject.column, (other.column,))

    def meaning(subject: Subject, value: float, moment: Moment) -> pl.Expr:
        return holds(Comparison(name, (value,)), subject.column)

    return Operator(
        Type.NUMBER, name, NUMBER, meaning, compared.words, compared.is_negative, against=against, other=Type.NUMBER
    )


def _between(subject: Subject, ends: tuple[float, float], moment: Moment) -> pl.Expr:
    return holds(Comparison("between", ends), subject.column)


def _cut_row(name: str, argument: Argument, words: str, cut_point: CutPoint) -> Operator:
    """Give a row that compares with everybody: a cut-point is given their values in ascending order, at least one."""
    return Operator(Type.NUMBER, name, argument, lambda s, v, m: _within(v, s.column), words, cut_point=cut_point)


ROWS = [
    *(_row(name) for name in COMPARISONS if name != "between"),
    Operator(Type.NUMBER, "between", NUMBER_RANGE, _between, "is from {}"),
    Operator(
        Type.NUMBER,
        "not_between",
        NUMBER_RANGE,
        lambda s, v, m: ~_between(s, v, m),
        "is not from {}",
        is_negative=True,
    ),
    Operator(Type.NUMBER, "any_of", NUMBERS, lambda s, v, m: is_in(s.column, v), "is {}"),
    _cut_row("top_percent", PERCENT, "is in the top {} %", lambda s, v: _top(s, math.ceil(_share(v, len(s))))),
    _cut_row("bottom_percent", PERCENT, "is in the bottom {} %", lambda s, v: _bottom(s, math.ceil(_share(v, len(s))))),
    _cut_row("percentile_between", PERCENT_RANGE, "is between the percentiles {}", _between_shares),
    _cut_row("top_n", COUNT, "is among the {} highest", _top),
    _cut_row("bottom_n", COUNT, "is among the {} lowest", _bottom),
    _cut_row(
        "above_mean_sd",
        SPREAD,
        "is above the mean by {} or more",
        lambda s, v: Cut(_from_mean(s, v), None, len(s)),
    ),
    _cut_row(
        "below_mean_sd",
        SPREAD,
        "is below the mean by {} or more",
        lambda s, v: Cut(None, _from_mean(s, -v), len(s)),
    ),
    *value_rows(Type.NUMBER),
    Operator(Type.YES_NO, "is_true", NOTHING, lambda s, v, m: s.column, "is true"),
    Operator(Type.YES_NO, "is_false", NOTHING, lambda s, v, m: ~s.column, "is false", is_negative=True),
    *value_rows(Type.YES_NO),
]
