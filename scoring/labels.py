"""Labels: what came after a time, for those of whom a target speaks then."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from customers.rows import DAY_MICROSECONDS, Floats, Ints, Mask, Rows
from scoring import conditions, populations, targets
from scoring.models import Target
from scoring.populations import RECENCY, History

STEP = timedelta(days=30)
MOST_SNAPSHOTS = 12
BEST = 0.9  # who spends more than so large a share of all is one of the best
NAMES_SHARE = 0.5  # an attribute with more different values than this share of its customers names them
TIME = pl.Datetime("us", "UTC")


class TrainingRefused(ValueError):
    """There is not enough to learn from: the message says how much is missing."""


def times(first: datetime, as_of: datetime, horizon: timedelta) -> list[datetime]:
    """Give the times to stand at, oldest first: 30 days apart back from the last one whose horizon has closed.

    None lies closer than a horizon to the first event, so that every snapshot has some past. Raises TrainingRefused
    where there is none.
    """
    last = as_of - horizon
    all_times = [last - STEP * i for i in range(MOST_SNAPSHOTS)]
    found = [t for t in reversed(all_times) if t >= first + horizon]
    if not found:
        needed, there = 2 * horizon.days, (as_of - first).days
        raise TrainingRefused(f"{needed} days of history are needed for one closed window; there are {there}.")
    return found


def first_told(target: Target, told: History, as_of: datetime) -> datetime:
    """Give when what is foreseen was first told of."""
    events = conditions.foreseen(target)
    first = told.changes["known_at"].min() if events is None else told.events[events]["occurred_at"].min()
    if not isinstance(first, datetime):
        what = f'value of "{target.attribute}"' if events is None else f'"{target.event}"'
        raise TrainingRefused(f"No {what} is known as of {as_of:%Y-%m-%d}.")
    return first


def label(target: Target, frame: pl.DataFrame, told: History, t: datetime) -> pl.DataFrame:
    """Give those of the frame, which is as of `t`, of whom the target speaks, with `as_of` and `label`.

    The label is what came in (t, t + horizon]: yes or no, or a number, which is no value where `censored` says that
    it did not come. With events that are foreseen, RECENCY says since when they were not done.
    """
    ids = frame["customer_id"].to_numpy()
    known = {events: populations.past(rows, ids, t) for events, rows in told.events.items()}
    spoken = populations.speaks_of(target, frame, known, populations.spend_line(target, known))
    found = frame.with_columns(_answer(target, ids, told, known, t), _at(t))
    if target.kind == Target.Kind.NEXT:
        found = found.with_columns(censored=pl.col("label").is_null())
    days = populations.recency(target, known)
    if days is not None:
        found = found.with_columns(pl.Series(RECENCY, days).fill_nan(None))
    return found.filter(pl.Series(spoken))


def label_now(target: Target, frame: pl.DataFrame, told: History, as_of: datetime) -> pl.DataFrame:
    """Give those with a value of the target's attribute who meet its conditions, labelled by it.

    Raises TrainingRefused where nobody has the value, or everybody one of her own.
    """
    name, column = target.attribute, conditions.column(target.attribute)
    if column not in frame.columns:
        raise TrainingRefused(f'No customer has a value of "{name}" as of {as_of:%Y-%m-%d}.')
    ids = frame["customer_id"].to_numpy()
    known = {events: populations.past(rows, ids, as_of) for events, rows in told.events.items()}
    is_among = populations.among(target, frame, known, populations.spend_line(target, known))
    holds = targets.holds(frame[column], target.equals)
    found = frame.with_columns(holds.alias("label"), _at(as_of)).filter(
        pl.Series(is_among), pl.col("label").is_not_null()
    )
    if not found["label"].any():
        values = ", ".join(str(value) for value in frame[column].drop_nulls().unique().sort().head(10))
        raise TrainingRefused(f'No customer\'s "{name}" is "{target.equals}"; the values are: {values or "none"}.')
    if found["label"].sum() == 1 and found[column].n_unique() > max(NAMES_SHARE * found.height, 10):
        raise TrainingRefused(
            f'"{name}" is different for nearly every customer: it names them, and cannot be foreseen.'
        )
    return found


def _at(t: datetime) -> pl.Expr:
    return pl.lit(t).cast(TIME).alias("as_of")


def _answer(target: Target, ids: Ints, told: History, known: populations.Past, t: datetime) -> pl.Series:
    horizon = timedelta(days=target.horizon_days or 0)
    events = conditions.foreseen(target)
    if events is None:
        return pl.Series("label", _became(target, ids, told.changes, t, t + horizon))
    came = populations.after(told.events[events], ids, t, horizon)
    if target.kind == Target.Kind.SPEND:
        return pl.Series("label", came.total("value").round(6))
    if target.kind == Target.Kind.NEXT:
        return pl.Series("label", _days_until(came)).fill_nan(None)
    if target.kind == Target.Kind.HIGH_VALUE:
        return pl.Series("label", _best(came.total("value").round(6), known[events].count() > 0))
    did = came.count() > 0
    return pl.Series("label", ~did if target.kind == Target.Kind.NO_EVENT else did)


def _became(target: Target, ids: Ints, changes: pl.DataFrame, t: datetime, end: datetime) -> Mask:
    is_after = (pl.col("known_at") > t) & (pl.col("known_at") <= end)
    holds = targets.holds(changes["value"], target.equals).fill_null(value=False)
    who = changes.filter(is_after, holds)["customer_id"].unique()
    return np.isin(ids, who.to_numpy())


def _best(spent: Floats, base: Mask) -> Mask:
    """Tell who spends as much as the best tenth of all who bought in the year before, and anything at all."""
    if not base.any():
        return base
    line = float(np.quantile(spent[base], BEST, method="higher"))
    best: Mask = (spent >= line) & (spent > 0)
    return best


def _days_until(came: Rows) -> Floats:
    first = np.full(came.customers, np.inf)
    np.minimum.at(first, came.who, -came.age / DAY_MICROSECONDS)
    return np.where(np.isfinite(first), first, np.nan)
