"""Odds ratios with intervals from a plain logistic regression on a few fields (statsmodels Logit), in words."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from statsmodels.discrete.discrete_model import Logit

from scoring import words
from scoring.encoding import Column, Matrix
from scoring.evaluation import NORMAL_95
from scoring.learners import Flags, Floats
from scoring.report import Figures
from scoring.words import Name, Words

FEWEST_OF_A_LEVEL = 50  # rows
FEWEST_OF_A_KIND = 10  # rows of a level that came true, and that did not
MOST_SHARED = (
    0.8  # of a column's variance is told by the weightier ones: a variance inflation of 5 (Belsley et al. 1980)
)
LARGEST = 8.0  # of log-odds: beyond it a field decides alone
DECIMALS = 4
LITTLE_DATA = "There are too few rows of each kind for an odds ratio."
DECIDES = "It decides the answer all but alone, so that it has no odds ratio."
UNSETTLED = "The regression did not settle, so that it has no odds ratio."


@dataclass(frozen=True)
class Odds:
    """The odds at one value of a field over those at another, the other fields being equal, or why there are none."""

    ratio: Figures | None = None
    value: str = ""
    rather_than: str = ""
    problem: str = ""
    shared_with: str = ""

    def sentence(self, name: Name, answer: str, called: Words) -> str:
        """Say it in words."""
        if self.shared_with:
            other = words.name_of(self.shared_with, called).label
            return f"It goes so closely with “{other}” that it has no odds ratio of its own."
        if self.ratio is None:
            return self.problem
        label = name.label[:1].lower() + name.label[1:]
        what = f"“{name.label}” {self.value} rather than {self.rather_than}"
        if words.is_counted(name):
            what = f"{self.value} rather than {self.rather_than} {label}"
        what = what[:1].upper() + what[1:]
        if self.ratio["low"] <= 1.0 <= self.ratio["high"]:
            between = f"{_times(self.ratio['low'])} to {_times(self.ratio['high'])} times the odds"
            return f"{what} is not clearly associated with “{answer}” ({between}), other fields being equal."
        return f"{what} is associated with {_size(self.ratio)} of “{answer}”, other fields being equal."


def odds_ratios(frame: pl.DataFrame, labels: Flags, columns: Sequence[Column]) -> dict[str, Odds]:
    """Give the odds ratio of each field, the weightiest field first in `columns`; `frame` has `customer_id`.

    Numbers are compared at their upper and lower quarter, levels with the most frequent one. Intervals are by
    customers (sandwich estimator, clusters: Liang and Zeger 1986).
    """
    contrasts = [contrast for column in columns for contrast in _contrasts(frame, labels, column)]
    found = {column.name: Odds(problem=LITTLE_DATA) for column in columns}
    kept: list[_Contrast] = []
    for one in contrasts:
        shared = _shared(one, kept)
        if one.problem or shared:
            found[one.field] = Odds(problem=one.problem, shared_with=shared)
        else:
            kept.append(one)
    fields = {one.field for one in kept}
    estimates = _fit(frame["customer_id"].to_numpy(), labels, [one.values for one in kept]) if kept else []
    for field in fields:
        told = [(one, estimates[i]) for i, one in enumerate(kept) if one.field == field and one.value]
        if not estimates or not told:
            found[field] = Odds(problem=UNSETTLED)
            continue
        one, (slope, error) = max(told, key=lambda pair: abs(pair[1][0]) / max(pair[1][1], 1e-9))
        found[field] = _odds(one, slope, error)
    return found


@dataclass(frozen=True)
class _Contrast:
    """A column of the regression: where it has `value`, going from 0 to 1 is going from `rather_than` to `value`."""

    field: str
    values: Floats
    value: str = ""
    rather_than: str = ""
    problem: str = ""


def _contrasts(frame: pl.DataFrame, labels: Flags, column: Column) -> list[_Contrast]:
    if column.name not in frame.columns:
        return []
    if column.kind == "text":
        return _of_levels(frame, labels, column)
    values = frame.select(value=column.value())["value"]
    known = values.drop_nulls()
    if known.n_unique() < 2:
        return []
    numbers = values.fill_null(known.median()).to_numpy()
    found = [_of_number(numbers, labels, column, known)]
    missing = values.is_null().to_numpy()
    if missing.any() and _has_both(missing, labels):
        found.append(_Contrast(column.name, missing.astype(np.float64)))
    return found


def _of_number(numbers: Floats, labels: Flags, column: Column, known: pl.Series) -> _Contrast:
    low, high = _ends(column, known)
    if column.kind == "yes_no" and not _has_both(numbers > 0.5, labels):
        return _Contrast(column.name, numbers, problem=LITTLE_DATA)
    spread = np.sign(numbers) * np.log1p(np.abs(numbers)) if column.is_log else numbers
    spread = spread if column.low is None else np.clip(spread, column.low, column.high)
    ends = np.sign([low, high]) * np.log1p(np.abs([low, high])) if column.is_log else np.array([low, high])
    if _parts(numbers, labels):
        return _Contrast(column.name, spread, problem=DECIDES)
    scaled: Floats = (spread - ends[0]) / (ends[1] - ends[0])
    return _Contrast(column.name, scaled, words.written(high, column), words.written(low, column))


def _ends(column: Column, known: pl.Series) -> tuple[float, float]:
    """Give the two values of a number to compare: its quarters, or the next ones that differ."""
    if column.kind == "yes_no":
        return 0.0, 1.0
    for part in (0.25, 0.1, 0.05, 0.01, 0.0):
        low, high = (float(known.quantile(at, "nearest") or 0.0) for at in (part, 1 - part))
        if low < high:
            break
    return low, high


def _of_levels(frame: pl.DataFrame, labels: Flags, column: Column) -> list[_Contrast]:
    """Give a column for every level but the most frequent, rare ones together, and for no value."""
    values = frame[column.name].cast(pl.String)
    counts = (
        values.drop_nulls().value_counts(sort=True, name="rows").sort(["rows", column.name], descending=[True, False])
    )
    if counts.height < 2:
        return []
    levels = [str(level) for level in counts.filter(pl.col("rows") >= FEWEST_OF_A_LEVEL)[column.name]]
    if not levels:
        return [_Contrast(column.name, np.zeros(len(labels)), problem=LITTLE_DATA)]
    usual = levels[0]
    found = []
    for level in levels[1:]:
        here = (values == level).fill_null(value=False).to_numpy()
        if _has_both(here, labels):
            found.append(_Contrast(column.name, here.astype(np.float64), level, usual))
    named = [usual, *(one.value for one in found)]
    other = (~values.is_in(named)).fill_null(value=True).to_numpy()
    if found and _has_both(other, labels):
        found.append(_Contrast(column.name, other.astype(np.float64)))
    return found


def _has_both(here: Flags, labels: Flags) -> bool:
    """Tell whether rows here and elsewhere are of both kinds often enough."""
    cells = [(labels & here).sum(), (~labels & here).sum(), (labels & ~here).sum(), (~labels & ~here).sum()]
    return bool(min(cells) >= FEWEST_OF_A_KIND)


def _parts(numbers: Floats, labels: Flags) -> bool:
    """Tell whether a number parts those of whom it came true from the others."""
    yes, no = numbers[labels], numbers[~labels]
    return len(yes) > 0 and len(no) > 0 and bool(yes.min() > no.max() or yes.max() < no.min())


def _shared(one: _Contrast, kept: Sequence[_Contrast]) -> str:
    """Give the field among the weightier ones that a column goes with, where they tell nearly all of it."""
    others = [other for other in kept if other.field != one.field]
    if not others or one.problem:
        return ""
    centred = one.values - one.values.mean()
    matrix: Matrix = np.column_stack([other.values - other.values.mean() for other in others])
    slopes, *_ = np.linalg.lstsq(matrix, centred, rcond=None)
    left = centred - matrix @ slopes
    if left @ left > (1 - MOST_SHARED) * (centred @ centred):
        return ""
    closeness = np.abs(centred @ matrix) / np.sqrt((matrix**2).sum(axis=0))
    return others[int(np.argmax(closeness))].field


def _fit(customers: Any, labels: Flags, columns: Sequence[Floats]) -> list[tuple[float, float]]:
    """Give each column's log-odds and standard error; none where the regression does not settle."""
    design = np.column_stack([np.ones(len(labels)), *columns])
    _, owners = np.unique(customers, return_inverse=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            fitted = Logit(labels.astype(np.float64), design).fit(
                disp=0, maxiter=50, cov_type="cluster", cov_kwds={"groups": owners}
            )
        except np.linalg.LinAlgError:
            return []
    if not fitted.mle_retvals["converged"] or not np.isfinite(fitted.bse).all():
        return []
    return [(float(slope), float(error)) for slope, error in zip(fitted.params[1:], fitted.bse[1:], strict=True)]


def _odds(one: _Contrast, slope: float, error: float) -> Odds:
    if abs(slope) > LARGEST:
        return Odds(problem=DECIDES)
    low, value, high = (round(float(np.exp(slope + side * NORMAL_95 * error)), DECIMALS) for side in (-1, 0, 1))
    return Odds(Figures(value=value, low=low, high=high), one.value, one.rather_than)


def _size(ratio: Figures) -> str:
    if ratio["value"] >= 1.0:
        between = f"{_times(ratio['low'])} to {_times(ratio['high'])}"
        return f"{_times(ratio['value'])} times the odds ({between})"
    percents = [f"{1 - one:.0%}".replace("%", "\u00a0%") for one in (ratio["value"], ratio["high"], ratio["low"])]
    return f"{percents[0]} lower odds ({percents[1]} to {percents[2]})"


def _times(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
