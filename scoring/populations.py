"""Whom a target speaks of as of a time: one meaning for training, counting and scoring."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from customers import properties, property_types
from customers.features import OURS
from customers.history import Lake, Scope
from customers.ids import held
from customers.models import Attribute, Product
from customers.past import Known
from customers.rows import Floats, Ints, Mask, Rows, numbered
from customers.typed import typed
from scoring import conditions, targets
from scoring.conditions import ANY, CATEGORY, PRODUCT, PROPERTY, YEAR_DAYS, Below, Condition, Did, Events, Has
from scoring.models import Target

RECENCY = "recency.event"  # days since the last event that is foreseen, in the year before
YEAR = timedelta(days=YEAR_DAYS)
TIMES = ("customer_id", "occurred_at", "known_at")

Past = Mapping[Events, Rows]


class History(NamedTuple):
    """What targets ask of the customers' history: events by what they are, changes of the attribute foreseen."""

    events: Mapping[Events, pl.DataFrame]  # customer_id, occurred_at, known_at, value
    changes: pl.DataFrame  # customer_id, value, known_at


NO_CHANGES = pl.DataFrame(schema={"customer_id": pl.Int64, "value": pl.String, "known_at": pl.Datetime("us", "UTC")})
NO_HISTORY = History({}, NO_CHANGES)


def read(target: Target, lake: Lake, scope: Scope, until: datetime) -> History:
    """Give all that a target asks of the history as known by a time."""
    events = read_events(conditions.asked(target), lake, scope, until)
    return History(events, _changes(target, lake, scope, until) if target.kind == Target.Kind.BECOMES else NO_CHANGES)


def read_events(
    asked: Collection[Events], lake: Lake, scope: Scope, until: datetime, since: datetime | None = None
) -> dict[Events, pl.DataFrame]:
    """Give the events of (since, until] that were known by then; all that are not narrowed in one reading."""
    is_known = (pl.col("occurred_at") <= until) & (pl.col("known_at") <= until)
    in_time = is_known if since is None else is_known & (pl.col("occurred_at") > since)
    plain = [one.name for one in asked if not one.where]
    found: dict[Events, pl.DataFrame] = {}
    if plain:
        wanted = pl.col("name").is_in(plain)
        wanted = wanted | ~pl.col("name").is_in(OURS) if ANY in plain else wanted
        columns = ("name", *TIMES, pl.col("value").fill_null(0.0))
        rows = lake.events(scope).filter(wanted, in_time).select(*columns).collect()
        for one in asked:
            is_one = ~pl.col("name").is_in(OURS) if one.name == ANY else pl.col("name") == one.name
            if not one.where:
                found[one] = rows.filter(is_one).drop("name")
    return found | {one: _narrowed(one, lake, scope, in_time) for one in asked if one.where}


def past(events: pl.DataFrame, ids: Ints, t: datetime) -> Rows:
    """Give the events of the year up to a time that were known then, of these customers, with their `value`."""
    at = pl.lit(t, pl.Datetime("us", "UTC"))
    occurred = pl.col("occurred_at")
    return _aged(events.filter(pl.col("known_at") <= at, occurred <= at, occurred > at - YEAR), ids, at)


def seen(one: Events, known: Known, ids: Ints) -> Rows:
    """Give what `past` gives of events that are not narrowed, from all that is known as of its time."""
    rows = known.unlike(OURS) if one.name == ANY else known.named(one.name)
    rows = rows.within(YEAR_DAYS)
    if np.array_equal(ids, known.ids):
        return rows
    who = numbered(ids, known.ids)[rows.who]
    return Rows(len(ids), who, rows.age, value=rows["value"]).where(who >= 0)


def after(events: pl.DataFrame, ids: Ints, t: datetime, horizon: timedelta) -> Rows:
    """Give the events of (t, t + horizon], whose ages are below 0."""
    at = pl.lit(t, pl.Datetime("us", "UTC"))
    return _aged(events.filter(pl.col("occurred_at") > at, pl.col("occurred_at") <= at + horizon), ids, at)


def _aged(events: pl.DataFrame, ids: Ints, at: pl.Expr) -> Rows:
    age = (at - pl.col("occurred_at")).dt.total_microseconds()
    return _rows(events.select("customer_id", "value", age=age), ids)


def speaks_of(target: Target, frame: pl.DataFrame, known: Past, line: float | None) -> Mask:
    """Tell of whom the target speaks: `known` are the frame's events (see `past`), `line` the most they may spend.

    Who has what is foreseen already is not among them.
    """
    return is_open(target, frame) & among(target, frame, known, line)


def is_open(target: Target, frame: pl.DataFrame) -> Mask:
    """Tell who does not have what is foreseen: has another value of the attribute, or, without a time, may have any."""
    if target.kind not in (Target.Kind.ATTRIBUTE, Target.Kind.BECOMES):
        return np.ones(frame.height, dtype=bool)
    has = _has(frame, Has(target.attribute, target.equals))
    # Without a time, who has no value may get this one; in time, only who has another can change to it.
    return _mask(~has, if_none=target.kind == Target.Kind.ATTRIBUTE)


