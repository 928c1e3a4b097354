"""The scores that customers had some time ago, as the snapshots of then hold them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from customers import snapshot
from customers.history import Scope
from customers.models import Customer

WEEK = timedelta(days=7)
SCORED = pl.Float64


def week_before(as_of: datetime, names: Collection[str], scope: Scope) -> pl.LazyFrame:
    """Give customer_id and the scores `names` of the newest snapshot that is a week old, two weeks at most.

    Where there is none, it is empty; a score that the snapshot lacks is no value.
    """
    schema = {"customer_id": pl.Int64, **dict.fromkeys(sorted(names), SCORED)}
    taken_at = snapshot.latest(as_of - WEEK)
    if taken_at is None or taken_at <= as_of - 2 * WEEK:
        return pl.LazyFrame(schema=schema)
    buckets = None if scope.buckets is None else {str(bucket) for bucket in scope.buckets}
    paths = [file.path for file in snapshot.files(taken_at) if buckets is None or file.path.stem in buckets]
    if not paths:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(
        paths, schema=schema, missing_columns="insert", extra_columns="ignore", glob=False, hive_partitioning=False
    )


def of_customer(customer: Customer, keys: Collection[str]) -> dict[str, dict[datetime, float]]:
    """Give a customer's scores for the targets of these keys at the time of every kept snapshot that has one, in order.

    Snapshots are kept for 35 days and for 24 months; one that is removed meanwhile is left out.
    """
    fields = {f"scores.{key}": key for key in keys}
    found: dict[str, dict[datetime, float]] = {}
    for time, path in snapshot.of_bucket(customer.bucket).items():
        for name, value in _row(path, customer.pk, fields).items():
            found.setdefault(fields[name], {})[time] = value
    return found


def _row(path: Path, customer: int, names: Collection[str]) -> dict[str, float]:
    try:
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        there = [name for name in frame.collect_schema().names() if name in names]
        rows = frame.filter(pl.col("customer_id") == customer).select(there).collect().to_dicts()
    except FileNotFoundError:
        return {}
    return {name: value for row in rows for name, value in row.items() if value is not None}
