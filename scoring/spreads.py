"""How the values of each field lie: kept of the training rows, and reckoned again when customers are scored."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from scoring.encoding import Column
from scoring.report import Spread

PARTS = 10
YES_NO = ["no", "yes"]
DECIMALS = 6


def spreads(frame: pl.DataFrame, columns: Sequence[Column]) -> dict[str, Spread]:
    """Give the spread of every field a model reads: numbers and dates by tenths, others by their levels.

    The frame has a column `as_of`; a date counts as days before it.
    """
    return {column.name: _spread(frame, column) for column in columns}


def shares(frame: pl.DataFrame, name: str, spread: Spread) -> list[float]:
    """Give the shares of a field's values in the frame by the parts of a spread, the last of no value.

    A field that the frame lacks has no values. A number has a part up to each edge, itself included, and one beyond
    the last; levels have a part each, and one for all others.
    """
    parts = len(spread["levels"]) + 1 if spread["levels"] else len(spread["edges"]) + 1
    if name not in frame.columns or frame.is_empty():
        return [0.0] * parts + [1.0]
    places = _levels(frame[name], spread) if spread["levels"] else _places(frame, name, spread)
    counts = np.bincount(places.fill_null(parts).to_numpy(), minlength=parts + 1)
    return [round(float(count), DECIMALS) for count in counts / frame.height]


def _spread(frame: pl.DataFrame, column: Column) -> Spread:
    found = Spread(edges=[], levels=[], shares=[], rows=frame.height)
    if column.kind == "text":
        found["levels"] = list(column.levels)
    elif column.kind == "yes_no":
        found["levels"] = YES_NO
    else:
        values = frame.select(value=column.value())["value"].drop_nulls()
        tenths = [values.quantile(part / PARTS, "lower") for part in range(1, PARTS)]
        found["edges"] = sorted({float(one) for one in tenths if one is not None})
    found["shares"] = shares(frame, column.name, found)
    return found


def _levels(values: pl.Series, spread: Spread) -> pl.Series:
    """Give the number of each value's level; another one's is beyond the last."""
    numbers = {level: number for number, level in enumerate(spread["levels"])}
    if values.dtype == pl.Boolean:
        return values.cast(pl.Int64)
    others = pl.when(values.is_not_null()).then(len(numbers))
    text = values.cast(pl.String)
    found = text.replace_strict(numbers, default=None, return_dtype=pl.Int64)
    return pl.select(pl.coalesce(found, others)).to_series()


def _places(frame: pl.DataFrame, name: str, spread: Spread) -> pl.Series:
    """Give the number of the part that each value lies in."""
    kind = "date" if frame.schema[name].is_temporal() else "number"
    values = frame.select(value=Column(name, kind).value())["value"]
    places = np.searchsorted(spread["edges"], values.fill_null(0.0).to_numpy(), side="left")
    return pl.select(pl.when(values.is_not_null()).then(pl.Series(places, dtype=pl.Int64))).to_series()