def among(target: Target, frame: pl.DataFrame, known: Past, line: float | None) -> Mask:
    """Tell who meets all conditions on whom the target speaks of."""
    found = np.ones(frame.height, dtype=bool)
    for condition in conditions.who(target):
        found &= _meets(condition, conditions.foreseen(target), frame, known, line)
    return found


def recency(target: Target, known: Past) -> Floats | None:
    """Give the days since each customer's last event that is foreseen; None for a target on an attribute."""
    events = conditions.foreseen(target)
    return None if events is None else known[events].days_since_last()


def spend_line(target: Target, known: Past) -> float | None:
    """Give what customers may have spent at most in the year before; None where that does not matter."""
    events = conditions.foreseen(target)
    below = [one for one in conditions.who(target) if isinstance(one, Below)]
    if events is None or not below:
        return None
    spent = known[events].total("value")[_some(known[events])]
    return round(float(np.quantile(spent, below[0].percentile / 100)), 6) if len(spent) else 0.0


def line_of_all(target: Target, told: History, as_of: datetime) -> float | None:
    """Give the spend line (see `spend_line`) as of a time, of all who did anything that is asked."""
    if not told.events:
        return None
    everybody = pl.concat(rows["customer_id"] for rows in told.events.values()).unique()
    known = {one: past(rows, everybody.to_numpy(), as_of) for one, rows in told.events.items()}
    return spend_line(target, known)


def _meets(condition: Condition, events: Events | None, frame: pl.DataFrame, known: Past, line: float | None) -> Mask:
    if isinstance(condition, Did):
        return _some(known[condition.events].within(condition.days))
    if isinstance(condition, Has):
        return _mask(_has(frame, condition), if_none=False)
    assert events is not None, "a target that is checked has events to be counted"
    rows = known[events]
    if isinstance(condition, Below):
        return _some(rows) & (rows.total("value").round(6) <= (np.inf if line is None else line))
    return ~_some(rows.within(condition.days))


def _some(rows: Rows) -> Mask:
    found: Mask = rows.count() > 0
    return found


def _mask(holds: pl.Series, *, if_none: bool) -> Mask:
    found: Mask = holds.fill_null(value=if_none).to_numpy()
    return found


def _has(frame: pl.DataFrame, condition: Has) -> pl.Series:
    name = conditions.column(condition.attribute)
    if name not in frame.columns:
        return pl.Series([None] * frame.height, dtype=pl.Boolean)
    return targets.holds(frame[name], condition.equals)


def _rows(events: pl.DataFrame, ids: Ints) -> Rows:
    who = numbered(ids, events["customer_id"].to_numpy())
    rows = Rows(len(ids), who, events["age"].to_numpy(), value=events["value"].to_numpy())
    return rows.where(who >= 0)


def _narrowed(one: Events, lake: Lake, scope: Scope, in_time: pl.Expr) -> pl.DataFrame:
    """Give the events that hold what `where` asks; with a product or category, only its lines have a value."""
    is_one = (pl.col("name") == one.name) & in_time
    found = lake.events(scope).filter(is_one).select("event_id", *TIMES, pl.col("value").fill_null(0.0))
    of_lines = {where.field: where.value for where in one.where if where.field in (PRODUCT, CATEGORY)}
    if of_lines:
        columns = {PRODUCT: "external_id", CATEGORY: "category__iexact"}
        products = Product.objects.filter(**{columns[field]: value for field, value in of_lines.items()})
        is_bought = held("product_id", list(products.values_list("pk", flat=True))) & (pl.col("quantity") > 0)
        paid = (pl.col("quantity") * pl.col("price")).fill_null(0.0).sum()
        lines = lake.lines(scope).filter(is_one, is_bought).group_by("event_id").agg(value=paid)
        found = found.drop("value").join(lines, on="event_id")
    of_properties = [where for where in one.where if where.field.startswith(PROPERTY)]
    if of_properties:
        found = found.join(_with_properties(one.name, of_properties, lake, scope, is_one), on="event_id", how="semi")
    return found.select(*TIMES, "value").collect()


def _with_properties(
    name: str, wanted: list[conditions.Where], lake: Lake, scope: Scope, is_one: pl.Expr
) -> pl.LazyFrame:
    rows = lake.properties(scope).filter(is_one).select("event_id", "properties").collect()
    known = property_types.types(lake, name)
    asked = {one.field.removeprefix(PROPERTY): one.value for one in wanted}
    types = {field: known.get(field, Attribute.Type.TEXT) for field in asked}
    values = properties.told(rows["properties"], types)
    holds = [targets.holds(values[field], value).fill_null(value=False) for field, value in asked.items()]
    return rows.lazy().select("event_id").filter(*holds)


def _changes(target: Target, lake: Lake, scope: Scope, until: datetime) -> pl.DataFrame:
    is_told = (pl.col("name") == target.attribute) & (pl.col("known_at") <= until)
    rows = lake.attributes(scope).filter(is_told).select("customer_id", "value", "known_at").collect()
    stored = Attribute.objects.filter(name=target.attribute).values_list("type", flat=True).first()
    return rows.with_columns(typed(rows["value"], Attribute.Type(stored or Attribute.Type.TEXT)).alias("value"))
