"""Who learns and who tests: late origins by parts of the customers, or folds; and apart from them, where to choose."""

from datetime import datetime
from typing import NamedTuple

import polars as pl

from scoring.learners import Flags
from scoring.minimums import FEWEST, FEWEST_AT_ORIGIN, MOST_ORIGINS, no_origin
from scoring.models import ModelVersion
from scoring.training_set import PLACES, Ints, TrainingRefused, TrainingSet, draws

MOST_CHOOSING = 1  # that chooses
PARTS = 3  # of the customers, over time: each is tested by a model that never saw it
FOLDS = 5


class Split(NamedTuple):
    """Rows to learn from, rows to predict, and the same customers' earlier rows, for calibrating the other parts."""

    origin: datetime | None
    train: Flags
    test: Flags
    aside: Flags


class _Origin(NamedTuple):
    """A time, its rows, and the rows whose windows had closed by then."""

    at: datetime
    rows: Flags
    closed: Flags


def judging(examples: TrainingSet, seed: int) -> list[Split]:
    """Give the splits that judge: up to three newest origins by three parts of the customers, or five folds."""
    if examples.validated == ModelVersion.Validated.IN_FOLDS:
        return _folds(examples, seed)
    return _by_part(_late(examples), draws(examples.frame, seed, PARTS))


def choosing(examples: TrainingSet, seed: int) -> list[Split]:
    """Give the splits that choose a learner.

    Over time they lie on the training side of the first origin that judges, so that their windows had closed before
    it: its last origin, or parts of its customers where it has not enough before it. In folds they are the same.
    """
    if examples.validated == ModelVersion.Validated.IN_FOLDS:
        return _folds(examples, seed)
    side = _late(examples)[0].closed
    parts = draws(examples.frame, seed, PARTS)
    early = [origin for origin in _origins(examples) if (side & origin.rows).any()]
    early = [_Origin(one.at, one.rows & side, one.closed) for one in early][-MOST_CHOOSING:]
    if early:
        return _by_part(early, parts)
    tested = [side & (parts == part) for part in range(PARTS)]
    return [Split(None, side & ~test, test, test) for test in tested]


def _late(examples: TrainingSet) -> list[_Origin]:
    found = _origins(examples)[-MOST_ORIGINS:]
    if not found:
        raise TrainingRefused(no_origin(examples.horizon))
    return found


def _origins(examples: TrainingSet) -> list[_Origin]:
    """Give the times, oldest first, before which enough windows had closed, and at which enough can be tested."""
    times, labels = examples.frame["as_of"], examples.labels()
    found = []
    for at in times.unique().sort().to_list():
        rows, closed = (times == at).to_numpy(), (times + examples.horizon <= at).to_numpy()
        if _fewest(labels, closed) >= FEWEST and _fewest(labels, rows) >= FEWEST_AT_ORIGIN:
            found.append(_Origin(at, rows, closed))
    return found


def _fewest(labels: Flags, rows: Flags) -> int:
    """Give how many there are of the rarer answer."""
    return min(int((labels & rows).sum()), int((~labels & rows).sum()))


def _by_part(origins: list[_Origin], parts: Ints) -> list[Split]:
    return [
        Split(one.at, one.closed & (parts != part), one.rows & (parts == part), one.closed & (parts == part))
        for one in origins
        for part in range(PARTS)
    ]


def _folds(examples: TrainingSet, seed: int) -> list[Split]:
    """Give every row to a fold, with equal shares of positives, by the customers' own hash."""
    drawn = examples.frame.select("label", draw=pl.Series(draws(examples.frame, seed, PLACES)))
    rank = pl.col("draw").rank("ordinal").over("label").cast(pl.Int64)
    folds = drawn.select(rank % FOLDS).to_series().to_numpy()
    return [Split(None, folds != fold, folds == fold, folds == fold) for fold in range(FOLDS)]
