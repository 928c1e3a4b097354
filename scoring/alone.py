"""How well each field alone tells the outcome: learnt from half of the customers, tried on the other half."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from scoring import encoding
from scoring.encoding import Column
from scoring.learners import Flags, Floats
from scoring.training_set import Ints

BINS = 20
TOP_SHARE = 0.10


@dataclass(frozen=True)
class Field:
    """A field as a small number a row, 0 where it has no value, and how well it alone tells the outcome.

    `share` is the part of what is unsure about the outcome (its entropy) that the field tells: 0 is nothing.
    """

    name: str
    codes: Ints
    auc: float
    lift: float
    share: float


def fields(frame: pl.DataFrame, labels: Flags, halves: Ints, excluded: Collection[str]) -> list[Field]:
    """Give every field that a model could read, in the order of the names."""
    found = []
    for column in sorted(encoding.learn(frame, excluded=excluded).columns, key=lambda column: column.name):
        codes = _levels(frame, column) if column.kind == "text" else _bins(frame, column)
        found.append(_alone(column.name, codes, labels, halves))
    return found


def counted(codes: Ints, labels: Flags, width: int) -> tuple[Ints, Ints]:
    """Give how many rows of each code below `width` came true, and how many did not."""
    positives = np.bincount(codes[labels], minlength=width)
    return positives, np.bincount(codes, minlength=width) - positives


def auc(rates: Floats, positives: Ints, negatives: Ints) -> float:
    """Give the chance that a row that came true has a code of higher rate than one that did not; ties count half."""
    order = np.argsort(rates, kind="stable")
    pairs = positives[order] * (np.cumsum(negatives[order]) - negatives[order] / 2)
    return float(pairs.sum() / max(1, positives.sum() * negatives.sum()))


def _alone(name: str, codes: Ints, labels: Flags, halves: Ints) -> Field:
    base, width = labels.mean(), int(codes.max()) + 1
    entropy = -(base * np.log(base) + (1 - base) * np.log1p(-base))
    figures = []
    for half in (0, 1):
        seen = counted(codes[halves != half], labels[halves != half], width)
        tried = counted(codes[halves == half], labels[halves == half], width)
        rates = (seen[0] + base) / (seen[0] + seen[1] + 1)
        loss = -(tried[0] @ np.log(rates) + tried[1] @ np.log1p(-rates)) / max(1, int((halves == half).sum()))
        figures.append((auc(rates, *tried), _lift(rates, *tried), 1 - loss / entropy))
    return Field(name, codes, *np.mean(figures, axis=0).tolist())


def _lift(rates: Floats, positives: Ints, negatives: Ints) -> float:
    """Give how many times as often it came true among the tenth of the rows with the highest rates."""
    order = np.argsort(-rates, kind="stable")
    rows, hits = (positives + negatives)[order], positives[order]
    wanted = TOP_SHARE * rows.sum()
    taken = np.clip(wanted - (np.cumsum(rows) - rows), 0, rows)
    captured = (hits * np.divide(taken, rows, out=np.zeros(len(rows)), where=rows > 0)).sum()
    return float(captured / max(1, hits.sum()) / TOP_SHARE)


def _levels(frame: pl.DataFrame, column: Column) -> Ints:
    """Number the levels of a text from 1; the rare ones share a number."""
    levels = list(column.levels)
    numbers = pl.col(column.name).replace_strict(levels, range(1, len(levels) + 1), default=len(levels) + 1)
    missing = pl.col(column.name).is_null()
    return frame.select(pl.when(missing).then(0).otherwise(numbers).cast(pl.Int64)).to_series().to_numpy()


def _bins(frame: pl.DataFrame, column: Column) -> Ints:
    """Number ranges of a number from 1: twentieths of the rows, and twentieths of the distinct values."""
    values = frame.select(column.value()).to_series().to_numpy().astype(np.float64)
    known = values[~np.isnan(values)]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner, method="nearest"))
    edges = np.unique(np.append(edges, np.quantile(np.unique(known), inner, method="nearest")))
    codes: Ints = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right") + 1)
    return codes
