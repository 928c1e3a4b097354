"""Made-up customers whose truth is known."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from customers import bulk, history, ingest
from customers.ingest import Records
from customers.models import Source
from scoring import labels
from scoring.conditions import Events
from scoring.labels import label
from scoring.learners import CANDIDATES, Floats
from scoring.models import ModelVersion, Target
from scoring.populations import NO_CHANGES, History
from scoring.training_set import TrainingSet, of_snapshots, ordered

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def few_times(patch: pytest.MonkeyPatch, times: int = 4) -> None:
    """Let trainings look at the past from so few times."""
    patch.setattr(labels, "MOST_SNAPSHOTS", times)


def light_learners(patch: pytest.MonkeyPatch) -> None:
    """Let each learner be tried with one setting only, and those of many trees with few."""
    for name, (first, *_) in CANDIDATES.items():
        patch.setitem(CANDIDATES, name, ({**first, "trees": 12} if "trees" in first else first,))


def people(count: int, seed: int = 1, columns: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """Give customers with ids, seeds and buckets, and the columns given."""
    seeds = np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, count)
    return pl.DataFrame({"customer_id": np.arange(1, count + 1), "seed": seeds, **(columns or {})}).with_columns(
        bucket=pl.col("seed") % 4
    )


def attribute_set(frame: pl.DataFrame, labels: Any) -> TrainingSet:
    """Give a training set without dates."""
    labelled = frame.with_columns(
        pl.Series("label", labels, dtype=pl.Boolean), pl.lit(AS_OF).cast(bulk.UTC_MICROSECONDS).alias("as_of")
    )
    return TrainingSet(ordered(labelled), ModelVersion.Validated.IN_FOLDS)


def signal(count: int, strength: float, seed: int = 1) -> tuple[TrainingSet, Floats, pl.DataFrame]:
    """Give a set in which one number and one plan decide, their true chances, and the frame."""
    rng = np.random.default_rng(seed)
    number, plan = rng.normal(size=count), rng.integers(0, 2, count)
    chances = 1 / (1 + np.exp(-strength * (number + plan - 1)))
    columns = {"attributes.plan": np.where(plan == 1, "month", "year"), "features.load": number}
    frame = people(count, seed, columns).with_columns(pl.Series("features.noise", rng.normal(size=count)))
    return attribute_set(frame, rng.random(count) < chances), chances, frame


def order_times(count: int, seed: int = 3, days: int = 420) -> pl.DataFrame:
    """Give the orders (customer_id, occurred_at, known_at) of customers with rates of their own, some of whom leave."""
    rng = np.random.default_rng(seed)
    rates, ends = rng.gamma(1.2, 0.025, count) + 0.004, np.minimum(rng.exponential(400, count), days)
    made = rng.poisson(rates * ends)
    who = np.repeat(np.arange(1, count + 1), made)
    ages = days - rng.random(len(who)) * np.repeat(ends, made)
    at = pl.lit(AS_OF).cast(bulk.UTC_MICROSECONDS) - pl.duration(seconds=pl.col("age").cast(pl.Int64))
    frame = pl.DataFrame({"customer_id": who, "age": ages * 86_400}).with_columns(occurred_at=at)
    return frame.select("customer_id", "occurred_at", known_at="occurred_at")


def features_at(orders: pl.DataFrame, frame: pl.DataFrame, t: datetime) -> pl.DataFrame:
    """Give the customers with two features of their orders as known at a time."""
    known = orders.filter((pl.col("occurred_at") <= t) & (pl.col("known_at") <= t))
    age = (pl.lit(t).cast(bulk.UTC_MICROSECONDS) - pl.col("occurred_at")).dt.total_seconds() / 86_400
    found = known.group_by("customer_id").agg(
        age.min().alias("features.recency_days"), (age < 120).sum().cast(pl.Int64).alias("features.orders_120d")
    )
    return frame.join(found, on="customer_id", how="left")


def silence(horizon_days: int = 45) -> Target:
    """Give the target "no order within so many days", not stored."""
    return Target(key="silence", kind="no_event", event="Order Completed", horizon_days=horizon_days, created_at=AS_OF)


def order_set(orders: pl.DataFrame, count: int, stands: list[datetime]) -> TrainingSet:
    """Give the training set of `silence` from snapshots at these times."""
    target, frame, told = silence(), people(count), history_of(orders)
    return of_snapshots([label(target, features_at(orders, frame, t), told, t) for t in stands], target)


def history_of(orders: pl.DataFrame) -> History:
    """Give orders as the history that targets ask for, each worth 20 where they have no value."""
    events = orders if "value" in orders.columns else orders.with_columns(value=pl.lit(20.0))
    return History({Events("Order Completed"): events}, NO_CHANGES)


def store_shop(count: int, orders: pl.DataFrame) -> Source:
    """Store customers c1, c2, ... with a plan, and their orders, through the front door; bring the lake up to date."""
    source = Source.objects.create(key="shop", name="Shop", kind="api")
    numbers = pl.int_range(1, count + 1, eager=True)
    names = pl.format("c{}", pl.col("number"))
    known = pl.DataFrame({"number": numbers}).select(
        line="number", external_id=names, known_since=pl.lit(AS_OF - 500 * DAY)
    )
    plans = pl.DataFrame({"number": numbers}).select(
        line="number",
        external_id=names,
        name=pl.lit("plan"),
        value=pl.when(pl.col("number") % 3 == 0).then(pl.lit('"month"')).otherwise(pl.lit('"year"')),
        known_at=pl.lit(AS_OF - 500 * DAY),
    )
    records = Records(
        read=count, customers=known, attributes=plans, events=events_of(orders, "o"), types={"plan": "text"}
    )
    ingest.put(records, source, AS_OF)
    history.sync()
    return source


def events_of(orders: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Give orders as records of events."""
    return orders.with_row_index().select(
        line=pl.col("index").cast(pl.Int64),
        external_id=pl.format("c{}", pl.col("customer_id")),
        message_id=pl.format(prefix + "{}", pl.col("index")),
        name=pl.lit("Order Completed"),
        occurred_at="occurred_at",
        known_at="known_at",
        value=pl.lit(20.0),
    )
