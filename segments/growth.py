"""How large segments were, and who entered and left: one row a segment and full cycle, of days long past one a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from django.db.models import Exists, OuterRef
from django.db.models.functions import TruncDate
from django.utils import timezone

from segments.bitmaps import Totals
from segments.models import Segment, SegmentSize

DAYS_KEPT = 35  # with every full cycle; before that, the last of each day
DAYS_SHOWN = 400


@dataclass(frozen=True)
class Point:
    """The size as of a time, and who entered and left since the point before."""

    as_of: datetime
    size: int
    entered: int
    left: int


def note(found: Mapping[int, Totals], as_of: datetime) -> None:
    """Store the sizes of segments as of a full cycle; of a day that is long past, keep the last."""
    SegmentSize.objects.bulk_create(
        [SegmentSize(segment_id=pk, as_of=as_of, **each._asdict()) for pk, each in found.items()],
        update_conflicts=True,
        unique_fields=["segment", "as_of"],
        update_fields=["size", "entered", "left"],
    )
    old = SegmentSize.objects.filter(as_of__lt=as_of - timedelta(days=DAYS_KEPT)).annotate(day=TruncDate("as_of"))
    newer = SegmentSize.objects.filter(segment=OuterRef("segment"), as_of__gt=OuterRef("as_of"))
    later = newer.annotate(day=TruncDate("as_of")).filter(day=OuterRef("day"))
    old.filter(Exists(later), as_of__gte=as_of - timedelta(days=DAYS_KEPT + 3)).delete()


def by_cycle(segment: Segment, since: datetime) -> list[Point]:
    """Give the size as of every full cycle since a time."""
    rows = list(SegmentSize.objects.filter(segment=segment, as_of__gte=since).order_by("as_of"))
    before = SegmentSize.objects.filter(segment=segment, as_of__lt=since).order_by("-as_of").first()
    first = before or SegmentSize(as_of=since, size=0, entered=0, left=0)
    return [_point(one, following) for one, following in pairwise([first, *rows])]


def by_day(segment: Segment, until: datetime, days: int = DAYS_SHOWN) -> list[Point]:
    """Give the size at the end of every day that had a full cycle, with all who entered and left on it."""
    points = by_cycle(segment, until - timedelta(days=days))
    days_of = [list(own) for _, own in groupby(points, lambda one: timezone.localtime(one.as_of).date())]
    return [
        Point(own[-1].as_of, own[-1].size, sum(one.entered for one in own), sum(one.left for one in own))
        for own in days_of
    ]


def after(segment: Segment, at: datetime) -> Point | None:
    """Give the size as of the first full cycle at or after a time, with who entered and left since the one before."""
    first = SegmentSize.objects.filter(segment=segment, as_of__gte=at).order_by("as_of").first()
    if first is None:
        return None
    before = SegmentSize.objects.filter(segment=segment, as_of__lt=first.as_of).order_by("-as_of").first()
    return _point(before or SegmentSize(size=0, entered=0, left=0), first)


def _point(before: SegmentSize, now: SegmentSize) -> Point:
    return Point(now.as_of, now.size, now.entered - before.entered, now.left - before.left)
