"""Customers set by hand: always in a segment, or never. A pin goes before the rule wherever members are asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.db import transaction

from customers import bulk
from customers.models import Customer
from segments import membership
from segments.by_hand import PEOPLE
from segments.models import Segment, SegmentPin

MOST = 10_000  # of one segment; more belong on a list


class TooManyPins(ValueError):
    """More customers are pinned than an exception is meant for."""

    def __init__(self) -> None:
        super().__init__(f"A segment has at most {MOST:,} pins; put more customers on a list.")


@dataclass(frozen=True)
class Pinned:
    """Why customers are pinned, and who said so."""

    kind: str
    reason: str
    by: str
    at: datetime


def put(segment: Segment, customers: Collection[int], pinned: Pinned) -> None:
    """Pin customers, in place of what was said of them before; they are members, or no longer, at once.

    Segments that refer to this one follow with the next cycle. Raises TooManyPins.
    """
    with transaction.atomic():
        Segment.objects.select_for_update().get(pk=segment.pk)
        others = SegmentPin.objects.filter(segment=segment).exclude(customer__in=customers)
        if others.count() + len(customers) > MOST:
            raise TooManyPins
        SegmentPin.objects.bulk_create(
            [
                SegmentPin(
                    segment=segment,
                    customer_id=pk,
                    kind=pinned.kind,
                    reason=pinned.reason,
                    by=pinned.by,
                    at=pinned.at,
                )
                for pk in customers
            ],
            update_conflicts=True,
            unique_fields=["segment", "customer"],
            update_fields=["kind", "reason", "by", "at"],
        )
    people = bulk.read(Customer.objects.filter(pk__in=customers).values_list("pk", "bucket"), PEOPLE)
    is_in = pl.repeat(pinned.kind == SegmentPin.Kind.INCLUDE, people.height, dtype=pl.Boolean, eager=True)
    membership.put(segment, people, is_in, pinned.at)


def remove(segment: Segment, customers: Collection[int]) -> int:
    """Take pins away; the next cycle asks the rule again. Give how many there were."""
    return SegmentPin.objects.filter(segment=segment, customer__in=customers).delete()[0]


def of(segment: Segment, customer_id: int) -> SegmentPin | None:
    """Give what was said of one customer by hand."""
    return SegmentPin.objects.filter(segment=segment, customer=customer_id).first()
