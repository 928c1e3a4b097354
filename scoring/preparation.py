"""What is done to the data before a learner sees it, told field by field: nothing is filled or pulled in unseen."""

import math
from typing import NamedTuple

import polars as pl

from scoring import encoding
from scoring.encoding import Column, Encoding
from scoring.report import Preparation, Prepared
from scoring.training_set import TrainingRefused, TrainingSet
from scoring.words import Words, name_of

NAMED = 8  # fields in a refusal
NOT_TO_BE_READ = "no model of this target may read it"


class _Counts(NamedTuple):
    """How many rows have no value, one that is pulled in, a rare level, a date to come, and a text that is none."""

    missing: int = 0
    outliers: int = 0
    rare: int = 0
    later: int = 0
    unread: int = 0


def look(examples: TrainingSet, reading: Encoding, words: Words) -> Preparation:
    """Tell what a reading does to the rows of a training set."""
    frame = examples.frame
    counts = _counts(frame, reading)
    names = sorted(name for name in examples.excluded if encoding.is_input(name) and name in frame.columns)
    return Preparation(
        rows=frame.height,
        customers=frame["customer_id"].n_unique(),
        duplicates=_duplicates(frame, reading),
        fields=[_prepared(column, counts[column.name], words) for column in reading.columns],
        left_out=dict.fromkeys(names, NOT_TO_BE_READ) | reading.dropped,
    )


def check(examples: TrainingSet) -> None:
    """Raise TrainingRefused, which says why each field is left out, unless there is something to learn from."""
    reading = encoding.learn(examples.frame, examples.excluded)
    if reading.columns:
        return
    told = [f"{name} is left out: {why}" for name, why in list(reading.dropped.items())[:NAMED]]
    more = len(reading.dropped) - len(told)
    listed = "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])
    raise TrainingRefused(f"No field tells customers apart. {listed or 'There are none that a model may read'}.")


def _prepared(column: Column, counts: _Counts, words: Words) -> Prepared:
    return Prepared(
        field=column.name,
        label=name_of(column.name, words).label,
        kind=column.kind,
        missing=counts.missing,
        outliers=counts.outliers,
        rare=counts.rare,
        done=_done(column, counts),
    )


def _done(column: Column, counts: _Counts) -> str:
    """Say in a sentence how a field is read."""
    if column.kind == "text":
        levels = f"Yes or no for each of {len(column.levels)} levels and for the others together"
        return f"{levels}; no value is none of them." if counts.missing else f"{levels}."
    plain = {"yes_no": "Yes is 1 and no is 0", "date": "Days since then, seen from the time of the row"}
    parts = [plain.get(column.kind, "The logarithm, as it is skewed" if column.is_log else "The number as it is")]
    if column.kind == "date" and column.is_log:
        parts.append("by their logarithm, as they are skewed")
    if counts.later:
        parts.append(f"{counts.later} lie after it and count as negative")
    if counts.unread:
        parts.append(f"{counts.unread} are no number and count as no value")
    if counts.missing:
        parts.append("no value is marked; trees go their own way for it, the others take the median")
    if counts.outliers:
        parts.append(f"{counts.outliers} far outside of the rest are pulled in to its edge{_edges(column)}")
    return f"{'; '.join(parts)}."


def _edges(column: Column) -> str:
    """Say where a number is pulled in to, as it was told."""
    if column.low is None or column.high is None or column.kind == "date":
        return ""
    low, high = (
        math.copysign(math.expm1(abs(one)), one) if column.is_log else one for one in (column.low, column.high)
    )
    return f" ({low:.4g} or {high:.4g})"


def _counts(frame: pl.DataFrame, reading: Encoding) -> dict[str, _Counts]:
    wanted = [
        part.alias(f"{number} {name}") for number, one in enumerate(reading.columns) for name, part in _asked(one)
    ]
    found = frame.select(wanted).row(0, named=True) if wanted else {}
    return {
        column.name: _Counts(**{name: found.get(f"{number} {name}", 0) for name in _Counts._fields})
        for number, column in enumerate(reading.columns)
    }


def _asked(column: Column) -> list[tuple[str, pl.Expr]]:
    """Give what is counted of a column."""
    told = pl.col(column.name).is_not_null()
    if column.kind == "text":
        rare = told & ~pl.col(column.name).is_in(list(column.levels))
        return [("missing", (~told).sum()), ("rare", rare.sum())]
    value, scaled = column.value(), column.scaled()
    asked = [("missing", value.is_null().sum()), ("unread", (told & value.is_null()).sum())]
    if column.low is not None and column.high is not None:
        asked.append(("outliers", ((scaled < column.low) | (scaled > column.high)).sum()))
    return [*asked, ("later", (value < 0).sum())] if column.kind == "date" else asked


def _duplicates(frame: pl.DataFrame, reading: Encoding) -> int:
    """Count the rows that say the same in every field as another customer's at that time."""
    if not reading.columns or frame.is_empty():
        return 0
    told = frame.select("as_of", *(column.name for column in reading.columns))
    return int(told.hash_rows().is_duplicated().sum())
