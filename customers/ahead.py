"""Millions of rows, read ahead: the next are on their way while the ones before are worked on."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, cast

import polars as pl
from django.db import OperationalError, connection, models
from psycopg.errors import ProgramLimitExceeded

from customers import bulk, wire_columns
from customers.bulk import Schema
from customers.wire import Ints

BESIDE = "beside"


class Page(Protocol):
    """Rows that have come. All but `frame` costs next to nothing."""

    @property
    def height(self) -> int:
        """How many rows there are."""

    @property
    def greatest(self) -> int:
        """The greatest value of what was asked for beside the schema; 0 of no rows."""

    def numbers(self, name: str) -> Ints:
        """Give the whole numbers of one column, none of them absent."""

    def frame(self) -> pl.DataFrame:
        """Give the columns of the schema."""


Coming = Callable[[], Page]


class Ahead:
    """Asks for rows, which come in the order in which they were asked for."""

    def __init__(self, other: ThreadPoolExecutor) -> None:
        self._other = other

    def ask(self, rows: "models.QuerySet[Any, Any]", schema: Schema, absent: Collection[str] = ()) -> Coming:
        """Ask for `queryset.values_list(...)`: the schema's columns, of which `absent` may lack values, and one more.

        The last is a whole number, told by its greatest value only. Give what waits for the rows.
        """

        def read() -> Page:
            return _Frame(bulk.read(rows, {**schema, BESIDE: pl.Int64}))

        if connection.vendor != "postgresql":
            return read
        statement = wire_columns.statement(bulk.written(rows), schema, absent, has_beside=True)
        sent = self._other.submit(wire_columns.answer, connection.connection, statement)

        def come() -> Page:
            try:
                with connection.wrap_database_errors:
                    return wire_columns.Columns(sent.result(), schema, absent)
            except OperationalError as error:
                if isinstance(error.__cause__, ProgramLimitExceeded):  # a column is larger than a gigabyte
                    return read()
                raise

        return come


@contextmanager
def ahead() -> Iterator[Ahead]:
    """Let rows be read ahead over this thread's connection; at the end nothing is on its way."""
    with ThreadPoolExecutor(1) as other:
        yield Ahead(other)


class _Frame:
    """A page that SQLite gave."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows

    @property
    def height(self) -> int:
        return self._rows.height

    @property
    def greatest(self) -> int:
        return cast("int | None", self._rows[BESIDE].max()) or 0

    def numbers(self, name: str) -> Ints:
        return self._rows[name].to_numpy()

    def frame(self) -> pl.DataFrame:
        return self._rows.drop(BESIDE)
