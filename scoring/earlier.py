"""The scores that customers had some time ago, as the snapshots of then hold them."""

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from customers import snapshot
from customers.history import Scope

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
