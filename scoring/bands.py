"""The bands that customers' scores were in, as their changes tell."""

from collections.abc import Collection

import polars as pl
from django.db.models import QuerySet

from customers import bulk
from customers.history import Scope
from scoring.models import BandChange

FEW = 5_000  # customers that are asked for by id
CHANGES: bulk.Schema = {
    "key": pl.String,
    "customer_id": pl.Int64,
    "band_before": pl.String,
    "band": pl.String,
    "known_at": bulk.UTC_MICROSECONDS,
}
TOLD = ("customer_id", "name", "value", "known_at")
JUST_BEFORE = pl.duration(microseconds=1)


def told(scope: Scope, names: Collection[str]) -> pl.DataFrame:
    """Give customer_id, name (`scores.<key>.band`), value and known_at of these bands: before and after each change."""
    keys = [name.removeprefix("scores.").removesuffix(".band") for name in names]
    rows = _within(BandChange.objects.filter(target__key__in=keys), scope)
    columns = ("target__key", "customer_id", "band_before", "band", "as_of")
    changes = bulk.read(rows.order_by("as_of").values_list(*columns), CHANGES)
    changes = changes.with_columns(name="scores." + pl.col("key") + ".band")
    before = changes.with_columns(value="band_before", known_at=pl.col("known_at") - JUST_BEFORE)
    both = pl.concat([before.select(TOLD), changes.with_columns(value="band").select(TOLD)])
    return both.with_columns(value=pl.when(pl.col("value") != "").then("value"))


def _within(rows: "QuerySet[BandChange]", scope: Scope) -> "QuerySet[BandChange]":
    if scope.ids is not None and len(scope.ids) <= FEW:
        return rows.filter(customer_id__in=scope.ids)
    return rows if scope.buckets is None else rows.filter(customer__bucket__in=scope.buckets)
