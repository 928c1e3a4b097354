"""What a target that need not be stored has to learn from: customers and how many of them it came true for."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from customers import history
from customers.history import Lake, Scope
from customers.models import Attribute
from customers.typed import typed
from scoring import conditions, labels, minimums, populations, targets
from scoring.conditions import Has
from scoring.labels import TrainingRefused
from scoring.minimums import Window
from scoring.models import Target
from scoring.populations import History


class Counted(NamedTuple):
    """Customers that a target speaks of in any window, the cases that came true, the share of all that is, the closed
    windows, and what is missing to learn from it, or nothing."""

    customers: int
    positives: int
    share: float
    windows: int
    refusal: str


class _Told(NamedTuple):
    """Changes of the attributes that a target asks about: customer_id, name, value as JSON text, known_at."""

    changes: pl.DataFrame
    types: dict[str, Attribute.Type]

    def at(self, ids: pl.Series, t: datetime) -> pl.DataFrame:
        """Give the customers with the attributes as known at a time."""
        frame = pl.DataFrame({"customer_id": ids})
        known = self.changes.filter(pl.col("known_at") <= t)
        for name, type_ in self.types.items():
            last = known.filter(pl.col("name") == name).unique("customer_id", keep="last", maintain_order=True)
            value = last.select("customer_id", typed(last["value"], type_).alias(conditions.column(name)))
            frame = frame.join(value, on="customer_id", how="left", maintain_order="left")
        return frame


def count(target: Target, as_of: datetime) -> Counted:
    """Count what a target that is checked has to learn from as of a time; it is refused as training would refuse it."""
    as_of = as_of.astimezone(UTC)
    lake = history.pin()
    told = populations.read(target, lake, Scope(), as_of)
    attributes = _attributes(target, lake, as_of)
    ids = _everybody(told, attributes)
    try:
        found = [_labelled(target, attributes.at(ids, t), told, t) for t in _times(target, told, as_of)]
    except TrainingRefused as refused:
        return Counted(0, 0, 0.0, 0, str(refused))
    windows = [Window(t, one.height, int(one["label"].sum())) for t, one in found]
    customers = pl.concat(one["customer_id"] for _, one in found).n_unique()
    positives, rows = sum(one.positives for one in windows), sum(one.customers for one in windows)
    share = positives / rows if rows else 0.0
    is_timed = target.kind != Target.Kind.ATTRIBUTE
    negatives = None if targets.is_number(target) else rows - positives
    refusal = minimums.too_few(customers, positives, negatives)
    if not refusal and is_timed and negatives is not None:
        refusal = minimums.too_short(windows, timedelta(days=target.horizon_days or 0))
    return Counted(customers, positives, round(share, 6), len(windows) if is_timed else 0, refusal)


def _times(target: Target, told: History, as_of: datetime) -> list[datetime]:
    if target.kind == Target.Kind.ATTRIBUTE:
        return [as_of]
    first = labels.first_told(target, told, as_of)
    return labels.times(first, as_of, timedelta(days=target.horizon_days or 0))


def _labelled(target: Target, frame: pl.DataFrame, told: History, t: datetime) -> tuple[datetime, pl.DataFrame]:
    """Give the customers with whether it came true; a number that is foreseen came true where there is any."""
    is_timed = target.kind != Target.Kind.ATTRIBUTE
    found = (labels.label if is_timed else labels.label_now)(target, frame, told, t)
    if targets.is_number(target):
        found = found.with_columns(label=(pl.col("label") > 0).fill_null(value=False))
    return t, found.select("customer_id", "label")


def _attributes(target: Target, lake: Lake, as_of: datetime) -> _Told:
    asked = [target.attribute] if target.attribute else []
    asked += [one.attribute for one in conditions.who(target) if isinstance(one, Has)]
    types = dict.fromkeys(asked, Attribute.Type.TEXT)
    for name, type_ in Attribute.objects.filter(name__in=asked).values_list("name", "type"):
        types[name] = Attribute.Type(type_)
    is_told = pl.col("name").is_in(asked) & (pl.col("known_at") <= as_of)
    rows = (
        lake.attributes(Scope()).filter(is_told).collect()
        if asked
        else pl.DataFrame(schema=history.TABLES["attributes"])
    )
    return _Told(rows.sort("known_at", "change_id").drop("change_id"), types)


def _everybody(told: History, attributes: _Told) -> pl.Series:
    frames: Iterable[pl.DataFrame] = (*told.events.values(), attributes.changes)
    ids = np.unique(np.concatenate([frame["customer_id"].unique().to_numpy() for frame in frames]))
    return pl.Series("customer_id", ids, dtype=pl.Int64)
