"""How good the values of a field are: filled, fitting, usual, and like those before. Pure.

Outliers lie beyond Tukey's far fences, three times the middle half's width outside of it (Tukey, Exploratory Data
Analysis, 1977). Drift is the population stability index (Siddiqi, Credit Risk Scorecards, 2006): from 0.1 noticeable,
from 0.25 strong, where it is also more than chance does at these sizes (Yurdakul, 2018). A change of the filled share
has Newcombe's interval (Statistics in Medicine 17, 1998, method 10).
"""

import math
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from statistics import NormalDist
from typing import TypedDict

import numpy as np
import polars as pl

from customers import shares
from customers.cleaning import EARLIEST, SAMPLE
from customers.mapping import NO, YES
from customers.personal import PERSONAL_VALUES

FAR = 3.0  # widths of the middle half
PARTS = 10
BARS = 20
MOST_LEVELS = 20
MOST_LEVEL_SHARE = 0.5  # text with more different values than this share of its rows names customers
TOP = 8
FEW_DIFFERENT = 20  # up to here a value of one customer alone may be shown
READ_SHARE = 0.95  # text of which so much reads as another type is meant to be of it
FEWEST = 100  # values on either side, to say anything of drift
NOTICEABLE, STRONG = 0.1, 0.25
CERTAIN = 0.01  # of looks at all fields of unchanged data, so many find a change
FALLEN = 0.1  # of the share there was
SHOWN = NormalDist().inv_cdf(0.975)
DAY_MICROSECONDS = 86_400_000_000
EPOCH = date(1970, 1, 1)
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


class Spread(TypedDict):
    """How values lie: up to each edge and beyond the last, or by level and all others; none where it says nothing."""

    edges: list[float]
    levels: list[str]
    counts: list[int]


class Figures(TypedDict):
    """What is known of a field's values. Dates are days since 1970 where they are numbers here.

    `unfit` values are told, but are not of the field's type, or not of the one that nearly all of a text reads as
    (`reads_as`). `low` and `high` are the fences, none where half of all values are the same.
    """

    rows: int
    filled: int
    distinct: int
    unfit: int
    reads_as: str
    examples: list[str]
    low: float | None
    high: float | None
    below: int
    above: int
    future: int
    ancient: int
    quartiles: list[float]
    top: list[list[str | int]]
    bars: list[float]
    heights: list[int]
    spread: Spread | None


class Drift(TypedDict):
    """How values differ from those before: `moved` is few, no, some or strong; the change of the share with 95 %."""

    psi: float
    line: float
    moved: str
    seen: int
    known: int
    rows_before: int
    share_before: float
    change: list[float]
    has_fallen: bool
    since: str


@dataclass(frozen=True)
class Column:
    """The values of one field, sorted or counted once for all that is asked. `moves`: new ones always differ."""

    values: pl.Series
    moves: bool = False

    @cached_property
    def told(self) -> pl.Series:
        """The values that there are, of numbers the finite ones; those of lists one by one."""
        there = self.values.drop_nulls()
        if there.dtype.is_float():
            return there.filter(there.is_finite())
        return there.explode().drop_nulls() if isinstance(there.dtype, pl.List) else there

    @property
    def is_number(self) -> bool:
        return self.told.dtype.is_numeric() or self.told.dtype.is_temporal()

    @cached_property
    def numbers(self) -> Floats:
        """The values in order; dates as days since 1970."""
        told = self.told
        if told.dtype.is_temporal():
            told = told.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / DAY_MICROSECONDS
        return np.sort(told.cast(pl.Float64).to_numpy())

    @cached_property
    def counts(self) -> pl.DataFrame:
        """Each text with how many have it, the most frequent first."""
        said = self.told.cast(pl.String).alias("value")
        return said.value_counts(name="count").sort(["count", "value"], descending=[True, False])


def look(column: Column, at: datetime, unfit: int = 0) -> Figures:
    """Give the figures of a field's values as of a time; `unfit` others were told that are not of its type."""
    filled = len(column.values) - column.values.null_count()
    found = Figures(
        rows=len(column.values),
        filled=filled + unfit,
        distinct=0,
        unfit=unfit,
        reads_as="",
        examples=[],
        low=None,
        high=None,
        below=0,
        above=0,
        future=0,
        ancient=0,
        quartiles=[],
        top=[],
        bars=[],
        heights=[],
        spread=None,
    )
    if len(column.told):
        (_look_at_numbers if column.is_number else _look_at_texts)(column, found, at)
    return found


