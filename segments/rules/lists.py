"""The operators of lists, which are compared like texts, entry by entry; neither order nor repetition counts."""

from collections.abc import Callable
from typing import Any

import polars as pl

from segments.rules.arguments import LENGTH, TEXT, TEXTS, Argument
from segments.rules.comparisons import holds
from segments.rules.nodes import Type
from segments.rules.subjects import Operator, Subject, value_rows
from segments.rules.texts import fold
from segments.rules.windows import Moment

Test = Callable[[Subject, Any], pl.Expr]


def _has(subject: Subject, value: str | pl.Expr) -> pl.Expr:
    return subject.column.list.contains(pl.lit(value) if isinstance(value, str) else value)


def _any(subject: Subject, values: tuple[str, ...] | pl.Expr) -> pl.Expr:
    if isinstance(values, pl.Expr):
        return subject.column.list.set_intersection(values).list.drop_nulls().list.len() > 0
    return pl.any_horizontal(*(_has(subject, value) for value in values))


def _all(subject: Subject, values: tuple[str, ...] | pl.Expr) -> pl.Expr:
    if isinstance(values, pl.Expr):
        return values.list.set_difference(subject.column).list.drop_nulls().list.len() == 0
    return pl.all_horizontal(*(_has(subject, value) for value in values))


def _exactly(subject: Subject, values: tuple[str, ...] | pl.Expr) -> pl.Expr:
    if isinstance(values, pl.Expr):
        return subject.column.list.set_symmetric_difference(values).list.drop_nulls().list.len() == 0
    return _all(subject, values) & subject.column.list.eval(pl.element().is_in([*values])).list.all()


def _row(name: str, argument: Argument, test: Test, words: str) -> Operator:
    """Give a row whose value may be another field: a text where it takes one, else a list."""

    def meaning(subject: Subject, value: Any, moment: Moment) -> pl.Expr:
        return test(subject, value)

    def against(subject: Subject, other: Subject, moment: Moment) -> pl.Expr:
        return test(subject, other.column)

    other = Type.TEXT if argument is TEXT else Type.LIST
    return Operator(Type.LIST, name, argument, meaning, words, fold=fold, against=against, other=other)


def _not(test: Test) -> Test:
    return lambda subject, value: ~test(subject, value)


ROWS = [
    _row("contains", TEXT, _has, "contains {}"),
    _row("not_contains", TEXT, _not(_has), "does not contain {}")._replace(is_negative=True),
    _row("any_of", TEXTS, _any, "has any of {}"),
    _row("all_of", TEXTS, _all, "has all of {}"),
    _row("none_of", TEXTS, _not(_any), "has none of {}")._replace(is_negative=True),
    _row("exactly", TEXTS, _exactly, "has exactly {}"),
    Operator(
        Type.LIST, "length", LENGTH, lambda s, v, m: holds(v, s.column.list.len()), "has a number of entries that {}"
    ),
    *value_rows(Type.LIST),
]
