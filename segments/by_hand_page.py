"""What a person does by hand on the page of a segment: sets a customer, or lets the rule decide again."""

from django.http import HttpRequest
from django.utils import timezone

from segments import definition, pins
from segments.models import Segment, SegmentPin
from segments.one_customer import find

LONGEST = 300


def pin(request: HttpRequest, segment: Segment) -> str:
    """Set a posted customer, and give a sentence about it. Raises LookupError, and ValueError."""
    customer = find(request.POST.get("customer", ""))
    kind = request.POST.get("kind", "")
    if kind not in SegmentPin.Kind.values:
        raise ValueError("Say whether the customer is always in the segment, or never.")
    by = definition.name_of(request.user)
    reason = request.POST.get("reason", "").strip()[:LONGEST]
    pins.put(segment, [customer.pk], pins.Pinned(kind, reason, by, timezone.now()))
    return f"{customer}: {SegmentPin.Kind(kind).label.lower()}."


def unpin(request: HttpRequest, segment: Segment) -> str:
    """Take a posted customer's pin away, and give a sentence about it. Raises LookupError."""
    customer = find(request.POST.get("customer", ""))
    pins.remove(segment, [customer.pk])
    return f"The rule decides about {customer} again, from the next cycle on."
