"""Why customers entered or left a segment, as far as it is recorded: by hand, by an edited rule, by data or time."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from segments.models import MembershipChange, Segment, SegmentPin, SegmentSize

DATA = "What is known of the customer, or time, changed"
LISTED = "The list was changed"
MOVES = {SegmentPin.Kind.INCLUDE: MembershipChange.Kind.ENTERED, SegmentPin.Kind.EXCLUDE: MembershipChange.Kind.LEFT}


class Edit(NamedTuple):
    """A version of the rule, and the first full cycle that read it."""

    number: int
    read_at: datetime


def reasons(segment: Segment, changes: Sequence[MembershipChange]) -> list[str]:
    """Give a sentence for each change."""
    people = [one.customer_id for one in changes]
    pins = {pin.customer_id: pin for pin in SegmentPin.objects.filter(segment=segment, customer__in=people)}
    cycles = list(SegmentSize.objects.filter(segment=segment).order_by("as_of").values_list("as_of", flat=True))
    versions = segment.versions.order_by("number").values_list("number", "at")
    read = [Edit(number, cycles[at]) for number, made in versions if (at := bisect_left(cycles, made)) < len(cycles)]
    edits = {edit.read_at: edit for edit in read}
    by_cycle = set(cycles)

    def reason(change: MembershipChange) -> str:
        pin = pins.get(change.customer_id)
        if pin and MOVES[SegmentPin.Kind(pin.kind)] == change.kind and change.as_of not in by_cycle:
            return _by_pin(pin)
        if segment.kind == Segment.Kind.LIST:
            return LISTED
        return _by_edit(edits[change.as_of]) if change.as_of in edits else DATA

    return [reason(change) for change in changes]


def _by_pin(pin: SegmentPin) -> str:
    said = f"{pin.get_kind_display()}, set by hand"
    return f"{said}: {pin.reason}" if pin.reason else said


def _by_edit(edit: Edit) -> str:
    return "The segment was new" if edit.number == 1 else f"The rule was edited (version {edit.number})"
