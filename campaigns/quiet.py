"""Quiet hours: when a message may begin, by the clock on the customer's wall.

A customer whose time zone we do not know may be in any zone of her country (CLDR's zones of territories, by Babel);
where we do not know that either, in any zone that a customer of ours is in, or in our own. A message to her begins only
when it is allowed in all of them.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
from babel import Locale
from babel.core import get_global
from django.conf import settings

from campaigns.models import Programme
from customers import bulk
from customers.models import Customer

LONGEST = timedelta(days=3)  # where zones far apart have no hour in common, there is none later either
PLACE: bulk.Schema = {"customer_id": pl.Int64, "time_zone": pl.String, "country": pl.String}


@dataclass(frozen=True)
class Hours:
    """From `begin` until before `end`, over midnight where `end` is the earlier; none where they are the same."""

    begin: time
    end: time

    def hold(self, local: time) -> bool:
        """Say whether it is quiet at a time on the wall."""
        if self.begin <= self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


def hours_of(programme: Programme) -> Hours | None:
    """Give the quiet hours of the programme, if it has any."""
    if programme.quiet_from is None or programme.quiet_until is None:
        return None
    hours = Hours(programme.quiet_from, programme.quiet_until)
    return None if hours.begin == hours.end else hours


def first_allowed(at: datetime, zones: Sequence[str], hours: Hours) -> datetime | None:
    """Give the first moment from `at` on, in UTC, that is quiet in none of the zones; None if there is none."""
    moment, checked, i = at.astimezone(UTC), 0, 0
    while checked < len(zones):
        later = _in_zone(moment, ZoneInfo(zones[i % len(zones)]), hours)
        checked = checked + 1 if later == moment else 1
        moment, i = later, i + 1
        if moment - at > LONGEST:
            return None
    return moment


def zones_of(time_zone: str | None, country: str | None, elsewhere: Collection[str]) -> tuple[str, ...]:
    """Give the zones that a customer may be in: her own, else her country's, else all of `elsewhere`."""
    if time_zone and time_zone in _known():
        return (time_zone,)
    return _of_territories().get((country or "").strip().lower()) or tuple(sorted(_known() & set(elsewhere)))


def elsewhere() -> frozenset[str]:
    """Give the zones in which customers of ours are, and our own."""
    told = Customer.objects.exclude(time_zone=None).order_by().values_list("time_zone", flat=True).distinct()
    return frozenset({settings.TIME_ZONE, *(zone for zone in told if zone)})


def next_allowed(people: pl.DataFrame, at: datetime | pl.Series, programme: Programme) -> pl.Series:
    """Give from when on a message to each customer (`time_zone`, `country`) may begin: `at` where it may at once.

    `at` is one time for all or one for each. No value: there is no hour that is allowed wherever she may be.
    """
    moments = at if isinstance(at, pl.Series) else pl.repeat(at, people.height, dtype=bulk.UTC_MICROSECONDS, eager=True)
    moments = moments.alias("at").cast(bulk.UTC_MICROSECONDS)
    hours = hours_of(programme)
    if hours is None or people.is_empty():
        return moments.alias("allowed_at")
    asked = people.select("time_zone", "country").with_columns(moments)
    places = asked.select("time_zone", "country").unique()
    named = [zones_of(zone, country, ()) for zone, country in places.iter_rows()]
    others = elsewhere() if not all(named) else frozenset()
    zones = {place: own or zones_of(None, None, others) for place, own in zip(places.rows(), named, strict=True)}
    different = asked.unique()
    first = [first_allowed(when, zones[zone, country], hours) for zone, country, when in different.iter_rows()]
    answers = different.with_columns(pl.Series("allowed_at", first, dtype=bulk.UTC_MICROSECONDS))
    return asked.join(answers, on=asked.columns, how="left", nulls_equal=True, maintain_order="left")["allowed_at"]


def allowed_at(
    customer: Customer, at: datetime, programme: Programme, others: Callable[[], Collection[str]] = elsewhere
) -> datetime | None:
    """Give from when on a message to one customer may begin: `at` where it may at once; None where it never may.

    `others` gives the zones of those of whom we know none; it is asked for them alone.
    """
    hours = hours_of(programme)
    if hours is None:
        return at
    own = zones_of(customer.time_zone, customer.country, ()) or zones_of(None, None, others())
    return first_allowed(at, own, hours)


def _in_zone(at: datetime, zone: ZoneInfo, hours: Hours) -> datetime:
    """Give the first moment from `at` on that is not quiet in one zone.

    Clocks that are put back show the end twice, and clocks that are put forward may never show it: then it is quiet
    until the hour that is left out is over.
    """
    local = at.astimezone(zone)
    if not hours.hold(local.time()):
        return at
    ends = {
        datetime.combine(local.date() + timedelta(days=days), hours.end, zone).replace(fold=fold).astimezone(UTC)
        for days in (0, 1, 2)
        for fold in (0, 1)
    }
    last = max(ends)
    end = min((one for one in ends if one > at and not hours.hold(one.astimezone(zone).time())), default=last)
    return end if end.astimezone(zone).time() == hours.end else _after_gap(at, end, zone, hours)


def _after_gap(quiet: datetime, allowed: datetime, zone: ZoneInfo, hours: Hours) -> datetime:
    """Give the first allowed minute between a quiet moment and an allowed one, by halving."""
    near, far = 0, int((allowed - quiet) / timedelta(minutes=1)) + 1  # minutes before `allowed`: allowed, and quiet
    while far - near > 1:
        middle = (near + far) // 2
        if hours.hold((allowed - timedelta(minutes=middle)).astimezone(zone).time()):
            far = middle
        else:
            near = middle
    return allowed - timedelta(minutes=near)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _of_territories() -> dict[str, tuple[str, ...]]:
    """Give the zones of every territory, by its two letters and by its English name, in small letters."""
    names = Locale("en").territories
    found: dict[str, tuple[str, ...]] = {}
    for code, zones in get_global("territory_zones").items():
        usable = tuple(sorted(_known() & set(zones)))
        if len(code) == 2 and usable:
            found[code.lower()] = usable
            found[names.get(code, code).lower()] = usable
    return found