def _look_at_numbers(column: Column, found: Figures, at: datetime) -> None:
    ordered = column.numbers
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(np.append(starts, len(ordered)))
    found["distinct"] = len(starts)
    quarters = [float(one) for one in np.quantile(ordered, [0, 0.25, 0.5, 0.75, 1])]
    found["quartiles"] = quarters
    low, high = _fences(quarters[1], quarters[3])
    if column.told.dtype.is_temporal():
        found["future"] = _above(ordered, (at.date() - EPOCH).days + 1)
        found["ancient"] = _below(ordered, (EARLIEST.date() - EPOCH).days)
    elif low is not None and high is not None:
        found["low"], found["high"] = low, high
        found["below"], found["above"] = _below(ordered, low), len(ordered) - _up_to(ordered, high)
    _draw(found, ordered, low, high)
    if len(starts) <= FEW_DIFFERENT and not column.told.dtype.is_temporal():
        order = np.argsort(-sizes, kind="stable")[:TOP]
        found["top"] = [[f"{ordered[starts[i]]:g}", int(sizes[i])] for i in order]
    if not column.moves and not _names_customers(ordered, len(starts)):
        inner = np.quantile(ordered, np.arange(1, PARTS) / PARTS, method="lower")
        edges = sorted({float(one) for one in inner})
        found["spread"] = Spread(edges=edges, levels=[], counts=_placed(ordered, edges))


def _fences(lower: float, upper: float) -> tuple[float | None, float | None]:
    width = upper - lower
    return (lower - FAR * width, upper + FAR * width) if width > 0 else (None, None)


def _below(ordered: Floats, limit: float) -> int:
    return int(np.searchsorted(ordered, limit, side="left"))


def _above(ordered: Floats, limit: float) -> int:
    return len(ordered) - _below(ordered, limit)


def _up_to(ordered: Floats, limit: float) -> int:
    return int(np.searchsorted(ordered, limit, side="right"))


def _draw(found: Figures, ordered: Floats, low: float | None, high: float | None) -> None:
    """Keep a histogram of what lies within the fences; the first and the last bar hold what lies beyond."""
    first = float(ordered[0]) if low is None else max(float(ordered[0]), low)
    last = float(ordered[-1]) if high is None else min(float(ordered[-1]), high)
    bars = np.linspace(first, last, BARS + 1) if last > first else np.array([first, last])
    up_to = np.searchsorted(ordered, bars[1:-1], side="left")
    found["bars"] = [float(one) for one in bars]
    found["heights"] = [int(one) for one in np.diff(np.concatenate([[0], up_to, [len(ordered)]]))]


def _names_customers(ordered: Floats, distinct: int) -> bool:
    """Tell whether whole numbers are all different: customer numbers, of which new ones always differ."""
    return len(ordered) >= FEWEST and distinct == len(ordered) and bool((ordered == np.round(ordered)).all())


def _look_at_texts(column: Column, found: Figures, at: datetime) -> None:
    counts = column.counts
    found["distinct"] = counts.height
    if column.told.dtype == pl.Boolean:
        found["spread"] = Spread(edges=[], levels=["false", "true"], counts=_levels(counts, ["false", "true"]))
    else:
        _read_as(counts, found)
        if counts.height <= max(MOST_LEVEL_SHARE * len(column.told), FEW_DIFFERENT) and not column.moves:
            levels = counts.head(MOST_LEVELS)["value"].to_list()
            found["spread"] = Spread(edges=[], levels=levels, counts=_levels(counts, levels))
    shown = counts.head(TOP)
    if counts.height > FEW_DIFFERENT:
        shown = shown.filter(pl.col("count") > 1)
    shown = shown.filter(~pl.col("value").str.contains(PERSONAL_VALUES))
    found["top"] = [[value, many] for value, many in shown.iter_rows()]


def _read_as(counts: pl.DataFrame, found: Figures) -> None:
    """Find the type that nearly all texts read as, and those that do not."""
    said = pl.col("value").str.strip_chars()
    forms = {
        "number": said.str.replace_all(",", "").cast(pl.Float64, strict=False).is_not_null(),
        "date": said.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).is_not_null(),
        "yes_no": said.str.to_lowercase().is_in([*YES, *NO]),
    }
    all_ = int(counts["count"].sum())
    first = counts.head(SAMPLE)
    for name, reads in forms.items():
        if int(first.filter(reads)["count"].sum()) < READ_SHARE * int(first["count"].sum()):
            continue
        others = counts.filter(~reads)
        many = int(others["count"].sum())
        if many <= (1 - READ_SHARE) * all_:
            found["reads_as"], found["unfit"] = name, found["unfit"] + many
            found["examples"] = (
                others.filter(~pl.col("value").str.contains(PERSONAL_VALUES))["value"].head(TOP).to_list()
            )
            return


