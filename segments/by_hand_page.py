"""What a person does by hand on the page of a segment: sets a customer, lets the rule decide again, keeps a list."""

from django.http import HttpRequest
from django.utils import timezone

from segments import definition, lists, pins
from segments.models import Segment, SegmentPin
from segments.one_customer import find

LONGEST = 300
KEY_MOST, NAME_MOST = 45, 100  # letters that leave room for a date behind them
MOST_A_DAY = 20


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


def freeze(request: HttpRequest, segment: Segment) -> str:
    """Make a list of those who are in a segment now, and give a sentence about it."""
    at = timezone.now()
    stem = f"{segment.key[:KEY_MOST]}-{at:%Y%m%d}"
    keys = [stem, *(f"{stem}-{n}" for n in range(2, MOST_A_DAY + 1))]
    taken = set(Segment.objects.filter(key__in=keys).values_list("key", flat=True))
    free = [key for key in keys if key not in taken]
    if not free:
        raise ValueError(f"There are {MOST_A_DAY} lists of this segment from today already.")
    name = f"{segment.name[:NAME_MOST]}, {timezone.localtime(at):%Y-%m-%d %H:%M}"
    made = lists.frozen(segment, free[0], name, request.user, at)
    return f"The list “{made.name}” holds {lists.size(made):,} customers, whatever becomes of this segment."
