"""Foresees what customers of an imported shop do after a time, in a process of the program."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from customers import history, snapshot
from customers.history import Scope
from scoring import forecasts, training, training_set, value, value_fit
from scoring.models import Target
from scoring.training_set import TrainingRefused


def foresee(as_of: str, days: str, path: str) -> None:
    """Fit to what was known as of a time, and write down how near that comes to the days after it."""
    at, horizon = datetime.fromisoformat(as_of), timedelta(days=int(days))
    history.sync()
    lake = history.pin()
    frame = snapshot.take(Scope(), at, lake)
    found = value_fit.fit(frame)
    assert found is not None
    told = value.add(frame, found, horizon / timedelta(days=1)).select("customer_id", "^value\\..*$")
    after = lake.events(Scope()).filter(pl.col("occurred_at") > at, pl.col("occurred_at") <= at + horizon).collect()
    later = after.group_by("customer_id").agg(orders=pl.col("occurred_at").dt.date().n_unique())
    both = told.join(later, on="customer_id", how="left").with_columns(pl.col("orders").fill_null(0))
    orders, expected, chance = (both[name].to_numpy() for name in ("orders", "value.orders", "value.chance"))
    figures = {
        "customers": len(orders),
        "mae": float(np.abs(expected - orders).mean()),
        "by_orders": float(((expected > np.log(2)) == (orders > 0)).mean()),  # one order or more, were they Poisson
        "by_chance": float(((chance > 0.5) == (orders > 0)).mean()),
    }
    Path(path).write_text(json.dumps({**found.plain(), **figures, "refused": _refusal(at, horizon)}))


def _refusal(at: datetime, horizon: timedelta) -> str:
    """Say why no learner stands beside BG/NBD: what training a target on the same days answers."""
    spend = Target(
        key="spend", kind=Target.Kind.SPEND, event="Order Completed", horizon_days=horizon.days, created_at=at
    )
    try:
        forecasts.learn(training_set.build(spend, at), spend, 0, training.silent)
    except TrainingRefused as refused:
        return str(refused)
    return ""
