"""The values that an attribute was told to have, to pick from; what could name a person is never one."""

import json
from typing import NamedTuple

import polars as pl

from customers import history
from customers.history import Scope
from customers.panels import plain
from customers.personal import PERSONAL_NAMES, PERSONAL_VALUES

MOST_VALUES = 50
MOST_DIFFERENT = 2_000  # more different values are no list to pick from


class KnownValue(NamedTuple):
    """A value, and how many customers ever had it."""

    value: str
    customers: int


def known_values(attribute: str) -> list[KnownValue]:
    """Give the values of an attribute, those of the most customers first."""
    if PERSONAL_NAMES.search(attribute):
        return []
    told = history.pin().attributes(Scope()).filter(pl.col("name") == attribute, pl.col("value").is_not_null())
    by_value = told.group_by("value").agg(customers=pl.col("customer_id").n_unique()).collect()
    if by_value.height > MOST_DIFFERENT:
        return []
    shown = by_value.filter(~pl.col("value").str.strip_chars('"').str.contains(PERSONAL_VALUES)).sort(
        ["customers", "value"], descending=[True, False]
    )
    return [KnownValue(_written(value), count) for value, count in shown.head(MOST_VALUES).rows()]


def _written(told: str) -> str:
    """Give a value, kept as JSON, as people write it."""
    value = json.loads(told)
    return plain(value) if isinstance(value, bool) else str(value)
