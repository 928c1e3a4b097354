"""Who was erased, and is therefore left out of whatever is read from files."""

from collections.abc import Collection
from typing import TypeVar

import polars as pl
from django.db.models import Q

from customers.ids import held
from customers.models import Tombstone

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def without_erased(frame: Frame, buckets: Collection[int] | None, which: Q) -> Frame:
    """Give the frame without the customers of these tombstones; `buckets` are those its customers are in, None all."""
    rows = Tombstone.objects.filter(which)
    if buckets is not None:
        rows = rows.filter(bucket__in=buckets)
    ids = list(rows.values_list("pk", flat=True))
    return frame.filter(~held("customer_id", ids)) if ids else frame
