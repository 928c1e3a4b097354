"""Who was set by hand: the pins and the lists of segments, as rules are read against them."""

import functools
from collections.abc import Callable, Collection, Mapping

import polars as pl
from django.db.models import Q

from customers import bulk
from segments.models import ListMember, Segment, SegmentPin
from segments.rules.meaning import Pins

PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64}


def reader(buckets: Collection[int] | None = None) -> Callable[[str], pl.Series]:
    """Give a function that reads who of some buckets, or of all, is on the list of a segment, by its key, once."""

    @functools.cache
    def read(key: str) -> pl.Series:
        segment = Segment.objects.filter(key=key).values_list("pk", flat=True).first()
        return listed(segment or 0, buckets)["customer_id"]

    return read


def listed(segment: int, buckets: Collection[int] | None = None) -> pl.DataFrame:
    """Give the customers on one segment's list, with their buckets."""
    rows = ListMember.objects.filter(Q() if buckets is None else Q(bucket__in=buckets), segment=segment)
    return bulk.read(rows.values_list("customer_id", "bucket"), PEOPLE)


def pins() -> Mapping[str, Pins]:
    """Give the pins of every segment that has some, by its key."""
    schema: bulk.Schema = {"key": pl.String, "kind": pl.String, "customer_id": pl.Int64}
    rows = bulk.read(SegmentPin.objects.values_list("segment__key", "kind", "customer_id"), schema)
    is_in = pl.col("kind") == SegmentPin.Kind.INCLUDE
    return {
        str(key): Pins(own.filter(is_in)["customer_id"], own.filter(~is_in)["customer_id"])
        for (key,), own in rows.partition_by("key", as_dict=True).items()
    }


def pinned(inside: pl.Series, customers: pl.Series, pins: Pins | None) -> pl.Series:
    """Give who is in a segment, from those whom its rule holds for: pins go first."""
    if pins is None:
        return inside
    return (inside | customers.is_in(pins.included.implode())) & ~customers.is_in(pins.excluded.implode())
