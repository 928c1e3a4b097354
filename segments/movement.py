"""Why customers entered or left a segment: by hand, by an edited rule, or by data or time, and then by which values."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from customers import snapshot
from customers.generations import LakeError
from segments import turns
from segments.fields import catalogue
from segments.models import MembershipChange, Segment, SegmentPin, SegmentSize
from segments.rules import RuleError, parse

DATA = "What is known of the customer, or time, changed"
LISTED = "The list was changed"
LONGEST = timedelta(days=35)  # from a change to a snapshot that tells of it
MOST_TIMES = 2  # between which the values of customers are compared
MOVES = {SegmentPin.Kind.INCLUDE: MembershipChange.Kind.ENTERED, SegmentPin.Kind.EXCLUDE: MembershipChange.Kind.LEFT}


class Edit(NamedTuple):
    """A version of the rule, and the first full cycle that read it."""

    number: int
    read_at: datetime


def reasons(segment: Segment, changes: Sequence[MembershipChange], *, has_values: bool = False) -> list[str]:
    """Give a sentence for each change; with the customers' values, if they may be told."""
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

    said = [reason(change) for change in changes]
    by_data = [change for change, why in zip(changes, said, strict=True) if why == DATA]
    values = _by_values(segment, by_data) if has_values else {}
    return [values.get(change.pk, why) for change, why in zip(changes, said, strict=True)]


def _by_values(segment: Segment, changes: Sequence[MembershipChange]) -> dict[int, str]:
    """Say what turned the rule's answer, by change: of those the rule of now made, where snapshots around are kept."""
    last = segment.versions.order_by("-number").first()
    groups = _by_snapshots([change for change in changes if last and change.as_of >= last.at])
    if not groups:
        return {}
    found: dict[int, str] = {}
    try:
        fields = catalogue()
        rule = parse(segment.rule, fields, segment.key)
        for between in sorted(groups, reverse=True)[:MOST_TIMES]:
            people = {change.customer_id for change in groups[between]}
            found |= _fitting(turns.turned(rule, fields, people, between), groups[between])
    except (RuleError, LakeError):  # the rule cannot be read any more, or a snapshot went just now
        return {}
    return found


def _by_snapshots(changes: Sequence[MembershipChange]) -> dict[tuple[datetime, datetime], list[MembershipChange]]:
    """Give changes by the times of the snapshots between which they came."""
    times = [change.as_of for change in changes]
    kept = snapshot.times(min(times) - LONGEST, max(times) + LONGEST) if times else []
    found: dict[tuple[datetime, datetime], list[MembershipChange]] = {}
    for change in changes:
        at = bisect_left(kept, change.as_of)
        if 0 < at < len(kept):
            found.setdefault((kept[at - 1], kept[at]), []).append(change)
    return found


def _fitting(turned: Mapping[int, turns.Turn], changes: Sequence[MembershipChange]) -> dict[int, str]:
    """Give what is said of the changes that went the way the rule's answer turned."""
    entered = MembershipChange.Kind.ENTERED
    both = ((change, turned[change.customer_id]) for change in changes if change.customer_id in turned)
    return {change.pk: turn.told for change, turn in both if turn.holds == (change.kind == entered)}


def _by_pin(pin: SegmentPin) -> str:
    said = f"{pin.get_kind_display()}, set by hand"
    return f"{said}: {pin.reason}" if pin.reason else said


def _by_edit(edit: Edit) -> str:
    return "The segment was new" if edit.number == 1 else f"The rule was edited (version {edit.number})"
