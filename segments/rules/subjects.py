"""What an operator is: the column it looks at, its meaning, its words, and the cut where it compares with everybody."""

from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from segments.rules.arguments import NOTHING, Argument
from segments.rules.nodes import Type
from segments.rules.windows import Moment, Span


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
Fold = Callable[[Any], Any]
Against = Callable[[Subject, Subject, Moment], pl.Expr]


class Operator(NamedTuple):
    """One way to look at one type of field.

    With `cut_point` its meaning is given the Cut in place of the value. With `fold` it looks at folded texts, and this
    folds the value. `against` is its meaning with another field in place of the value, of the type `other`. `span`
    gives the instants that its value stands for. With `is_slow` it looks at each different text once. `label` is what a
    list to pick from says, where its words do not say enough without a value.
    """

    type: Type
    name: str
    argument: Argument
    meaning: Meaning
    words: str
    is_negative: bool = False
    asks_for_value: bool = False
    cut_point: CutPoint | None = None
    fold: Fold | None = None
    against: Against | None = None
    other: Type | None = None
    span: Callable[[Any, Moment], Span] | None = None
    is_slow: bool = False
    label: str = ""


def value_rows(type: Type) -> tuple[Operator, Operator]:
    """Give has_value and no_value of a type."""
    return (
        Operator(type, "has_value", NOTHING, lambda s, v, m: s.column.is_not_null(), "is known", asks_for_value=True),
        Operator(type, "no_value", NOTHING, lambda s, v, m: s.column.is_null(), "is not known", asks_for_value=True),
    )


def is_in(column: pl.Expr, values: tuple[Any, ...]) -> pl.Expr:
    """Give where a column is one of some values; few are compared one by one, which is faster."""
    if len(values) <= IN_BY_EQUALITY:
        return pl.any_horizontal(*(column == value for value in values))
    return column.is_in(pl.Series(values).implode())


IN_BY_EQUALITY = 8
