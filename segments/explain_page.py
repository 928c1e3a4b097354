"""Why one customer is in a segment, or is not: her answers to every part of its rule, as a page shows them."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from customers.models import Customer
from segments import pins, snapshot_reading
from segments.explanation import Explained, explain
from segments.fields import catalogue
from segments.models import Segment, SegmentPin
from segments.rules import Fields, Rule, parse


class NobodyFound(LookupError):
    """No customer has this id or address."""


@dataclass(frozen=True)
class Story:
    """What is told about one customer and one segment; a pin goes before the rule."""

    customer: Customer
    is_member: bool
    pin: SegmentPin | None
    as_of: datetime
    whole: Explained


def find(text: str) -> Customer:
    """Give the customer with an external id or an e-mail address. Raises NobodyFound."""
    plain = text.strip().replace("\x00", "")
    found = Customer.objects.filter(external_id=plain).first() or Customer.objects.filter(email=plain.lower()).first()
    if found is None or not plain:
        raise NobodyFound(f"No customer has the id or the e-mail address “{plain}”.")
    return found


def story(segment: Segment, customer: Customer, as_of: datetime) -> Story:
    """Explain a segment for a customer of the latest snapshot.

    Raises NobodyFound for somebody newer, RuleError, and NoSnapshot.
    """
    fields = catalogue()
    rule = parse(segment.rule, fields, segment.key)
    return snapshot_reading.again(lambda: _story(segment, rule, fields, customer, as_of))


def _story(segment: Segment, rule: Rule, fields: Fields, customer: Customer, as_of: datetime) -> Story:
    found = snapshot_reading.read(rule, fields, as_of)
    own = found.frame.filter(pl.col("customer_id") == customer.pk)
    if own.is_empty():
        raise NobodyFound(f"{customer} is newer than the latest snapshot; the next full cycle brings her in.")
    is_member = segment.memberships.filter(customer=customer).exists()
    whole = explain(rule, own, found.context).root
    return Story(customer, is_member, pins.of(segment, customer.pk), found.context.as_of, whole)
