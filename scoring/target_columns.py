"""The columns that a model reads and that are of its target alone: how long ago it happened, what is to be expected."""

from collections.abc import Collection
from datetime import datetime

import polars as pl

from customers import history
from customers.history import Lake
from customers.past import Known
from scoring import conditions, populations, value
from scoring.encoding import Encoding
from scoring.models import ModelVersion, Target
from scoring.populations import RECENCY
from scoring.ranking import FEW


def known(
    targets: Collection[Target], frame: pl.DataFrame, as_of: datetime, lake: Lake, seen: Known | None = None
) -> populations.Past:
    """Give what the frame's customers did in the year before of all that the targets ask: one reading of the lake.

    None for what is `seen`: what is known already of these customers' past, as of the same time.
    """
    asked = {events for target in targets for events in conditions.asked(target)}
    ids = frame["customer_id"].to_numpy()
    told = {one: populations.seen(one, seen, ids) for one in asked if not one.where} if seen else {}
    if not (rest := asked - told.keys()):
        return told
    scope = history.scope_of(frame, FEW)
    events = populations.read_events(rest, lake, scope, as_of, as_of - populations.YEAR)
    return told | {one: populations.past(rows, ids, as_of) for one, rows in events.items()}


def columns(version: ModelVersion, reading: Encoding, frame: pl.DataFrame, past: populations.Past) -> list[pl.Series]:
    """Give those columns that a model reads and that are of its target alone; `past` is what `known` gave."""
    read = {column.name for column in reading.columns}
    found = []
    days = populations.recency(version.target, past) if RECENCY in read else None
    if days is not None:
        found.append(pl.Series(RECENCY, days).fill_nan(None))
    if names := [name for name in value.COLUMNS if name in read]:
        parameters = value.from_plain(version.report["value"]) if "value" in version.report else None
        found += value.add(frame, parameters, version.target.horizon_days or 0).select(names).get_columns()
    return found
