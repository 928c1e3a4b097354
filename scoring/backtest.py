"""How scores came true: once their window has closed, a snapshot's scores are judged by what happened.

Judged twice: among everybody, and among those whom we sent, called and gave nothing in the window. A campaign that
works would spoil the first; whether a model still fits is told by the second. Amounts are judged as amounts. Of days
until something happens it is judged who was told a day: whether it came by then, and how far off the day was.
"""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from django.db import transaction

from customers import features, history, snapshot
from customers.generations import LakeError
from customers.history import Lake, Scope
from scoring import conditions, evaluation, labels, number_figures, populations, targets, training_set, windows
from scoring.conditions import Has
from scoring.evaluation import Outcome
from scoring.models import Backtest, ModelVersion, ScoredSnapshot, Target
from scoring.number_figures import Amounts

APART = timedelta(days=7)  # of a version, one snapshot a week is judged
FEWEST = 20  # who did, and who did not: fewer tell nothing
MOST = 50_000  # customers that figures are taken of; the level is everybody's
Told = dict[str, Any]


def judge_due(at: datetime) -> list[Backtest]:
    """Judge every snapshot whose window has closed by now, from what is known by now; give the new judgements."""
    due = list(windows.closed(at))
    made: list[Backtest] = []
    lake = history.pin() if due else None
    for one in due:
        if lake is not None and _is_wanted(one):
            made += judge(one.version, one.as_of, at, lake)
        one.delete()
    return made


def judge(version: ModelVersion, as_of: datetime, at: datetime, lake: Lake) -> list[Backtest]:
    """Judge a version by the snapshot that holds its scores; nothing where that is gone. Twice changes nothing."""
    rows = _answered(version.target, as_of, at, lake)
    if rows is None:
        return []
    parts = {Backtest.Who.EVERYBODY: rows, Backtest.Who.LEFT_ALONE: rows.filter("is_alone")}
    made = [_judged(version, who, part, at) for who, part in parts.items() if _is_enough(version.target, part)]
    with transaction.atomic():
        Backtest.objects.filter(version=version, as_of=as_of).delete()
        return Backtest.objects.bulk_create(made)


def left_alone(ids: pl.Series, after: datetime, until: datetime, lake: Lake) -> pl.Series:
    """Say whom of these customers we did not contact in (after, until]."""
    contacts = lake.events(Scope()).filter(
        pl.col("name").is_in(features.CONTACTS), pl.col("occurred_at") > after, pl.col("occurred_at") <= until
    )
    return ~ids.is_in(contacts.select("customer_id").unique().collect()["customer_id"].implode())


def _is_wanted(one: ScoredSnapshot) -> bool:
    """Tell whether no neighbour of a snapshot was judged."""
    near = Backtest.objects.filter(version=one.version, as_of__gt=one.as_of - APART, as_of__lte=one.as_of)
    return not near.exists()


def _answered(target: Target, as_of: datetime, at: datetime, lake: Lake) -> pl.DataFrame | None:
    """Give the scored customers of a snapshot with what was foreseen, what happened, and whether we left them alone."""
    column = f"scores.{target.key}"
    told = [one.attribute for one in conditions.who(target) if isinstance(one, Has)]
    read = [conditions.column(name) for name in (*told, target.attribute) if name]
    try:
        frame = snapshot.load(as_of, columns=["seed", column, *read])
    except LakeError:
        return None
    if column not in frame.columns:
        return None
    horizon = timedelta(days=target.horizon_days or 0)
    rows = labels.label(target, frame, populations.read(target, lake, Scope(), at), as_of)
    rows = rows.filter(pl.col(column).is_not_null()).select("customer_id", "seed", "as_of", "label", foreseen=column)
    alone = left_alone(rows["customer_id"], as_of, as_of + horizon, lake)
    return rows.with_columns(alone.alias("is_alone")).sort("customer_id")


def _is_enough(target: Target, rows: pl.DataFrame) -> bool:
    """Tell whether enough customers did, and, of a yes or no, enough did not."""
    positives = _positives(rows)
    return min(positives, rows.height if targets.is_number(target) else rows.height - positives) >= FEWEST


def _positives(rows: pl.DataFrame) -> int:
    return int((rows["label"].cast(pl.Float64).fill_null(0.0) > 0).sum())


def _judged(version: ModelVersion, who: Backtest.Who, rows: pl.DataFrame, at: datetime) -> Backtest:
    drawn = training_set.some(rows, version.seed, MOST / rows.height)
    seen = rows.filter(pl.Series(drawn))
    if targets.is_number(version.target):
        figures, curves = _of_number(version, seen)
    else:
        figures, curves = _of_chances(version, seen)
    return Backtest(
        version=version,
        who=who,
        as_of=rows["as_of"][0],
        judged_at=at,
        customers=rows.height,
        positives=_positives(rows),
        figures={**figures, **_level(version.target, rows)},
        curves=curves,
    )


def _level(target: Target, rows: pl.DataFrame) -> dict[str, float]:
    """Give the mean that was foreseen, and that which came; of days, among those to whom it came."""
    seen = rows.drop_nulls("label") if target.kind == Target.Kind.NEXT else rows
    foreseen, came = (float(seen[name].cast(pl.Float64).to_numpy().mean()) for name in ("foreseen", "label"))
    return {"foreseen": round(foreseen, 6), "happened": round(came, 6)}


def _of_number(version: ModelVersion, seen: pl.DataFrame) -> tuple[Told, Told]:
    """Give the figures of amounts; of days, those of a day that was told."""
    came, foreseen = (seen[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("label", "foreseen"))
    amounts = Amounts(came, foreseen, seen["customer_id"].to_numpy())
    if version.target.kind == Target.Kind.NEXT:
        figures = number_figures.figures(amounts.at(~np.isnan(came)), version.seed)
        by_then = number_figures.share(np.nan_to_num(came, nan=np.inf) <= foreseen)
        return {number_figures.MAE: figures[number_figures.MAE].plain(), "on_time": by_then.plain()}, {}
    told = {name: one.plain() for name, one in number_figures.figures(amounts, version.seed).items()}
    return told, number_figures.curves(amounts)


def _of_chances(version: ModelVersion, seen: pl.DataFrame) -> tuple[Told, Told]:
    chances = seen["foreseen"].to_numpy()
    outcome = Outcome(
        labels=seen["label"].to_numpy().astype(bool),
        chances=chances,
        flagged=chances >= (np.inf if version.threshold is None else version.threshold),
        customers=seen["customer_id"].to_numpy(),
    )
    figures = {name: figure.plain() for name, figure in evaluation.figures(outcome, version.seed).items()}
    return figures, evaluation.curves(outcome)
