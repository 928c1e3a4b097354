"""How long to look ahead: what the gaps between a customer's events suggest, and up to when anything is known.

Who buys again mostly does so within the gap that nine in ten gaps stay below: a longer silence says something.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl
from django.conf import settings

from customers import history
from customers.history import Lake, Scope

ENOUGH = 20_000  # gaps; more would not move the quantile by a day
FEWEST = 50
SHARE = 0.9
LADDER = (7, 14, 21, 30, 45, 60, 90, 120, 150, 180, 270, 365)


class Suggested(NamedTuple):
    """The days to look ahead, and the gap in days that nine in ten stay below."""

    days: int
    gap: float


def suggested(event: str, as_of: datetime) -> Suggested | None:
    """Give the days to look ahead for an event; None where it was hardly ever done twice."""
    lake = history.pin()
    gaps = pl.Series("gap", [], dtype=pl.Float64)
    for bucket in range(settings.BUCKETS):
        gaps.append(_gaps(lake, Scope(bucket=bucket), event, as_of))
        if len(gaps) >= ENOUGH:
            break
    if len(gaps) < FEWEST:
        return None
    gap = float(gaps.quantile(SHARE) or 0.0)
    return Suggested(next((days for days in LADDER if days >= gap), LADDER[-1]), gap)


def newest(now: datetime) -> datetime:
    """Give up to when anything is known, now at the latest: old data is looked at as of its end."""
    lake = history.pin()
    times = [
        lake.events(Scope()).select(pl.col("known_at").filter(pl.col("known_at") <= now).max()).collect().item(),
        lake.attributes(Scope()).select(pl.col("known_at").filter(pl.col("known_at") <= now).max()).collect().item(),
    ]
    return max((t for t in times if t is not None), default=now).astimezone(UTC)


def _gaps(lake: Lake, scope: Scope, event: str, as_of: datetime) -> pl.Series:
    """Give the days between each customer's event and the one before; those of one day are one."""
    is_known = (pl.col("known_at") <= as_of) & (pl.col("occurred_at") <= as_of)
    days = lake.events(scope).filter((pl.col("name") == event) & is_known)
    days = days.select("customer_id", day=pl.col("occurred_at").dt.date()).unique().sort("customer_id", "day")
    gap = pl.col("day").diff().over("customer_id").dt.total_days().cast(pl.Float64)
    return days.select(gap=gap).drop_nulls().collect()["gap"]
