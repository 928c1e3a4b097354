"""Cut-points of the operators that compare with all customers: taken from everybody's frames, stored, read."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import polars as pl

from customers import bulk
from segments import models
from segments.rules.nodes import Condition
from segments.rules.operators import Cut, CutKey, cut_key, operator

KEY = ["field", "op", "value"]


def take(frames: Iterable[pl.DataFrame], conditions: Collection[Condition]) -> dict[CutKey, Cut]:
    """Give the cut of every condition over all customers of the frames that have a value; nobody's is empty."""
    names = {condition.field.name for condition in conditions}
    if not names:
        return {}
    parts = [frame.select(pl.col(name).cast(pl.Float64) for name in names & {*frame.columns}) for frame in frames]
    found = {
        name: pl.concat([part[name] for part in parts if name in part.columns] or [pl.Series(dtype=pl.Float64)])
        for name in names
    }
    return of_ordered({name: values.drop_nulls().sort() for name, values in found.items()}, conditions)


def of_ordered(ordered: Mapping[str, pl.Series], conditions: Collection[Condition]) -> dict[CutKey, Cut]:
    """Give the cut of every condition from the values that all customers have of its field, in ascending order."""
    return {cut_key(condition): _cut(condition, ordered[condition.field.name]) for condition in conditions}


def store(cuts: Mapping[CutKey, Cut], as_of: datetime) -> int:
    """Store cuts; one that is stored for a later time stays. Give how many changed."""
    rows = [(key.field, key.op, json.dumps(key.value), *cut, as_of) for key, cut in cuts.items()]
    frame = pl.DataFrame(rows, SCHEMA, orient="row")
    return bulk.upsert(models.Cut, frame, key=KEY, update=["low", "high", "customers", "as_of"], newer="as_of")


def stored() -> dict[CutKey, Cut]:
    """Give all stored cuts."""
    rows = models.Cut.objects.values_list("field", "op", "value", "low", "high", "customers")
    return {CutKey(field, op, _hashable(value)): Cut(low, high, n) for field, op, value, low, high, n in rows}


SCHEMA: bulk.Schema = {
    "field": pl.String,
    "op": pl.String,
    "value": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "customers": pl.Int64,
    "as_of": bulk.UTC_MICROSECONDS,
}


def _cut(condition: Condition, ordered: pl.Series) -> Cut:
    cut_point = operator(condition).cut_point
    assert cut_point is not None
    return Cut(None, None, 0) if ordered.is_empty() else cut_point(ordered, condition.value)


def _hashable(text: str) -> float | tuple[float, ...]:
    value = json.loads(text)
    return tuple(value) if isinstance(value, list) else value
