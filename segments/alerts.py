"""What somebody should mend: segments that cannot be answered, with what goes by them."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from customers import alerts as inbox
from customers.alerts import Cause
from customers.models import Alert as Stored
from segments import definition
from segments.models import Segment

PREFIX = "segment."


@dataclass(frozen=True)
class Alert:
    """A paused segment: it keeps its members until its rule can be answered again."""

    segment: Segment
    problem: str
    users: list[str]


def alerts() -> list[Alert]:
    """Give the segments that are paused, and who uses them."""
    paused = Segment.objects.exclude(problem="").order_by("name")
    return [Alert(segment, segment.problem, definition.users(segment)) for segment in paused]


def tell(at: datetime) -> None:
    """Bring the inbox up to date: an alert for every paused segment, none for those that can be answered again."""
    causes = [
        Cause(
            f"{PREFIX}{one.segment.key}",
            Stored.Kind.SEGMENT,
            f"“{one.segment}” keeps its members as they were: {one.problem}",
            reverse("admin:segments_segment_change", args=[one.segment.pk]),
        )
        for one in alerts()
    ]
    for cause in causes:
        inbox.raise_(cause, at)
    inbox.settle_others(PREFIX, [cause.key for cause in causes], at)
