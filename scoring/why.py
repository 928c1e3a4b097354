"""Why a customer has the scores she has: reckoned when it is asked, from what was known when the score was given."""

from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from customers import history, snapshot
from customers.history import Scope
from customers.models import Customer
from scoring import formula, ranking, reasons, target_columns
from scoring.encoding import FrameMismatch
from scoring.models import Score
from scoring.populations import Past
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
    rows = Score.objects.filter(run=ranking.published(), customer=customer)
    if targets is not None:
        rows = rows.filter(target__key__in=targets)
    scores = list(rows.select_related("target", "version__target").order_by("target__key"))
    lake, scope = history.pin(), Scope(bucket=customer.bucket, ids=(customer.pk,))
    found: dict[str, Why] = {}
    for as_of in {score.as_of for score in scores}:
        own = [score for score in scores if score.as_of == as_of]
        frame = snapshot.take(scope, as_of, lake)
        frame = frame.with_columns(as_of=pl.lit(as_of).cast(pl.Datetime("us", "UTC")))
        past = target_columns.known([score.target for score in own], frame, as_of, lake)
        found |= {score.target.key: _of_score(score, frame, past) for score in own}
    return found


def _of_score(score: Score, frame: pl.DataFrame, past: Past) -> Why:
    if frame.is_empty():
        return Why([], [], "Nothing is known any more of that time.")
    try:
        told = formula.of_version(score.version)
        frame = frame.with_columns(target_columns.columns(score.version, told.reading, frame, past))
        found = reasons.reasons(score.version, frame)[score.customer_id]
        chance = formula.expit(told.odds(told.reading.matrix(frame)))[0]
    except (NoReasons, ArtifactError, FrameMismatch) as error:
        return Why([], [], str(error))
    is_same = abs(chance - score.value) < NOTICED
    note = "" if is_same else f"By what is known now of that time, the score would be {chance:.3f}."
    return Why(found.up, found.down, note)
