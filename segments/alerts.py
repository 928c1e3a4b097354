"""What somebody should mend: segments that cannot be answered, with what goes by them."""

from dataclasses import dataclass

from segments import definition
from segments.models import Segment


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
