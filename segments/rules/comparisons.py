"""Comparing a number with a number: one row a comparison, for fields and for events alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl


@dataclass(frozen=True)
class Comparison:
    """A comparison with its number, or its two numbers for `between`."""

    op: str
    values: tuple[float, ...]


class Row(NamedTuple):
    """What a comparison means; `words` for a value ("is more than 3"), `counted` for a count ("more than 3 orders")."""

    meaning: Callable[[pl.Expr, tuple[float | pl.Expr, ...]], pl.Expr]
    words: str
    counted: str
    is_negative: bool = False


COMPARISONS: dict[str, Row] = {
    "=": Row(lambda column, v: column == v[0], "is {}", "exactly {}"),
    "!=": Row(lambda column, v: column != v[0], "is not {}", "any number but {} of", is_negative=True),
    ">": Row(lambda column, v: column > v[0], "is more than {}", "more than {}"),
    ">=": Row(lambda column, v: column >= v[0], "is {} or more", "{} or more"),
    "<": Row(lambda column, v: column < v[0], "is less than {}", "fewer than {}"),
    "<=": Row(lambda column, v: column <= v[0], "is {} or less", "at most {}"),
    "between": Row(lambda column, v: (column >= v[0]) & (column <= v[1]), "is from {} to {}", "{} to {}"),
}


def holds(compare: Comparison, column: pl.Expr) -> pl.Expr:
    """Give where the column compares as asked; null where it has no value."""
    return COMPARISONS[compare.op].meaning(column, compare.values)


def in_words(compare: Comparison) -> str:
    """Give `is 100 or more`."""
    return COMPARISONS[compare.op].words.format(*map(number_in_words, compare.values))


def counted_in_words(compare: Comparison) -> str:
    """Give `2 or more`, or `no` for none at all."""
    if compare == Comparison("=", (0.0,)):
        return "no"
    return COMPARISONS[compare.op].counted.format(*map(number_in_words, compare.values))


def number_in_words(number: float) -> str:
    """Give a number as people write it: 100, 0.7."""
    return f"{number:.15g}"