def drift(now: Column, figures: Figures, before: Figures, since: datetime, fields: int = 1) -> Drift:
    """Compare values with the figures of those before; one of so many fields that are compared."""
    known = before["spread"]
    seen = _in(known, now) if known and len(now.told) else []
    size, many = sum(seen), sum(known["counts"]) if known else 0
    found, line = 0.0, 0.0
    if known and min(size, many) >= FEWEST:
        is_part = [bool(a or b) for a, b in zip(seen, known["counts"], strict=True)]
        then = np.array(known["counts"], dtype=np.float64)[is_part] / many
        found = psi(np.array(seen, dtype=np.float64)[is_part] / size, then, size, many)
        line = by_chance(sum(is_part), size, many, fields)
    low, high = change_of_share(figures["filled"], figures["rows"], before["filled"], before["rows"], SHOWN)
    return Drift(
        psi=round(found, 4),
        line=round(line, 4),
        moved=_moved(found, line, min(size, many)) if known else "no",
        seen=size,
        known=many,
        rows_before=before["rows"],
        share_before=before["filled"] / max(before["rows"], 1),
        change=[round(low, 6), round(high, 6)],
        has_fallen=_has_fallen(figures, before, fields),
        since=since.isoformat(),
    )


def _moved(found: float, line: float, fewest: int) -> str:
    if fewest < FEWEST:
        return "few"
    if found < max(NOTICEABLE, line):
        return "no"
    return "some" if found < STRONG else "strong"


def _has_fallen(now: Figures, before: Figures, fields: int) -> bool:
    """Tell whether fewer are filled, by a tenth of what it was and by more than chance."""
    if min(now["rows"], before["rows"]) < FEWEST:
        return False
    sure = NormalDist().inv_cdf(1 - CERTAIN / max(fields, 1))
    _, high = change_of_share(now["filled"], now["rows"], before["filled"], before["rows"], sure)
    was = before["filled"] / before["rows"]
    return high < 0 and was - now["filled"] / now["rows"] >= FALLEN * was


def _in(known: Spread, now: Column) -> list[int]:
    """Count values by the parts of those before; all of another type are in none."""
    if known["edges"] and now.is_number:
        return _placed(now.numbers, known["edges"])
    if known["levels"] and not now.is_number:
        return _levels(now.counts, known["levels"])
    return []


def _placed(ordered: Floats, edges: list[float]) -> list[int]:
    """Count the values up to each edge, itself included, and beyond the last."""
    up_to = np.searchsorted(ordered, edges, side="right")
    return [int(one) for one in np.diff(np.concatenate([[0], up_to, [len(ordered)]]))]


def _levels(counts: pl.DataFrame, levels: list[str]) -> list[int]:
    """Count the values of each level, and all others."""
    found = dict(counts.filter(pl.col("value").is_in(levels)).iter_rows())
    seen = [int(found.get(level, 0)) for level in levels]
    return [*seen, int(counts["count"].sum()) - sum(seen)]


def psi(now: Floats, then: Floats, seen: int, known: int) -> float:
    """Give the population stability index of shares; an empty part counts as half a customer."""
    now, then = np.maximum(now, 0.5 / max(seen, 1)), np.maximum(then, 0.5 / max(known, 1))
    return float(((now - then) * np.log(now / then)).sum())


def by_chance(parts: int, seen: int, known: int, fields: int) -> float:
    """Give the index that unchanged values exceed once in a hundred looks at so many fields.

    It is (1/n + 1/m) times a chi-square, whose quantile is Wilson and Hilferty's (PNAS 17, 1931). Where a part has
    few values, the logarithm stretches the tail.
    """
    free = max(parts - 1, 1)
    sure = NormalDist().inv_cdf(1 - CERTAIN / max(fields, 1))
    quantile = free * (1 - 2 / (9 * free) + sure * math.sqrt(2 / (9 * free))) ** 3
    size = 1 / max(seen, 1) + 1 / max(known, 1)
    return quantile * size * (1 + parts * size)


def change_of_share(now: int, of_now: int, before: int, of_before: int, sure: float) -> tuple[float, float]:
    """Give the interval of how much a share changed, at so many standard errors."""
    if not of_now or not of_before:
        return -1.0, 1.0
    return shares.difference((now, of_now), (before, of_before), sure)
