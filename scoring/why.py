"""Why a customer has the scores she has: reckoned when it is asked, from what was known when the score was given."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from customers import history, snapshot
from customers.history import Scope
from customers.models import Customer
from scoring import formula, ranking, reasons, target_columns
from scoring.encoding import FrameMismatch
from scoring.formula import Formula
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
    found: dict[str, Why] = {}
    told: dict[Score, Formula] = {}
    for score in rows.select_related("target", "version__target").order_by("target__key"):
        try:
            reasons.check(score.version)
            told[score] = formula.of_version(score.version)
        except (NoReasons, ArtifactError) as error:
            found[score.target.key] = Why([], [], str(error))
    for as_of in {score.as_of for score in told}:
        found |= _as_of(as_of, customer, {score: one for score, one in told.items() if score.as_of == as_of})
    return dict(sorted(found.items()))


def _as_of(as_of: datetime, customer: Customer, told: Mapping[Score, Formula]) -> dict[str, Why]:
    lake, scope = history.pin(), Scope(bucket=customer.bucket, ids=(customer.pk,))
    frame = snapshot.take(scope, as_of, lake)
    frame = frame.with_columns(as_of=pl.lit(as_of).cast(pl.Datetime("us", "UTC")))
    if frame.is_empty():
        return {score.target.key: Why([], [], "Nothing is known any more of that time.") for score in told}
    past = target_columns.known([score.target for score in told], frame, as_of, lake)
    return {score.target.key: _of_score(score, one, frame, past) for score, one in told.items()}


def _of_score(score: Score, told: Formula, frame: pl.DataFrame, past: Past) -> Why:
    try:
        frame = frame.with_columns(target_columns.columns(score.version, told.reading, frame, past))
        found = reasons.reasons(score.version, frame)[score.customer_id]
        chance = formula.expit(told.odds(told.reading.matrix(frame)))[0]
    except FrameMismatch as error:
        return Why([], [], str(error))
    is_same = abs(chance - score.value) < NOTICED
    note = "" if is_same else f"By what is known now of that time, the score would be {chance:.3f}."
    return Why(found.up, found.down, note)
