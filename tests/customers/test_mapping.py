"""Columns of files as JSON texts of attributes, whatever types the file gave them."""

import math

import polars as pl
import pytest

from customers import mapping


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([1.0, 2.5, None, math.nan, math.inf, -math.inf, 1e300, -0.0, 0.1, 1e15, 1e-9]),
        pl.Series([1, None, -5, 2**53 + 1, 2**62]),
        pl.Series([1, 2, None], dtype=pl.Int8),
    ],
)
def test_a_column_of_numbers_says_what_its_texts_would(column: pl.Series) -> None:
    told = mapping.as_json(column, "number", "UTC").to_list()
    assert told == mapping.as_json(column.cast(pl.String), "number", "UTC").to_list()


def test_letters_are_written_in_one_way_and_blanks_are_no_value() -> None:
    column = pl.Series(["e\u0301", " DE ", "", "null", 'say "yes"'])
    assert mapping.as_json(column, "text", "UTC").to_list() == ['"\u00e9"', '"DE"', None, None, '"say \\"yes\\""']
