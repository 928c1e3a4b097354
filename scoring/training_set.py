"""Training sets: customers at past times, with what they did afterwards."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from customers import history, snapshot
from customers.draws import draw
from customers.history import Lake, Scope
from customers.models import Attribute
from customers.rows import Ints as Ints
from customers.rows import Mask
from scoring import conditions, labels, populations, value, value_fit
from scoring.labels import TrainingRefused as TrainingRefused
from scoring.models import ModelVersion, Target
from scoring.populations import NO_HISTORY, History
from scoring.populations import RECENCY as RECENCY
from scoring.value import Parameters

MOST_ROWS = 300_000
MOST_LEVELS = 15  # months before the rows of which the level is known
PLACES = 1 << 40


@dataclass(frozen=True)
class TrainingSet:
    """Rows of customers as of past times with the columns `as_of` and `label`.

    The label of a number target is a number, and no value where `censored` says that it did not happen in the time.
    `excluded` are the columns that no model may read, `timeless` those taken as known for ever, `vouched` those that
    the leakage guard lets pass, `baseline` the column of the one-field rule to beat (or blank). `value` is what the
    columns `value.*` come from at the latest time, `spend_line` the most that customers may have spent for the target
    to speak of them, where that matters, `levels` the share of whom it came true at times that have no rows.
    """

    frame: pl.DataFrame
    validated: ModelVersion.Validated
    horizon: timedelta = timedelta(0)
    excluded: frozenset[str] = frozenset()
    timeless: frozenset[str] = frozenset()
    vouched: frozenset[str] = frozenset()
    baseline: str = ""
    value: Parameters | None = None
    spend_line: float | None = None
    levels: Mapping[datetime, float] = field(default_factory=dict)

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
    """Give the training set of a target from what was known by `as_of`. Raises TrainingRefused."""
    as_of = as_of.astimezone(UTC)
    lake = history.pin()
    told = populations.read(target, lake, Scope(), as_of)
    if target.kind == Target.Kind.ATTRIBUTE:
        found = of_attribute(snapshot.take(Scope(), as_of, lake), target, as_of, told)
    else:
        found = _over_time(target, as_of, lake, told)
    names = Attribute.objects.filter(is_timeless=True).values_list("name", flat=True)
    timeless = frozenset(conditions.column(name) for name in names)
    return replace(found.but(target.excluded), timeless=timeless, vouched=frozenset(target.vouched))


def of_attribute(frame: pl.DataFrame, target: Target, as_of: datetime, told: History = NO_HISTORY) -> TrainingSet:
    """Give the customers with a value of the target's attribute, labelled by it; the attribute itself is no input."""
    column = conditions.column(target.attribute)
    labelled = labels.label_now(target, frame, told, as_of)
    excluded, baseline = frozenset({column}), _tenure(labelled, column)
    return TrainingSet(ordered(labelled), ModelVersion.Validated.IN_FOLDS, excluded=excluded, baseline=baseline)


def of_snapshots(snapshots: list[pl.DataFrame], target: Target) -> TrainingSet:
    """Give the training set of labelled snapshots (see `labels.label`)."""
    frame = ordered(pl.concat(snapshots, how="diagonal"))
    horizon = timedelta(days=target.horizon_days or 0)
    baseline = RECENCY if RECENCY in frame.columns else _tenure(frame, "")
    return TrainingSet(frame, ModelVersion.Validated.OVER_TIME, horizon, baseline=baseline)


def draws(frame: pl.DataFrame, seed: int, parts: int) -> Ints:
    """Give every row a number below `parts`, the same for all rows of a customer."""
    return (draw(frame["seed"], f"scoring.parts.{seed}") * parts).floor().cast(pl.Int64).to_numpy()


def some(frame: pl.DataFrame, seed: int, share: float) -> Mask:
    """Say which rows are of a share of the customers: the same ones for the same seed, all of them from 1 up."""
    return draws(frame, seed, PLACES) < PLACES * min(share, 1.0)


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the rows in one order, whatever order they came in."""
    return frame.sort("as_of", "seed", "customer_id")


def _tenure(frame: pl.DataFrame, without: str) -> str:
    """Give the first number that says how long a customer has been one, or blank."""
    for name in sorted(frame.columns):
        if "tenure" in name and name != without and frame[name].dtype.is_numeric() and frame[name].count():
            return name
    return ""


def _over_time(target: Target, as_of: datetime, lake: Lake, told: History) -> TrainingSet:
    horizon = timedelta(days=target.horizon_days or 0)
    stands = labels.times(labels.first_told(target, told, as_of), as_of, horizon)
    snapshots, parameters = [], None
    for t in stands:
        frame = snapshot.take(Scope(), t, lake)
        if value.speaks_of(target):
            parameters = value_fit.fit(frame)
            frame = value.add(frame, parameters, horizon.days)
        snapshots.append(_share(labels.label(target, frame, told, t), len(stands)))
    found = of_snapshots(snapshots, target)
    line = populations.line_of_all(target, told, as_of)
    return replace(found, value=parameters, spend_line=line, levels=levels_before(target, told, stands, as_of))


def levels_before(target: Target, told: History, stands: list[datetime], as_of: datetime) -> dict[datetime, float]:
    """Give the share of whom it came true at times before those of the rows, where events alone tell of whom to speak.

    The season of a year before is known by them.
    """
    events = conditions.foreseen(target)
    by_events = all(isinstance(one, conditions.Did) for one in conditions.who(target))
    if events is None or not by_events or target.kind not in (Target.Kind.EVENT, Target.Kind.NO_EVENT):
        return {}
    ids = pl.concat([rows.select("customer_id") for rows in told.events.values()]).unique().sort("customer_id")
    start = labels.first_told(target, told, as_of) + timedelta(days=target.horizon_days or 0)
    times = [t for t in (stands[0] - labels.STEP * i for i in range(1, MOST_LEVELS + 1)) if t >= start]
    shares = {t: labels.label(target, ids, told, t)["label"].cast(pl.Float64).mean() for t in times}
    return {t: share for t, share in shares.items() if isinstance(share, float)}


def _share(frame: pl.DataFrame, snapshots: int) -> pl.DataFrame:
    """Give as many customers as fit, the same ones at every time."""
    if frame.height * snapshots <= MOST_ROWS:
        return frame
    return frame.filter(pl.Series(some(frame, 0, MOST_ROWS / (frame.height * snapshots))))
