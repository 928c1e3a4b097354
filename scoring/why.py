"""Why a customer has the scores she has: reckoned when it is asked, from what was known when the score was given."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import polars as pl

from customers import snapshot
from customers.history import Scope
from customers.models import Customer
from scoring import formula, ranking, reasons
from scoring.encoding import FrameMismatch
from scoring.models import Score
from scoring.reasons import NoReasons
from scoring.seals import ArtifactError

NOTICED = 0.001  # of the chance: facts that came later, or were taken back


class Why(NamedTuple):
    """What raises a customer's score and what lowers it, and what is to be said of that, if anything."""

    up: list[str]
    down: list[str]
    note: str = ""


def of_customer(customer: Customer, targets: Collection[str] | None = None) -> dict[str, Why]:
    """Give the reasons of a customer's published scores by the target's key; of the named targets, or of all."""
    scores = Score.objects.filter(run=ranking.published(), customer=customer)
    if targets is not None:
        scores = scores.filter(target__key__in=targets)
    frames: dict[object, pl.DataFrame] = {}
    found = {}
    for score in scores.select_related("target", "version").order_by("target__key"):
        if score.as_of not in frames:
            scope = Scope(bucket=customer.bucket, ids=(customer.pk,))
            moment = pl.lit(score.as_of).cast(pl.Datetime("us", "UTC"))
            frames[score.as_of] = snapshot.take(scope, score.as_of).with_columns(as_of=moment)
        found[score.target.key] = _of_score(score, frames[score.as_of])
    return found


def _of_score(score: Score, frame: pl.DataFrame) -> Why:
    if frame.is_empty():
        return Why([], [], "Nothing is known any more as of when the score was given.")
    try:
        told = reasons.reasons(score.version, frame)[score.customer_id]
        chance = formula.expit(_odds(score, frame))[0]
    except (NoReasons, ArtifactError, FrameMismatch) as error:
        return Why([], [], str(error))
    is_same = abs(chance - score.value) < NOTICED
    note = "" if is_same else f"By what is known now of that time, the score would be {chance:.3f}."
    return Why(told.up, told.down, note)


def _odds(score: Score, frame: pl.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    told = formula.of_version(score.version)
    return told.odds(told.reading.matrix(frame))
