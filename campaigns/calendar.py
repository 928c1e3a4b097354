"""What went out on each of the last days, and what is to come on the next ones, by campaign and day of our own zone."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, QuerySet, Value, When

from campaigns import forecast, slots, triggers
from campaigns.eligibility import COUNTED, WAITING
from campaigns.models import Campaign, Delivery
from campaigns.triggers import HandTrigger, ScheduleTrigger, TriggerError
from segments.fields import catalogue

BACK, AHEAD = 28, 14  # days, today among the last ones


class Kind(models.TextChoices):
    """How sure a day is: done, planned for a time, named by a schedule, or expected from what was seen."""

    WENT_OUT = "went_out", "went out"
    PLANNED = "planned", "planned"
    SCHEDULED = "scheduled", "scheduled"
    FORESEEN = "foreseen", "foreseen"


@dataclass(frozen=True)
class Entry:
    """One campaign on one day: how many deliveries, None where nobody can know."""

    day: date
    campaign: Campaign
    kind: Kind
    deliveries: float | None


@dataclass(frozen=True)
class Calendar:
    """The last days and the next ones; `today` is the last of those that went."""

    first: date
    today: date
    last: date
    entries: tuple[Entry, ...]

    @property
    def days(self) -> list[date]:
        """Give every day, the empty ones too."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def read(as_of: datetime) -> Calendar:
    """Give four weeks back and two ahead. What waits past its time counts as planned for today."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = as_of.astimezone(zone).date()
    first, last = today - timedelta(days=BACK - 1), today + timedelta(days=AHEAD)
    began, end = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    went = Delivery.objects.filter(state__in=COUNTED, began_at__gte=began, began_at__lte=as_of)
    waits = Delivery.objects.filter(state__in=WAITING, due_at__lt=end)
    past = [first + timedelta(days=n) for n in range(BACK)]
    ahead = [today + timedelta(days=n) for n in range(AHEAD + 1)]
    counted = (
        (Kind.WENT_OUT, _by_day(went, "began_at", past, zone)),
        (Kind.PLANNED, _by_day(waits, "due_at", ahead, zone)),
    )
    named = Campaign.objects.in_bulk({pk for _, counts in counted for pk, _ in counts})
    entries = [Entry(day, named[pk], kind, float(n)) for kind, counts in counted for (pk, day), n in counts.items()]
    to_come = _to_come(as_of, ahead, zone)
    return Calendar(first, today, last, tuple(sorted([*entries, *to_come], key=_order)))


def _order(entry: Entry) -> tuple[date, str, int, str]:
    return entry.day, entry.campaign.name, entry.campaign.pk, entry.kind


def _by_day(rows: "QuerySet[Delivery]", name: str, days: Iterable[date], zone: ZoneInfo) -> Counter[tuple[int, date]]:
    """Count deliveries by campaign and day, in one statement: the first day whose end lies after the time.

    What lies before the first day is counted with it.
    """
    ends = {n: (day, _midnight(day + timedelta(days=1), zone)) for n, day in enumerate(days)}
    whens = [When(**{f"{name}__lt": end}, then=Value(n)) for n, (_, end) in ends.items()]
    dated: QuerySet[Any] = rows.annotate(on=Case(*whens, output_field=models.IntegerField())).order_by()
    counts = dated.values_list("decision__campaign_id", "on").annotate(n=Count("pk"))
    return Counter({(campaign, ends[n][0]): many for campaign, n, many in counts if n is not None})


def _to_come(as_of: datetime, days: list[date], zone: ZoneInfo) -> Iterator[Entry]:
    """Give the times that schedules name, and what each other live campaign is expected to reach from tomorrow on."""
    names = catalogue(consents=())
    end = _midnight(days[-1] + timedelta(days=1), zone) - timedelta(microseconds=1)
    for campaign in Campaign.objects.filter(state=Campaign.State.LIVE).select_related("audience"):
        try:
            trigger = triggers.parse(campaign.trigger, names)
        except TriggerError:  # it stands still, and the inbox says so
            continue
        if isinstance(trigger, ScheduleTrigger):
            many = forecast.foresee(campaign, as_of).a_day
            for at in slots.upcoming(trigger, as_of, end, zone):
                yield Entry(at.astimezone(zone).date(), campaign, Kind.SCHEDULED, many)
        elif not isinstance(trigger, HandTrigger) and campaign.forecast is not None:
            most = campaign.most_a_day or campaign.forecast
            for day in days[1:]:
                yield Entry(day, campaign, Kind.FORESEEN, min(campaign.forecast, most))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
