"""What makes a customer due, in words, with the names of targets and segments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from campaigns import triggers
from campaigns.models import Campaign
from campaigns.triggers import ScoreTrigger, SegmentTrigger, TriggerError
from scoring.models import Target
from segments.fields import catalogue
from segments.models import Segment
from segments.rules.nodes import Fields

UNREADABLE = "The trigger cannot be used"


@dataclass(frozen=True)
class Names:
    """What targets and segments are called, by key, and what a rule may ask."""

    targets: Mapping[str, str]
    segments: Mapping[str, str]
    fields: Fields


def names() -> Names:
    """Give the names of everything that a trigger may speak of."""
    targets = dict(Target.objects.values_list("key", "label"))
    return Names(targets, dict(Segment.objects.values_list("key", "name")), catalogue())


def told(campaign: Campaign, known: Names) -> str:
    """Give what makes a customer due in words, or why that cannot be used."""
    try:
        trigger = triggers.parse(campaign.trigger, known.fields)
    except TriggerError as error:
        return f"{UNREADABLE}: {error}"
    if isinstance(trigger, ScoreTrigger):
        return replace(trigger, score=f"“{known.targets.get(trigger.score, trigger.score)}”").sentence()
    if not isinstance(trigger, SegmentTrigger):
        return trigger.sentence()
    return replace(trigger, segment=f"“{known.segments.get(trigger.segment, trigger.segment)}”").sentence()
