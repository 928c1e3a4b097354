"""How many customers a trigger already matches before it has looked at anybody."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns import dates
from campaigns.models import Campaign
from campaigns.triggers import DateTrigger, EventTrigger, ScoreTrigger, SegmentTrigger, Trigger
from customers import snapshot
from scoring import ranking
from scoring.models import Score, Target
from segments import bitmaps
from segments.models import Membership


def count(campaign: Campaign, trigger: Trigger, at: datetime | None) -> int:
    """Give how many match: by the published scores, the members of the segment, or of the audience.

    Nobody matches before having been in a segment to be left, nor before an event. Of a date, those count whose hour
    came within the time that the campaign looks back from `at`; left out, from the latest snapshot.
    """
    match trigger:
        case ScoreTrigger():
            return _beyond(trigger)
        case SegmentTrigger():
            return _members(trigger, at)
        case DateTrigger():
            return _dated(campaign, trigger, at)
        case EventTrigger():
            return 0
    audience = campaign.audience_id
    return bitmaps.totals([audience]).get(audience, bitmaps.NONE).size if audience else 0


def _members(trigger: SegmentTrigger, at: datetime | None) -> int:
    if not trigger.fires_inside:
        return 0
    members = Membership.objects.filter(segment__key=trigger.segment)
    as_of = at or snapshot.latest()
    if trigger.edge == "stays" and as_of:
        members = members.filter(since__lte=as_of - timedelta(days=trigger.days))
    return members.count()


def _dated(campaign: Campaign, trigger: DateTrigger, at: datetime | None) -> int:
    taken = snapshot.latest()
    if taken is None:
        return 0
    until = at or taken
    people = snapshot.load(taken, None, [trigger.field, dates.ZONE])
    back = until - timedelta(hours=campaign.lateness_hours)
    found = dates.moments(people, trigger, back, until, ZoneInfo(settings.TIME_ZONE))
    return len(found) - found.null_count()


def _beyond(trigger: ScoreTrigger) -> int:
    run = ranking.published()
    target = Target.objects.filter(key=trigger.score).first()
    if run is None or target is None:
        return 0
    is_above = trigger.direction == "above"
    if trigger.is_percentile:
        order = ranking.orders_of(run).get(target.pk)
        return order.beyond(trigger.enter, is_above=is_above) if order else 0
    compare = "gte" if is_above else "lte"
    return Score.objects.filter(run=run, target=target, **{f"value__{compare}": trigger.enter}).count()
