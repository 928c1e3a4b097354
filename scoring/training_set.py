"""Training sets: customers at past times, with what they did afterwards."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from customers import history, snapshot
from customers.draws import draw
from customers.history import Lake, Scope
from customers.models import Attribute
from scoring import targets, value
from scoring.models import ModelVersion, Target
from scoring.value import Parameters

STEP = timedelta(days=30)
MOST_SNAPSHOTS = 12
POPULATION_DAYS = 365  # who did the event within so many days is somebody the target can speak of
MOST_ROWS = 300_000
DRAWS = 10_000
RECENCY = "recency.event"  # days since the last such event

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


class TrainingRefused(ValueError):
    """There is not enough to learn from: the message says how much is missing."""


@dataclass(frozen=True)
class TrainingSet:
    """Rows of customers as of past times with the columns `as_of` and `label`.

    The label of a number target is a number, and no value where `censored` says that it did not happen in the time.
    `excluded` are the columns that no model may read, `timeless` those taken as known for ever, `vouched` those that the
    leakage guard lets pass, `baseline` the column of the one-field rule to beat (or blank). `value` is what the columns
    `value.*` come from at the latest time.
    """

    frame: pl.DataFrame
    validated: ModelVersion.Validated
    horizon: timedelta = timedelta(0)
    excluded: frozenset[str] = frozenset()
    timeless: frozenset[str] = frozenset()
    vouched: frozenset[str] = frozenset()
    baseline: str = ""
    value: Parameters | None = None

    def labels(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Give the answer of each row of a yes-or-no target."""
        return self.frame["label"].to_numpy().astype(bool)

    def amounts(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Give the answer of each row of a number target, NaN where it is censored."""
        return self.frame["label"].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    def but(self, excluded: Collection[str]) -> "TrainingSet":
        """Give the same with more columns that no model may read."""
        return replace(self, excluded=self.excluded | frozenset(excluded))


def build(target: Target, as_of: datetime) -> TrainingSet:
    """Give the training set of a target from what was known by `as_of`."""
    as_of = as_of.astimezone(UTC)
    lake = history.pin()
    if target.kind == Target.Kind.ATTRIBUTE:
        found = of_attribute(snapshot.take(Scope(), as_of, lake), target, as_of)
    else:
        found = _over_time(target, as_of, lake)
    names = Attribute.objects.filter(is_timeless=True).values_list("name", flat=True)
    timeless = frozenset(f"attributes.{name}" for name in names)
    return replace(found.but(target.excluded), timeless=timeless, vouched=frozenset(target.vouched))


def of_attribute(frame: pl.DataFrame, target: Target, as_of: datetime) -> TrainingSet:
    """Give the customers with a value of the target's attribute, labelled by it; the attribute itself is no input."""
    column = f"attributes.{target.attribute}"
    if column not in frame.columns:
        raise TrainingRefused(f'No customer has a value of "{target.attribute}" as of {as_of:%Y-%m-%d}.')
    labelled = frame.with_columns(targets.holds(frame[column], target.equals).alias("label"), _time(as_of))
    labelled = labelled.filter(pl.col("label").is_not_null())
    if labelled.is_empty() or not labelled["label"].any():
        values = ", ".join(str(value) for value in frame[column].drop_nulls().unique().sort().head(10))
        raise TrainingRefused(
            f'No customer\'s "{target.attribute}" is "{target.equals}"; the values are: {values or "none"}.'
        )
    return TrainingSet(
        ordered(labelled),
        ModelVersion.Validated.IN_FOLDS,
        excluded=frozenset({column}),
        baseline=_tenure(labelled, column),
    )


def label(frame: pl.DataFrame, events: pl.DataFrame, t: datetime, horizon: timedelta) -> pl.DataFrame:
    """Give the customers who did one of the events in the year up to `t`, with what came after.

    `events` are those the target speaks of and what was known when training. Adds `as_of`, `did` (one occurred in
    (t, t + horizon]) and the days since the last one that was known at t.
    """
    known = past(events, t)
    after = events.filter((pl.col("occurred_at") > t) & (pl.col("occurred_at") <= t + horizon))
    did = after.select("customer_id", did=pl.lit(value=True)).unique("customer_id")
    joined = frame.join(known, on="customer_id", how="inner").join(did, on="customer_id", how="left")
    return joined.with_columns(pl.col("did").fill_null(value=False), _time(t))


def past(events: pl.DataFrame, t: datetime) -> pl.DataFrame:
    """Give the customers with one of the events in the year up to `t`, as known at `t`, and the days since the last."""
    known = events.filter((pl.col("occurred_at") <= t) & (pl.col("known_at") <= t))
    last = known.group_by("customer_id").agg(last=pl.col("occurred_at").max())
    recent = last.filter(pl.col("last") > t - timedelta(days=POPULATION_DAYS))
    days = (pl.lit(t).cast(pl.Datetime("us", "UTC")) - pl.col("last")).dt.total_seconds() / 86_400
    return recent.select("customer_id", days.alias(RECENCY))


def times(first: datetime, as_of: datetime, horizon: timedelta) -> list[datetime]:
    """Give the times to stand at, oldest first: 30 days apart back from the last one whose horizon has closed.

    None lies closer than a horizon to the first event, so that every snapshot has some past.
    """
    last = as_of - horizon
    all_times = [last - STEP * i for i in range(MOST_SNAPSHOTS)]
    return [t for t in reversed(all_times) if t >= first + horizon]


def of_snapshots(snapshots: list[pl.DataFrame], target: Target) -> TrainingSet:
    """Give the training set of labelled snapshots (see `label`)."""
    frame = pl.concat(snapshots, how="diagonal")
    answer = ~pl.col("did") if target.kind == Target.Kind.NO_EVENT else pl.col("did")
    horizon = timedelta(days=target.horizon_days or 0)
    frame = ordered(frame.with_columns(answer.alias("label")).drop("did"))
    return TrainingSet(frame, ModelVersion.Validated.OVER_TIME, horizon, baseline=RECENCY)


def draws(frame: pl.DataFrame, seed: int, parts: int) -> Ints:
    """Give every row a number below `parts`, the same for all rows of a customer."""
    return (draw(frame["seed"], f"scoring.parts.{seed}") * parts).floor().cast(pl.Int64).to_numpy()


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the rows in one order, whatever order they came in."""
    return frame.sort("as_of", "seed", "customer_id")


def _tenure(frame: pl.DataFrame, without: str) -> str:
    """Give the first number that says how long a customer has been one, or blank."""
    for name in sorted(frame.columns):
        if "tenure" in name and name != without and frame[name].dtype.is_numeric() and frame[name].count():
            return name
    return ""


def _over_time(target: Target, as_of: datetime, lake: Lake) -> TrainingSet:
    horizon = timedelta(days=target.horizon_days or 0)
    events = events_of(target, lake, Scope(), as_of)
    if events.is_empty():
        raise TrainingRefused(f'No "{target.event}" is known as of {as_of:%Y-%m-%d}.')
    first = events["occurred_at"].min()
    if not isinstance(first, datetime):
        raise TypeError("occurred_at must be a time")
    stands = times(first, as_of, horizon)
    if not stands:
        days = (as_of - first).days
        raise TrainingRefused(f"{2 * horizon.days} days of history are needed for one closed window; there are {days}.")
    snapshots, parameters = [], None
    for t in stands:
        frame = snapshot.take(Scope(), t, lake)
        if value.speaks_of(target):
            parameters = value.fit(frame)
            frame = value.add(frame, parameters, horizon.days)
        snapshots.append(_share(label(frame, events, t, horizon), len(stands)))
    return replace(of_snapshots(snapshots, target), value=parameters)


def events_of(target: Target, lake: Lake, scope: Scope, as_of: datetime) -> pl.DataFrame:
    """Give the events a target speaks of, as known by `as_of`: customer_id, occurred_at, known_at."""
    events = lake.events(scope).filter((pl.col("name") == target.event) & (pl.col("known_at") <= as_of))
    return events.filter(pl.col("occurred_at") <= as_of).select("customer_id", "occurred_at", "known_at").collect()


def _share(frame: pl.DataFrame, snapshots: int) -> pl.DataFrame:
    """Give as many customers as fit, the same ones at every time."""
    if frame.height * snapshots <= MOST_ROWS:
        return frame
    kept = int(DRAWS * MOST_ROWS / (frame.height * snapshots))
    return frame.filter(pl.Series(draws(frame, 0, DRAWS) < kept))


def _time(t: datetime) -> pl.Expr:
    return pl.lit(t).cast(pl.Datetime("us", "UTC")).alias("as_of")
