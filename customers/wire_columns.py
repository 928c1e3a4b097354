"""The rows of a PostgreSQL query as one row: of each column the values in binary form, one behind the other.

COPY sends a message a row, and to take millions of them in costs more than all that follows. Here a text ends with a
zero byte, which none holds, and a number a row tells which of its values are absent.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg

from customers.wire import FORMS, SINCE_1970, UTC_MICROSECONDS, Ints, Schema, sql_type

SENT = {
    "bigint": "int8send",
    "double precision": "float8send",
    "boolean": "boolsend",
    "date": "date_send",
    "timestamptz": "timestamptz_send",
}
FIXED = 3  # values before the columns': how many rows, the greatest of the last column, which values are absent
FLAGS = ">i4"


class Columns(NamedTuple):
    """The row that was sent, what its columns are, and which of them may lack values."""

    sent: Sequence[Any]
    schema: Schema
    absent: Collection[str]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return int(self.sent[0])

    @property
    def greatest(self) -> int:
        """The greatest value of what was asked for beside the schema; 0 of no rows."""
        return int(self.sent[1] or 0)

    def numbers(self, name: str) -> Ints:
        """Give the whole numbers of one column, none of them absent."""
        return _native(self._body(name) or b"", ">i8")

    def frame(self) -> pl.DataFrame:
        """Give all columns."""
        flags = _native(self.sent[2] or b"", FLAGS)
        frame = {}
        for name, dtype in self.schema.items():
            is_there = flags >> _bit(name, self.schema) & 1 == 0 if name in self.absent else None
            body = self._body(name)
            values = pl.Series([], dtype=_meant(dtype)) if body is None else _values(body, dtype)
            if len(values) != (self.height if is_there is None else int(is_there.sum())):
                raise ValueError(f"{name}: {len(values)} values came for {self.height} rows.")
            frame[name] = values if is_there is None or is_there.all() else _spread(values, is_there)
        return pl.DataFrame(frame)

    def _body(self, name: str) -> bytes | None:
        body: bytes | None = self.sent[FIXED + _bit(name, self.schema)]
        return body


def statement(sql: str, schema: Schema, absent: Collection[str], *, has_beside: bool = False) -> str:
    """Wrap a query so that it is answered with one row.

    `has_beside`: the query has one more column, a whole number, of which the greatest value is told.
    """
    names = {name: f"c{_bit(name, schema)}" for name in schema}
    flags = [f"CASE WHEN {names[name]} IS NULL THEN {1 << _bit(name, schema)} ELSE 0 END" for name in absent]
    flagged = f"string_agg(int4send({' + '.join(flags)}), '')" if flags else "NULL"
    sent = ", ".join(_sent(column, sql_type(schema[name])) for name, column in names.items())
    given = ", ".join([*names.values(), *(["beside"] if has_beside else [])])
    greatest = "max(beside)" if has_beside else "NULL"
    return f"SELECT count(*), {greatest}, {flagged}, {sent} FROM ({sql}) AS rows({given})"  # noqa: S608  names only


def answer(session: "psycopg.Connection[Any]", asked: str) -> tuple[Any, ...]:
    """Give the one row that answers such a statement."""
    with psycopg.Cursor(session) as cursor:
        return cast("tuple[Any, ...]", cursor.execute(asked, binary=True).fetchone())


def _sent(column: str, sql: str) -> str:
    if sql == "text":
        return rf"string_agg(textsend({column}::text), '\x00')"
    return f"string_agg({SENT[sql]}({column}::{sql}), '')"


def _bit(name: str, schema: Schema) -> int:
    return list(schema).index(name)


def _native(body: bytes, kind: Any) -> npt.NDArray[Any]:
    found = np.frombuffer(body, kind)
    return found.astype(found.dtype.newbyteorder("="))


def _values(body: bytes, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """Give the values that were sent, in their type."""
    number = FORMS[dtype.base_type()].number
    if number:
        found = _native(body, number)
        since = SINCE_1970.get(dtype.base_type(), 0)
        return pl.Series(found + since if since else found).cast(_meant(dtype))
    return pl.Series([body.decode()]).str.split("\0").explode().cast(dtype)


def _meant(dtype: pl.DataType | type[pl.DataType]) -> pl.DataType | type[pl.DataType]:
    return UTC_MICROSECONDS if dtype == pl.Datetime else dtype


def _spread(values: pl.Series, is_there: npt.NDArray[np.bool_]) -> pl.Series:
    """Give the values at their rows, and none at the others."""
    place = pl.Series(np.cumsum(is_there) - 1).cast(pl.UInt32, strict=False)
    return values.gather(place.set(pl.Series(~is_there), None))
