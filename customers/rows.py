"""Rows of many customers as arrays, and what they amount to for each: counts, sums, ages, one number a customer.

No order of the rows is asked for but where a function says so. NaN stands for no value.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

DAY_MICROSECONDS = 86_400_000_000

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
Column = np.ndarray[tuple[int], np.dtype[Any]]


class Rows:
    """Rows of customers 0 to `customers - 1`: `who` each is of, its `age` in microseconds, and more columns."""

    def __init__(self, customers: int, who: Ints, age: Ints, **columns: Column) -> None:
        self.customers = customers
        self.who = who
        self.age = age
        self.columns: Mapping[str, Column] = columns
        self._within: dict[int, Rows] = {}
        self._count: Ints | None = None

    def __getitem__(self, column: str) -> Column:
        return self.columns[column]

    def where(self, holds: Mask) -> "Rows":
        """Give the rows a mask holds for."""
        return self if holds.all() else self._at(np.flatnonzero(holds))

    def within(self, days: int) -> "Rows":
        """Give the rows of (as_of - days, as_of]."""
        if days not in self._within:
            self._within[days] = self.where(self.age < days * DAY_MICROSECONDS)
        return self._within[days]

    def with_columns(self, **columns: Column) -> "Rows":
        return Rows(self.customers, self.who, self.age, **{**self.columns, **columns})

    def in_order(self) -> "Rows":
        """Give the rows by customer, the oldest first."""
        if self._is_in_order():
            return self
        # Files hold rows in order, and later ones what is newer: to put them together takes a tenth of sorting by both.
        joined = self._at(np.argsort(self.who, kind="stable"))
        return joined if joined._is_in_order() else self._at(np.lexsort((-self.age, self.who)))

    def _is_in_order(self) -> bool:
        who, age = self.who, self.age
        return bool(((who[1:] > who[:-1]) | ((who[1:] == who[:-1]) & (age[1:] <= age[:-1]))).all())

    def since_before(self) -> Ints:
        """Give the microseconds since the customer's row before, -1 for the first. The rows are in order."""
        since = np.full(len(self.who), -1, dtype=np.int64)
        since[1:] = np.where(self.who[1:] == self.who[:-1], self.age[:-1] - self.age[1:], -1)
        return since

    def count(self) -> Ints:
        if self._count is None:
            self._count = np.bincount(self.who, minlength=self.customers)
        return self._count

    def total(self, column: str) -> Floats:
        return np.bincount(self.who, weights=self[column], minlength=self.customers).astype(np.float64, copy=False)

    def mean(self, column: str) -> Floats:
        return share(self.total(column), self.count())

    def spread(self, column: str) -> Floats:
        """Give the standard deviation; no value for fewer than two rows. Centred first, so that nothing cancels."""
        off = self[column] - self.mean(column)[self.who]
        squares = np.bincount(self.who, weights=off * off, minlength=self.customers)
        return np.sqrt(share(squares, self.count() - 1))

    def median(self, column: str) -> Floats:
        """Give the middle value; of an even number of rows the mean of the two in the middle."""
        found = np.full(self.customers, np.nan)
        count, values = self.count(), self[column][_by_value(self.who, self[column])]
        some = np.flatnonzero(count)
        start = (np.cumsum(count) - count)[some]
        found[some] = (values[start + (count[some] - 1) // 2] + values[start + count[some] // 2]) / 2
        return found

    def distinct(self, column: str) -> Ints:
        """Give how many different values, whole numbers not below 0, there are."""
        values = self[column]
        pairs = np.sort(self.who * (values.max(initial=0) + 1) + values)
        is_new = np.append(True, pairs[1:] != pairs[:-1]) if len(pairs) else np.zeros(0, dtype=bool)
        who = pairs[is_new] // (values.max(initial=0) + 1)
        return np.bincount(who, minlength=self.customers)

    def most(self, column: str, below: int) -> Floats:
        """Give the whole number, from 0 and below a limit, that comes most often, the lowest of several."""
        times = np.bincount(self.who * below + self[column], minlength=self.customers * below)
        return np.where(self.count() > 0, times.reshape(-1, below).argmax(axis=1), np.nan)

    def days_since_last(self) -> Floats:
        never = np.iinfo(np.int64).max
        newest = np.full(self.customers, never)
        np.minimum.at(newest, self.who, self.age)
        return np.where(newest == never, np.nan, newest / DAY_MICROSECONDS)

    def days_since_first(self) -> Floats:
        oldest = np.full(self.customers, -1)
        np.maximum.at(oldest, self.who, self.age)
        return np.where(oldest < 0, np.nan, oldest / DAY_MICROSECONDS)

    def _at(self, index: Ints) -> "Rows":
        columns = {name: column[index] for name, column in self.columns.items()}
        return Rows(self.customers, self.who[index], self.age[index], **columns)


def share(part: Column, whole: Column) -> Floats:
    """Give part / whole; no value where the whole is not above 0."""
    found = np.full(len(part), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):  # an infinite part or whole is no value later
        np.divide(part, whole, out=found, where=whole > 0)
    return found


def numbered(ids: Ints, sought: Ints) -> Ints:
    """Give the place in `ids` of each sought id, -1 where it is not there."""
    if not len(ids) or not len(sought):
        return np.full(len(sought), -1)
    low, high = int(ids.min()), int(ids.max())
    if high - low < 32 * (len(ids) + len(sought)):  # a table of all ids between is small, and ten times as fast
        places = np.full(high - low + 2, -1)
        places[ids - low] = np.arange(len(ids))
        return places[np.where((sought >= low) & (sought <= high), sought - low, high - low + 1)]
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids, sought, sorter=order), len(ids) - 1)
    return np.where(ids[order[at]] == sought, order[at], -1)


def ordered(ids: Ints, times: Ints) -> Ints:
    """Give the rows' places in the order of id and time; equal ones stay in theirs."""
    is_timely = bool((times[1:] >= times[:-1]).all())
    places: Ints = np.arange(len(ids)) if is_timely else np.argsort(times, kind="stable")
    if not len(ids) or int(ids.max()) - int(ids.min()) >= 1 << 31:
        then = np.argsort(ids[places], kind="stable")
    else:  # one number of both: to sort whole numbers is many times as fast as to sort places by them
        both = (ids[places] - ids.min()) << 32 | np.arange(len(ids))
        both.sort()
        then = both & 0xFFFFFFFF
    in_order: Ints = places[then]
    return in_order


def _by_value(who: Ints, values: Column) -> Ints:
    """Give the rows' places by customer, the lowest value first: one number of both is sorted many times as fast."""
    by_value = np.argsort(values)
    both = who[by_value] << 32 | np.arange(len(who))
    both.sort()
    places: Ints = by_value[both & 0xFFFFFFFF]
    return places


def greatest(groups: int, group: Ints, *order: Ints) -> Ints:
    """Give the row of each group that is greatest in the columns of `order`, one after the other; -1 where none is."""
    rows = np.arange(len(group))
    for column in order:
        most = np.full(groups, np.iinfo(np.int64).min)
        np.maximum.at(most, group[rows], column[rows])
        rows = rows[column[rows] == most[group[rows]]]
    found = np.full(groups, -1)
    found[group[rows]] = rows
    return found
