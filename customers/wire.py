"""Columns from and to the binary form of PostgreSQL's COPY, without a Python object for a value.

A row is two bytes (how many values it has), then for each value four with its length (-1: no value) and its bytes.
Numbers are big-endian.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
HEADER = len(SIGNATURE)  # bytes before the first row
TRAILER = 2  # bytes after the last row, in a message of their own
SHORT = 64  # bytes of texts that may be told apart by their bytes
FEW = 100  # of them that differ
SAMPLE = 1_000  # rows that are looked at before all are
MIX = np.uint64(0x9E3779B97F4A7C15)
MARGIN = bytes(SHORT + 8)  # behind the last row: where no value is, something can still be read
SINCE_1970 = {pl.Datetime: 946_684_800_000_000, pl.Date: 10_957}  # PostgreSQL counts from 2000 on
UTC_MICROSECONDS = pl.Datetime("us", "UTC")

Schema = dict[str, pl.DataType | type[pl.DataType]]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Form(NamedTuple):
    """How values of a type travel: as which type of PostgreSQL, of which numbers; none for text."""

    sql: str
    number: str = ""


FORMS = {
    pl.Int64: Form("bigint", ">i8"),
    pl.Float64: Form("double precision", ">f8"),
    pl.Boolean: Form("boolean", "?"),
    pl.Date: Form("date", ">i4"),
    pl.Datetime: Form("timestamptz", ">i8"),
    pl.String: Form("text"),
    pl.Categorical: Form("text"),
}


class Alike(NamedTuple):
    """Texts told apart: where one of each is, and which of them each text is."""

    firsts: Ints
    which: Ints


# The numbers that PostgreSQL takes in columns of a type.
NUMBERS = {
    "smallint": ">i2",
    "integer": ">i4",
    "bigint": ">i8",
    "double precision": ">f8",
    "boolean": "?",
    "timestamp with time zone": ">i8",
}


def packed(frame: pl.DataFrame, sql_types: Sequence[str]) -> bytes | None:
    """Give what COPY takes in for the frame's rows, in columns of these types.

    None where the database must read, or refuse, the values as text: texts, no values, numbers that do not fit.
    """
    columns = frame.get_columns()
    if not all(_fits(column, sql) for column, sql in zip(columns, sql_types, strict=True)):
        return None
    kinds = [("l", ">i4"), ("v", "")]
    form = [(f"{kind}{n}", fixed or NUMBERS[sql]) for n, sql in enumerate(sql_types) for kind, fixed in kinds]
    rows = np.empty(frame.height, dtype=[("values", ">i2"), *form])
    rows["values"] = frame.width
    for n, column in enumerate(columns):
        rows[f"l{n}"] = rows.dtype[f"v{n}"].itemsize
        rows[f"v{n}"] = _since_2000(column) if column.dtype == UTC_MICROSECONDS else column.to_numpy()
    return SIGNATURE + rows.tobytes() + b"\xff" * TRAILER


def _fits(column: pl.Series, sql: str) -> bool:
    """Say whether every value of a column is a number of its type."""
    if sql not in NUMBERS or column.null_count():
        return False
    number = np.dtype(NUMBERS[sql])
    if column.dtype == UTC_MICROSECONDS or sql == "timestamp with time zone":
        return column.dtype == UTC_MICROSECONDS and sql == "timestamp with time zone"
    if number.kind == "i" and column.dtype.is_integer() and len(column):
        ends, limits = (cast("int", column.min()), cast("int", column.max())), np.iinfo(number)
        return limits.min <= ends[0] and ends[1] <= limits.max
    return (number.kind == "f" and column.dtype.is_float()) or (number.kind == "b" and column.dtype == pl.Boolean)


def _since_2000(times: pl.Series) -> Ints:
    microseconds: Ints = times.dt.epoch("us").to_numpy() - SINCE_1970[pl.Datetime]
    return microseconds


def sql_type(dtype: pl.DataType | type[pl.DataType]) -> str:
    """Give the type in which PostgreSQL must send values of a type."""
    return FORMS[dtype.base_type()].sql


def whole(copy: Any, schema: Schema) -> pl.DataFrame:
    """Give the rows of a COPY as one frame."""
    body, lengths = copy.connection.wait(_receiving(copy))
    return _frame(body, lengths, schema)


def _receiving(copy: Any) -> Generator[Any, Any, tuple[bytearray, list[int]]]:
    """Give the rows as they came, one behind the other, and the length of each.

    The server sends one row at a time: to wait once for many takes a third of what `for row in copy` takes.
    """
    pgconn, body, lengths = copy.connection.pgconn, bytearray(), list[int]()
    while True:
        length, row = pgconn.get_copy_data(1)
        if length > 0:
            body += row
            lengths.append(length)
        elif length == 0:
            while not (yield Wait.R):
                pass
            pgconn.consume_input()
        else:
            results = yield from fetch_many(pgconn)
            copy._finished = True  # what copy.read() does when it meets the end
            if results[0].status != ExecStatus.COMMAND_OK:
                raise error_from_result(results[0])
            return body, lengths


def _frame(body: bytearray, lengths: list[int], schema: Schema) -> pl.DataFrame:
    """Give the columns of rows."""
    ends = np.cumsum(np.fromiter(lengths, np.int64, len(lengths)))
    starts = np.append(HEADER, ends[:-1]) if len(ends) else ends
    starts = starts[ends - starts > TRAILER]
    body += MARGIN
    found = np.frombuffer(body, np.uint8)
    columns = {}
    at = starts + 2
    for name, dtype in schema.items():
        number = FORMS[dtype.base_type()].number
        told = _records(found, at, [("length", ">i4"), *([("value", number)] if number else [])])
        length = np.maximum(told["length"], 0).astype(np.int64)
        values = pl.Series(_native(told["value"])) if number else _texts(found, at + 4, length)
        columns[name] = _typed(values, told["length"] >= 0, dtype)
        at = at + 4 + length
    return pl.DataFrame(columns)


def _records(body: Bytes, at: Ints, form: list[tuple[str, str]]) -> npt.NDArray[Any]:
    """Give the numbers that stand at these bytes, one behind the other."""
    kind = np.dtype(form)
    anywhere = np.ndarray((len(body) - kind.itemsize + 1,), f"V{kind.itemsize}", body.data, 0, (1,))
    return anywhere[at].view(kind)


def _native(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return numbers.astype(numbers.dtype.newbyteorder("="))


def _texts(body: Bytes, at: Ints, length: Ints) -> pl.Series:
    """Give the texts that begin at these bytes; where there are only a few, each is made once."""
    alike = _alike(body, at, length)
    if alike is None:
        return _split(body, at, length)
    return _split(body, at[alike.firsts], length[alike.firsts])[alike.which]


def _alike(body: Bytes, at: Ints, length: Ints) -> Alike | None:
    """Tell the texts apart by their bytes, eight at a time. None where they are long, or more than a few."""
    is_much = len(at) > SAMPLE
    if not len(at) or length.max() > SHORT or (is_much and not _alike(body, at[:SAMPLE], length[:SAMPLE])):
        return None
    words = [length.astype(np.uint64)]
    for start in range(0, int(length.max()), 8):
        beyond = 8 * (8 - np.clip(length - start, 0, 8)).astype(np.uint64)
        words.append(_native(_records(body, at + start, [("word", ">u8")])["word"]) >> beyond)
    mixed = np.zeros(len(at), np.uint64)
    for word in words:
        mixed = (mixed ^ word) * MIX
        mixed ^= mixed >> np.uint64(32)
    kinds = np.unique(mixed)
    if len(kinds) > FEW:
        return None
    which = np.searchsorted(kinds, mixed)
    firsts = np.zeros(len(kinds), np.int64)
    firsts[which] = np.arange(len(at))
    is_exact = all((word == word[firsts][which]).all() for word in words)
    return Alike(firsts, which) if is_exact else None


def _split(body: Bytes, at: Ints, length: Ints) -> pl.Series:
    """Put the texts behind each other and split them at zero bytes, which no text of PostgreSQL holds."""
    if not len(at):
        return pl.Series([], dtype=pl.String)
    ends = np.cumsum(length + 1)
    shift = at - (ends - length - 1)
    joined = body[np.arange(ends[-1]) + np.repeat(shift, length + 1)]
    joined[ends - 1] = 0
    return pl.Series([joined[:-1].tobytes().decode()]).str.split("\0").explode()


def _typed(values: pl.Series, is_there: npt.NDArray[np.bool_], dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """Give the values in their type, and none where there is none."""
    since = SINCE_1970.get(dtype.base_type(), 0)
    values = (values + since if since else values).cast(UTC_MICROSECONDS if dtype == pl.Datetime else dtype)
    return values if is_there.all() else values.zip_with(pl.Series(is_there), pl.Series([None], dtype=values.dtype))
