"""What drives a target: how much each field matters to a model, how the chance goes with it, and its odds ratio.

Everything is reckoned on rows that the models did not see. It tells what goes together, never what is a cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
from scipy.stats import rankdata

from scoring import words
from scoring.encoding import Column, Encoding, Matrix
from scoring.evaluation import NORMAL_95
from scoring.learners import Flags, Floats, Model
from scoring.odds import Odds, odds_ratios
from scoring.report import Dependence, Driver, Figures
from scoring.training_set import some
from scoring.words import Words

MOST_ROWS = 10_000
REPEATS = 2
MOST_DRIVERS = 15
TOP = 10  # fields with a dependence and an odds ratio
GRID = 8  # values of a field
GRID_ROWS = 1_000
ROWS_AT_ONCE = 40_000
RARE_NONE = 0.01  # no value is a point of the grid from this share on
DECIMALS = 6

Places = np.ndarray[tuple[int], np.dtype[np.int64]]


class Asked(Protocol):
    """A model, and rows that it did not see when it was fitted."""

    @property
    def model(self) -> "Foreseer": ...

    @property
    def frame(self) -> pl.DataFrame: ...


class Foreseer(Protocol):
    """What foresees something of each row of a matrix that its reading made."""

    @property
    def reading(self) -> Encoding: ...

    def predict(self, matrix: Matrix) -> Floats: ...


class Piece(NamedTuple):
    """Rows that a model did not see when it was fitted, with `customer_id` and `as_of`, and what happened."""

    model: Model
    frame: pl.DataFrame
    labels: Flags


class Telling(NamedTuple):
    """How to speak: the target in words, the names of fields, and what the leakage guard says of some."""

    answer: str = "yes"
    called: Words = {}
    warned: Mapping[str, str] = {}


PLAIN = Telling()


def few(frame: pl.DataFrame, rows: int, seed: int) -> Flags:
    """Say which rows are of the customers to ask about, where `rows` of the frame would be asked: all, or a share."""
    return some(frame, seed, MOST_ROWS / max(rows, 1))


def drivers(pieces: Sequence[Piece], telling: Telling, seed: int) -> list[Driver]:
    """Give the fields that matter most, the weightiest first. A field that no model reads is not among them."""
    taken = [piece for piece in pieces if piece.frame.height]
    if not taken:
        return []
    weights = importances(taken, seed)
    ranked = sorted(weights, key=lambda name: (-weights[name]["value"], name))[:MOST_DRIVERS]
    frame = pl.concat([piece.frame for piece in taken], how="diagonal_relaxed")
    labels = np.concatenate([piece.labels for piece in taken])
    columns = {column.name: column for piece in taken for column in piece.model.reading.columns}
    top = [columns[name] for name in ranked[:TOP]]
    ratios = odds_ratios(frame, labels, top)
    found = []
    for name in ranked:
        odds = ratios.get(name, Odds())
        found.append(
            Driver(
                field=name,
                label=words.name_of(name, telling.called).label,
                importance=weights[name],
                odds_ratio=odds.ratio,
                sentence=_sentence(columns[name], odds, telling),
                dependence=dependence(taken, columns[name], frame) if name in ratios else [],
            )
        )
    return found


def importances(pieces: Sequence[Piece], seed: int) -> dict[str, Figures]:
    """Give for each field what AUC loses when its values are shuffled among rows (Breiman 2001, Fisher et al. 2019).

    A field is shuffled as a whole, not level by level. The interval is by customers: the variance of a difference of
    AUCs from its influence values (DeLong et al. 1988), added up by customer (Obuchowski 1997).
    """
    labels = np.tile(np.concatenate([piece.labels for piece in pieces]), REPEATS)
    customers = np.tile(np.concatenate([piece.frame["customer_id"].to_numpy() for piece in pieces]), REPEATS)
    _, owners = np.unique(customers, return_inverse=True)
    names = sorted({column.name for piece in pieces for column in piece.model.reading.columns})
    answers = [with_shuffled(piece, names, seed) for piece in pieces]
    told = influence(np.tile(np.concatenate([plain for plain, _ in answers]), REPEATS), labels)
    found = {}
    for number, name in enumerate(names):
        shuffled = [others[REPEATS * number + repeat] for repeat in range(REPEATS) for _, others in answers]
        other = influence(np.concatenate(shuffled), labels)
        parts = np.bincount(owners, told.parts - other.parts)
        found[name] = _figures(told.auc - other.auc, float(np.sqrt((parts**2).sum())))
    return found


class Influence(NamedTuple):
    """An AUC, and what each row adds to its error."""

    auc: float
    parts: Floats


def influence(chances: Floats, labels: Flags) -> Influence:
    """Give the AUC of chances and each row's influence on it (DeLong et al. 1988)."""
    ranks = rankdata(chances)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return Influence(0.5, np.zeros(len(labels)))
    won = np.empty(len(labels))
    won[labels] = (ranks[labels] - rankdata(chances[labels])) / negatives
    won[~labels] = 1 - (ranks[~labels] - rankdata(chances[~labels])) / positives
    auc = float(won[labels].mean())
    return Influence(auc, (won - auc) / np.where(labels, positives, negatives))


