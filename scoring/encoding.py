"""From a frame of customers to the matrix of numbers that a learner reads, learnt from training rows alone.

A frame here has a column `as_of`: the time each row stands for. Nothing depends on the order of the frame's columns,
nor on their names: the matrix's columns are ordered by their content in the training rows.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

CORE = ("country", "city", "language", "time_zone", "birth_date")
PREFIXES = ("features.", "attributes.", "recency.", "value.")
MOST_LEVELS = 30
RARE_SHARE = 0.01
ID_SHARE = 0.5  # text with more distinct values than this share of its rows names customers
NUMBER_SHARE = 0.95  # text that is a number this often is a number
FEWEST_VALUES = 20
SKEWED = 2.0
OUTER = 0.01  # beyond this share of the values to each side, and as far again as between them, values are pulled in
GREATEST = 1e30  # that a learner is shown
UNIQUE_FROM = 500  # customers: whole numbers that are all different
COLLISIONS = 10  # pairs of equal values that so many free numbers would have: with none, they name customers

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Rows = np.ndarray[tuple[int], np.dtype[np.int64]]
Values = np.ndarray[tuple[int], np.dtype[np.float64]]


class FrameMismatch(ValueError):
    """A frame lacks a column that a model reads."""


@dataclass(frozen=True)
class Column:
    """One input: its name in the frame, how it is read, and what is usual for it (a median, or a level)."""

    name: str
    kind: str  # number, yes_no, date or text
    is_log: bool = False
    levels: tuple[str, ...] = ()
    usual: float | str | None = None
    low: float | None = None  # as it is read: what lies beyond is pulled in
    high: float | None = None

    @property
    def width(self) -> int:
        return len(self.levels) + 1 if self.kind == "text" else 1

    @cached_property
    def unlimited(self) -> "Column":
        """Give the column without what one model learnt of it besides: models read the same, and pull in others."""
        return replace(self, usual=None, low=None, high=None)

    def expressions(self) -> list[pl.Expr]:
        """Give its columns of the matrix, nothing pulled in; no value is null in a number and 0 in all levels."""
        if self.kind == "text":
            text = pl.col(self.name)
            levels = [(text == level).fill_null(value=False) for level in self.levels]
            other = (~text.is_in(list(self.levels))).fill_null(value=False)
            return [part.cast(pl.Float64) for part in (*levels, other)]
        return [self.scaled()]

    def scaled(self) -> pl.Expr:
        """Give the number as it is read, before outliers are pulled in: a skewed one by its logarithm."""
        value = self.value()
        return value.sign() * value.abs().log1p() if self.is_log else value

    def value(self) -> pl.Expr:
        """Give the plain number of a column that is not text, or no value: days before `as_of` for a date."""
        column = pl.col(self.name)
        if self.kind == "date":
            return (pl.col("as_of") - column.cast(pl.Datetime("us", "UTC"))).dt.total_days().cast(pl.Float64)
        number = column.cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number)


@dataclass(frozen=True)
class Encoding:
    """The inputs of a model, in order, and those that were left out with the reason."""

    columns: tuple[Column, ...]
    order: tuple[int, ...] = ()
    dropped: dict[str, str] = field(default_factory=dict)

    def matrix(self, frame: pl.DataFrame) -> Matrix:
        """Give a row of float64 for each row of the frame; no value is NaN. Raises FrameMismatch.

        It lies in memory column by column: a tree looks at few columns of all rows.
        """
        return Inputs(frame, [self]).matrix(self)

    def check(self, frame: pl.DataFrame) -> None:
        """Raise FrameMismatch, which names them, where the frame lacks columns that are read."""
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing:
            raise FrameMismatch(
                f"The model reads {', '.join(dict.fromkeys(missing))}, which the customers no longer have: train again."
            )

    def sources(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Give for each column of the matrix the number of the input it comes from."""
        owners = np.repeat(np.arange(len(self.columns)), [column.width for column in self.columns])
        return owners[list(self.order)] if self.order else owners

    def places(self, number: int) -> Rows:
        """Give the columns of the matrix that hold an input, by its number."""
        return np.flatnonzero(self.sources() == number)

    def coded(self, number: int, value: float | str | bool | None) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Give what a value of an input is in these columns; a text that is no level is another one."""
        column = self.columns[number]
        if column.kind != "text":
            plain = np.nan if value is None else float(value)
            scaled = np.sign(plain) * np.log1p(abs(plain)) if column.is_log else plain
            return np.array([scaled if column.low is None else np.clip(scaled, column.low, column.high)])
        parts = np.zeros(column.width)
        if value is not None:
            parts[column.levels.index(str(value)) if value in column.levels else -1] = 1.0
        natural = np.asarray(self.order or range(len(self.sources())))[self.places(number)]
        found: np.ndarray[tuple[int], np.dtype[np.float64]] = parts[natural - natural.min()]
        return found

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


class Inputs:
    """What some models read from one frame: a column that several of them read is reckoned once."""

    def __init__(self, frame: pl.DataFrame, readings: Sequence[Encoding]) -> None:
        """Reckon the columns. Raises FrameMismatch where the frame lacks one."""
        columns = list(dict.fromkeys(column.unlimited for reading in readings for column in reading.columns))
        Encoding(tuple(columns)).check(frame)
        parts = [part for column in columns for part in column.expressions()]
        plain = frame.select(part.alias(str(i)) for i, part in enumerate(parts)).fill_null(float("nan"))
        self._columns = [column.to_numpy() for column in plain.iter_columns()]
        self._height = frame.height
        ends = np.cumsum([column.width for column in columns])
        self._places = {
            column: range(int(end) - column.width, int(end)) for column, end in zip(columns, ends, strict=True)
        }

    def matrix(self, reading: Encoding, rows: Rows | None = None) -> Matrix:
        """Give the matrix of one of the models, for all rows of the frame or for some by their numbers."""
        parts = [(column, place) for column in reading.columns for place in self._places[column.unlimited]]
        is_whole = rows is None or len(rows) == self._height
        found = np.empty((self._height if rows is None else len(rows), len(parts)), dtype=np.float64, order="F")
        for i, (column, place) in enumerate([parts[at] for at in reading.order] if reading.order else parts):
            values = self._columns[place] if is_whole else self._columns[place][rows]
            if column.low is None:
                found[:, i] = values
            else:
                np.clip(values, column.low, column.high, out=found[:, i])
        return found


def from_json(text: str) -> Encoding:
    """Give the encoding that `to_json` wrote."""
    plain: dict[str, Any] = json.loads(text)
    columns = tuple(Column(**{**column, "levels": tuple(column["levels"])}) for column in plain["columns"])
    return Encoding(columns, tuple(plain["order"]), plain["dropped"])


def learn(frame: pl.DataFrame, excluded: Collection[str] = (), only: Collection[str] | None = None) -> Encoding:
    """Learn how to read the frame's inputs, or only some columns: kinds, levels, which numbers are skewed."""
    names = (name for name in frame.columns if is_input(name)) if only is None else only
    columns: list[Column] = []
    dropped: dict[str, str] = {}
    for name in sorted(set(names) - set(excluded)):
        read = _read(frame.select(name, "as_of"), name)
        if isinstance(read, str):
            dropped[name] = read
        else:
            columns.append(read)
    encoding = Encoding(tuple(columns), (), dropped)
    return Encoding(encoding.columns, _order(encoding.matrix(frame)), dropped)


