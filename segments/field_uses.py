"""Who uses a field: the segments that ask it, and the live models that read it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from customers.quality_days import EVENTS
from scoring import treated
from scoring.treated import Treated
from segments.fields import catalogue
from segments.models import Segment
from segments.rules import RuleError, needs, parse

REACH = {"reachable.email": "email", "reachable.phone": "phone"}


@dataclass(frozen=True)
class Uses:
    """The segments that ask a field, and what the live models do about it."""

    segments: list[Segment] = field(default_factory=list)
    models: list[Treated] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Name who uses it."""
        models = [f"the model of “{one.target}”" for one in self.models if one.is_read]
        return [*models, *(f"the segment “{one}”" for one in self.segments)]


def by_field() -> Mapping[str, Uses]:
    """Give who uses each field; a field of events by the events' name alone, with a dot behind."""
    found: dict[str, Uses] = defaultdict(Uses)
    known = catalogue()
    for segment in Segment.objects.order_by("name"):
        try:
            asked = needs(parse(segment.rule, known, segment.key))
        except RuleError:  # the segment is paused, and in the inbox for it
            continue
        events = {f"{EVENTS}{name}." for name in asked.events}
        for name in {*(REACH.get(one, one) for one in asked.columns), *events}:
            found[name].segments.append(segment)
    for name, models in treated.by_field().items():
        found[name].models.extend(models)
    return found


def of(name: str, uses: Mapping[str, Uses]) -> Uses:
    """Give who uses one field."""
    whole = f"{name.rpartition('.')[0]}." if name.startswith(EVENTS) else name
    return uses.get(whole, Uses())