def dependence(pieces: Sequence[Asked], column: Column, frame: pl.DataFrame) -> list[Dependence]:
    """Give what is foreseen on average if everybody had a value, for some values of a field (Friedman 2001)."""
    points = _grid(column, frame)
    sums, rows = np.zeros(len(points)), 0
    most = max(1, GRID_ROWS // len(pieces))
    for piece in pieces:
        matrix = piece.model.reading.matrix(piece.frame.head(most))
        number, reading = _number(piece.model, column.name), piece.model.reading
        places = reading.places(number)
        edits = [reading.coded(number, value) if number >= 0 else np.empty(0) for value in points]
        sums += [chances.sum() for chances in _answers(piece.model, matrix, ((places, edit) for edit in edits))]
        rows += len(matrix)
    return [
        Dependence(value=words.written(value, column), chance=round(float(total) / rows, DECIMALS))
        for value, total in zip(points, sums, strict=True)
    ]


def _number(model: Foreseer, name: str) -> int:
    """Give the number of a field among the inputs of a model, -1 where it is none."""
    return next((number for number, column in enumerate(model.reading.columns) if column.name == name), -1)


def with_shuffled(piece: Asked, names: Sequence[str], seed: int, repeats: int = REPEATS) -> tuple[Floats, list[Floats]]:
    """Give what is foreseen of a piece as it is, and with each field shuffled, some times a field."""
    matrix = piece.model.reading.matrix(piece.frame)
    orders = [np.random.default_rng([seed, repeat]).permutation(len(matrix)) for repeat in range(repeats)]
    every = [(piece.model.reading.places(_number(piece.model, name)), order) for name in names for order in orders]
    plain = piece.model.predict(matrix)
    return plain, _answers(piece.model, matrix, ((places, matrix[order][:, places]) for places, order in every))


def _answers(model: Foreseer, matrix: Matrix, edits: Iterable[tuple[Places, Matrix | Floats]]) -> list[Floats]:
    """Give the chances of a matrix for each edit of some of its columns; many are asked at once."""
    found: list[Floats] = []
    waiting, at_once = iter(edits), max(1, ROWS_AT_ONCE // max(1, len(matrix)))
    while several := list(islice(waiting, at_once)):
        asked = np.asfortranarray(np.tile(matrix, (len(several), 1)))
        for number, (places, values) in enumerate(several):
            asked[number * len(matrix) : (number + 1) * len(matrix), places] = values
        found += np.split(model.predict(asked), len(several))
    return found


def _grid(column: Column, frame: pl.DataFrame) -> list[float | str | bool | None]:
    """Give the values of a field to stand at: evenly spaced in rank, or its most frequent levels."""
    points: list[float | str | bool | None]
    if column.kind == "yes_no":
        points = [False, True]
    elif column.kind == "text":
        points = list(column.levels[:GRID])
    else:
        values = frame.select(value=column.value())["value"].drop_nulls()
        ranks = [values.quantile(at, "nearest") for at in np.linspace(0.05, 0.95, GRID)]
        points = [*sorted({float(one) for one in ranks if one is not None})]
    missing = frame[column.name].null_count() if column.name in frame.columns else 0
    return [*points, None] if missing >= RARE_NONE * frame.height else points


def _sentence(column: Column, odds: Odds, telling: Telling) -> str:
    """Say what the odds ratio means, and what the leakage guard says of the field."""
    name = words.name_of(column.name, telling.called)
    said = odds.sentence(name, telling.answer, telling.called)
    warning = telling.warned.get(column.name)
    return " ".join(part for part in (said, warning) if part)


def _figures(value: float, error: float) -> Figures:
    half = NORMAL_95 * error
    return Figures(value=round(value, DECIMALS), low=round(value - half, DECIMALS), high=round(value + half, DECIMALS))