def is_input(name: str) -> bool:
    """Tell whether a model may read the column: never consent, reachability, scores or what names a customer."""
    return name in CORE or name.startswith(PREFIXES)


def _order(matrix: Matrix) -> tuple[int, ...]:
    digests = [hashlib.blake2b(np.ascontiguousarray(column).tobytes(), digest_size=16).digest() for column in matrix.T]
    return tuple(sorted(range(len(digests)), key=digests.__getitem__))


def _read(frame: pl.DataFrame, name: str) -> Column | str:
    """Give how a column is read, or the reason to leave it out."""
    values = frame[name].drop_nulls()
    if values.len() < FEWEST_VALUES:
        return "hardly any values"
    if isinstance(values.dtype, pl.List):
        return "a list"
    if values.n_unique() == 1:
        return "the same for everybody"
    kind = _kind(values)
    if kind == "text":
        return _read_text(values, name)
    if kind == "yes_no":
        return Column(name, kind, usual=float(_mean(values) >= 0.5))
    return _read_number(frame, name, kind)


def _kind(values: pl.Series) -> str:
    if values.dtype == pl.Boolean:
        return "yes_no"
    if values.dtype.is_temporal():
        return "date"
    numbers = values.cast(pl.Float64, strict=False).is_not_null().sum()
    return "number" if numbers >= NUMBER_SHARE * values.len() else "text"


def _read_number(frame: pl.DataFrame, name: str, kind: str) -> Column | str:
    column = Column(name, kind)
    found = frame.select("as_of", value=column.value()).drop_nulls("value")
    values = found["value"]
    if values.len() < FEWEST_VALUES:
        return "hardly any values"
    if values.n_unique() == 1:
        return "the same for everybody"
    if kind == "number" and _names_customers(found.filter(pl.col("as_of") == pl.col("as_of").max())["value"]):
        return "a number of its own for everybody"
    skew = values.clip(*_limits(values.to_numpy())).skew() or 0.0
    median = values.median()
    usual = float(median) if isinstance(median, int | float) else None
    column = Column(name, kind, is_log=not abs(skew) <= SKEWED, usual=usual)
    low, high = _limits(frame.select(scaled=column.scaled())["scaled"].drop_nulls().to_numpy())
    return replace(column, low=low, high=high)


def _limits(values: Values) -> tuple[float, float]:
    """Give where outliers begin: as far beyond the middle 98 % as that is wide, or beyond all where it has no width."""
    low, high = np.quantile(values, [OUTER, 1 - OUTER])
    width = high - low
    low, high = (low - width, high + width) if width > 0 else (values.min(), values.max())
    return max(float(low), -GREATEST), min(float(high), GREATEST)


def _names_customers(values: pl.Series) -> bool:
    """Tell whether whole numbers are all different where so many free ones would not be: a customer number."""
    if values.len() < UNIQUE_FROM or not values.is_unique().all() or not (values == values.round(0)).all():
        return False
    spread = float(values.max() or 0.0) - float(values.min() or 0.0)  # type: ignore[arg-type]
    return values.len() ** 2 >= 2 * COLLISIONS * spread


def _read_text(values: pl.Series, name: str) -> Column | str:
    if values.n_unique() > ID_SHARE * values.len():
        return "different for nearly everybody"
    counts = values.value_counts().rename({name: "level"}).sort(["count", "level"], descending=[True, False])
    levels = counts.filter(pl.col("count") >= RARE_SHARE * values.len()).head(MOST_LEVELS)["level"].to_list()
    if not levels:
        return "too many different values"
    return Column(name, "text", levels=tuple(levels), usual=levels[0])


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else 0.0
