"""What drives a number that is foreseen: what its ranking loses without a field, and how the number goes with it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from scoring import drivers, number_figures, words
from scoring.drivers import MOST_DRIVERS, TOP, Foreseer
from scoring.evaluation import NORMAL_95
from scoring.learners import Floats
from scoring.number_figures import Amounts, Draws
from scoring.report import Dependence, Driver, Figures
from scoring.words import Words

DECIMALS = 6


class Piece(NamedTuple):
    """Rows that a model did not see when it was fitted, and what came; `customer_id` is in the frame."""

    model: Foreseer
    frame: pl.DataFrame
    came: Floats


def found(pieces: Sequence[Piece], called: Words, seed: int, *, is_chance: bool) -> list[Driver]:
    """Give the fields that matter most, the weightiest first; `is_chance` says that the models foresee chances."""
    taken = [piece for piece in pieces if piece.frame.height]
    if not taken:
        return []
    weights = importances(taken, seed)
    ranked = sorted(weights, key=lambda name: (-weights[name]["value"], name))[:MOST_DRIVERS]
    frame = pl.concat([piece.frame for piece in taken], how="diagonal_relaxed")
    columns = {column.name: column for piece in taken for column in piece.model.reading.columns}
    told = []
    for name in ranked:
        points = drivers.dependence(taken, columns[name], frame) if name in ranked[:TOP] else []
        told.append(
            Driver(
                field=name,
                label=words.name_of(name, called).label,
                importance=weights[name],
                odds_ratio=None,
                sentence=_sentence(points, is_chance=is_chance),
                dependence=points if is_chance else [_amount(one) for one in points],
            )
        )
    return told


def importances(pieces: Sequence[Piece], seed: int) -> dict[str, Figures]:
    """Give for each field that is read what the normalised Gini loses when its values are shuffled among rows.

    Permutation importance (Fisher et al. 2019). The interval is by resampling whole customers, the
    same ones for both rankings.
    """
    names = sorted({column.name for piece in pieces for column in piece.model.reading.columns})
    answers = [drivers.with_shuffled(piece, names, seed, repeats=1) for piece in pieces]
    came = np.concatenate([piece.came for piece in pieces])
    customers = np.concatenate([piece.frame["customer_id"].to_numpy() for piece in pieces])
    plain_answers = np.concatenate([own for own, _ in answers])
    plain = number_figures.ranking(Amounts(came, plain_answers, customers), seed)
    lost = {}
    for number, name in enumerate(names):
        foreseen = np.concatenate([others[number] for _, others in answers])
        if not np.array_equal(foreseen, plain_answers):  # else the learner that speaks does not read it
            lost[name] = _difference(plain, number_figures.ranking(Amounts(came, foreseen, customers), seed))
    return lost


def _difference(plain: Draws, other: Draws) -> Figures:
    value = plain.value - other.value
    half = NORMAL_95 * float(np.std(plain.resampled - other.resampled, ddof=1))
    return Figures(value=round(value, DECIMALS), low=round(value - half, DECIMALS), high=round(value + half, DECIMALS))


def _amount(point: Dependence) -> Dependence:
    return Dependence(value=point["value"], amount=point["chance"])


def _sentence(points: Sequence[Dependence], *, is_chance: bool) -> str:
    """Tell between which values of the field the foreseen number differs most."""
    if len(points) < 2:
        return ""
    ordered = sorted(points, key=lambda one: one["chance"])
    low, high = ordered[0], ordered[-1]
    said = [f"{one['chance']:.0%}" if is_chance else f"{one['chance']:,.2f}" for one in (low, high)]
    what = "a chance of " if is_chance else ""
    return f"On average {what}{said[0]} is foreseen at {low['value']}, and {said[1]} at {high['value']}."
