"""What a segment's rule was: who changed it from what to what, and how the members changed with it."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from segments import growth
from segments.growth import Point
from segments.models import Segment, SegmentVersion


@dataclass(frozen=True)
class Version:
    """One version. `effect` is the first full cycle with it; none where the next version came before that."""

    number: int
    rule: dict[str, Any]
    sentence: str
    sentence_before: str
    at: datetime
    by: str
    effect: Point | None


def of(segment: Segment) -> list[Version]:
    """Give all versions, the newest first."""
    stored = list(segment.versions.select_related("by").order_by("number"))
    rows = [_version(segment, before, one, after) for before, one, after in _in_order(stored)]
    return rows[::-1]


def _in_order(
    stored: list[SegmentVersion],
) -> list[tuple[SegmentVersion | None, SegmentVersion, SegmentVersion | None]]:
    """Give every version with the one before it and the one after it."""
    pairs = list(pairwise([None, *stored, None]))
    return [(before, one, after) for (before, one), (_, after) in pairwise(pairs) if one is not None]


def _version(
    segment: Segment, before: SegmentVersion | None, one: SegmentVersion, after: SegmentVersion | None
) -> Version:
    effect = growth.after(segment, one.at)
    if effect and after and effect.as_of >= after.at:
        effect = None
    by = one.by_name or (one.by.get_username() if one.by else "")
    return Version(one.number, one.rule, one.sentence, before.sentence if before else "", one.at, by, effect)
