"""Which column of a file means what: names looked up, types inferred, faults named by the file's own columns."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import polars as pl

from customers import cleaning
from customers.cleaning import Check
from customers.ingest import Records
from customers.models import Attribute
from customers.reading import LINE, SURPLUS, Table

YES = ("yes", "true", "y", "t", "1", "x")
NO = ("no", "false", "n", "f", "0")
EXACT_NUMBERS = (pl.Float64, pl.Int64, pl.Int32, pl.Int16, pl.Int8)  # as a text they say the same number
PLAIN_NUMBER = r"^[+-]?(0|[1-9]\d{0,14})?(\.\d+)?([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Mapped:
    """Records, and what was inferred on the way, in lines to print."""

    records: Records
    inferred: tuple[str, ...]


class WrongMapping(Exception):
    """A mapping that does not fit the file, in one sentence."""


def find(name: str, columns: Sequence[str]) -> str:
    """Give the column that is meant, letter case aside. Raises WrongMapping, which names the nearest column."""
    if name in columns:
        return name
    alike = [column for column in columns if column.casefold() == name.strip().casefold()]
    if len(alike) == 1:
        return alike[0]
    near = difflib.get_close_matches(name.casefold(), [column.casefold() for column in columns], n=1, cutoff=0.5)
    hint = next((f'; did you mean "{column}"?' for column in columns if near and column.casefold() == near[0]), ".")
    shown = ", ".join(columns[:12]) + ("…" if len(columns) > 12 else "")
    raise WrongMapping(f'There is no column "{name}"{hint} The columns are: {shown}.')


def ragged() -> Check:
    """Give the check that a line has no more values than the header has names."""
    return Check("", pl.col(SURPLUS), "has more values than there are columns", pl.lit(None, pl.String))


def refused_records(table: Table, refused: pl.DataFrame) -> pl.DataFrame:
    """Give refused lines with the record of the file they stand for, as JSON text."""
    records = table.rows.join(refused.select(pl.col("line").alias(LINE)), on=LINE, how="semi").select(
        line=LINE, record=pl.struct(pl.exclude(LINE)).struct.json_encode()
    )
    return refused.join(records, on="line", how="left")


def inferred_type(column: pl.Series) -> str:
    """Give the attribute type that all values of a column have."""
    if column.dtype == pl.Boolean:
        return Attribute.Type.YES_NO.value
    if column.dtype.is_numeric():
        return Attribute.Type.NUMBER.value
    if column.dtype.is_temporal():
        return Attribute.Type.DATE.value
    if isinstance(column.dtype, pl.List):
        return Attribute.Type.LIST.value
    if column.dtype != pl.String:
        return Attribute.Type.TEXT.value
    return _inferred_from_text(column)


def _inferred_from_text(column: pl.Series) -> str:
    told = cleaning.text_of(column).drop_nulls().unique()
    if told.is_empty():
        return Attribute.Type.TEXT.value
    lower = told.str.to_lowercase()
    if lower.is_in(["yes", "no", "true", "false"]).all():
        return Attribute.Type.YES_NO.value
    if (told.str.contains(PLAIN_NUMBER) | lower.is_in(cleaning.NO_NUMBER)).all():
        return Attribute.Type.NUMBER.value
    if told.str.contains(r"^\d{4}-\d\d-\d\d").all() and cleaning.times(told, "UTC").values.null_count() == 0:
        return Attribute.Type.DATE.value
    return Attribute.Type.TEXT.value


def as_json(column: pl.Series, type_: str, zone: str) -> pl.Series:
    """Give a column as JSON texts of an attribute type; what does not fit the type stays as the text it is."""
    value = pl.col("v")
    if type_ == Attribute.Type.DATE:
        return _or_text(_dates(column, zone), column)
    if type_ == Attribute.Type.LIST:
        return _lists(column)
    if isinstance(column.dtype, pl.List | pl.Struct | pl.Array):
        return column.to_frame("v").select(cleaning.text(cleaning.json_text(value, column.dtype))).to_series()
    if type_ == Attribute.Type.NUMBER:
        return _numbers(column)
    frame = cleaning.text_of(column).to_frame("v")
    if type_ == Attribute.Type.YES_NO:
        lower = value.str.to_lowercase()
        answer = pl.when(lower.is_in(YES)).then(pl.lit("true")).when(lower.is_in(NO)).then(pl.lit("false"))
        return _or_text(frame.select(answer.alias("v")).to_series(), column)
    return frame.select(cleaning.json_text(value, pl.String()).alias("v")).to_series()


def _numbers(column: pl.Series) -> pl.Series:
    """Give numbers as JSON texts; columns of numbers need not be read as texts, which takes most of the time."""
    value = pl.col("v")
    if column.dtype in EXACT_NUMBERS:
        finite = column.to_frame("v").select(cleaning.finite(value).alias("v"))
        return finite.select(cleaning.json_text(value, pl.Float64())).to_series()
    said = cleaning.text_of(column).to_frame("v")
    fitting = said.select(cleaning.number(value).alias("v")).select(cleaning.json_text(value, pl.Float64())).to_series()
    is_infinite = value.str.to_lowercase().is_in(cleaning.NO_NUMBER)
    return _or_text(fitting, said.select(pl.when(~is_infinite).then(value)).to_series())


def _or_text(fitting: pl.Series, column: pl.Series) -> pl.Series:
    said = cleaning.text_of(column).to_frame("t").select(cleaning.json_text(pl.col("t"), pl.String()))
    return fitting.to_frame("f").select(pl.coalesce(pl.col("f"), said.to_series())).to_series()


def _dates(column: pl.Series, zone: str) -> pl.Series:
    moments = cleaning.times(column, zone).values
    if (moments.drop_nulls().dt.time() == time()).all():
        return moments.dt.date().to_frame("d").select(cleaning.json_text(pl.col("d"), pl.Date())).to_series()
    return moments.to_frame("d").select(cleaning.json_text(pl.col("d"), moments.dtype)).to_series()


def _lists(column: pl.Series) -> pl.Series:
    """Give lists of text as JSON; text is cut at semicolons, bars or commas, whichever comes first in that order."""
    if isinstance(column.dtype, pl.List):
        frame = column.cast(pl.List(pl.String)).to_frame("v")
    else:
        said = cleaning.text_of(column)
        mark = next((mark for mark in ";|," if said.str.contains(mark, literal=True).any()), ";")
        parts = pl.col("v").str.split(mark).list.eval(pl.element().str.strip_chars())
        told = parts.list.eval(pl.element().filter(pl.element() != ""))
        frame = said.rename("v").to_frame().select(v=told)
    return frame.select(cleaning.json_text(pl.col("v"), frame.schema["v"]).alias("v")).to_series()


def known_since(said: str | None, columns: Sequence[str], words: Sequence[str] = ()) -> str | None:
    """Give what --known-since says: one of `words`, a date, or a column of the file. Raises WrongMapping."""
    if said is None or said in words or (said not in columns and is_date(said)):
        return said
    return find(said, columns)


def is_date(said: str) -> bool:
    """Say whether a text is a date such as 2026-01-31."""
    try:
        date.fromisoformat(said)
    except ValueError:
        return False
    return True


def midnight(said: str) -> datetime:
    """Give the moment, in UTC, at which a date begins."""
    return datetime.combine(date.fromisoformat(said), time(), tzinfo=UTC)
