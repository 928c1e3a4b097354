"""Who was erased, and is therefore left out of whatever is read from files."""

from typing import TypeVar

import polars as pl
from django.db.models import Q

from customers.models import Tombstone

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def without_erased(frame: Frame, bucket: int | None, which: Q) -> Frame:
    """Give the frame without the customers of these tombstones; `bucket` says where its customers are, None in all."""
    rows = Tombstone.objects.filter(which)
    if bucket is not None:
        rows = rows.filter(bucket=bucket)
    ids = list(rows.values_list("pk", flat=True))
    return frame.filter(~pl.col("customer_id").is_in(ids)) if ids else frame
