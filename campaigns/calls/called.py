"""Where the called party may be, from what is known of her: her time zone, her number, her country."""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from babel import Locale
from babel.core import get_global
from django.utils.formats import date_format

from campaigns.calls.hours import Own, Place
from campaigns.models import Programme
from customers.models import Customer

STATE = "state"  # the attribute that names the state of a customer in the USA, by its two letters


class Told(NamedTuple):
    """What is known of where a customer is."""

    time_zone: str | None
    phone: str | None
    country: str | None
    state: object = None


def told_of(customer: Customer) -> Told:
    """Give what is known of where a customer is."""
    return Told(customer.time_zone, customer.phone, customer.country, customer.attributes.get(STATE))


def own_hours(programme: Programme) -> Own:
    """Give the calling hours of the programme."""
    return Own(programme.calling_from, programme.calling_until)


def place_of(told: Told, others: Callable[[], Collection[str]]) -> Place:
    """Give where a customer may be: in her time zone, else in those of her number, else of her country, else anywhere.

    `others` gives the zones of those of whom nothing is known; it is asked for them alone.
    """
    numbered, named = _region(told.phone or ""), _codes().get((told.country or "").strip().lower(), "")
    zone = get_global("zone_aliases").get(told.time_zone or "", told.time_zone or "")
    if zone in _known():
        zones: tuple[str, ...] = (zone,)
    else:
        zones = _zones_of(numbered) or _zones_of(named) or tuple(sorted(_known() & set(others())))
    countries = {numbered, named} - {""} or {get_global("zone_territories").get(one, "") for one in zones}
    state = str(told.state or "").strip().upper()
    return Place(zones, tuple(sorted(countries - {""})), state if len(state) == 2 else "")


def local_time(at: datetime, place: Place) -> str:
    """Give the time on her wall, or the earliest and the latest it may be."""
    told = sorted({at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for zone in place.zones})
    if not told:
        return "unknown"
    first = date_format(told[0], "D j M, H:i")
    return first if len(told) == 1 else f"{first} to {date_format(told[-1], 'D j M, H:i')}: the time zone is not known"


@lru_cache(maxsize=10_000)
def _region(phone: str) -> str:
    try:
        parsed = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return ""
    found = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )
    return found if found and len(found) == 2 and found != "ZZ" else ""


@cache
def _zones_of(country: str) -> tuple[str, ...]:
    return tuple(sorted(_known() & set(get_global("territory_zones").get(country, ()))))


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _codes() -> dict[str, str]:
    """Give the code of every country, by its two letters and by its English name, in small letters."""
    names = Locale("en").territories
    codes = [code for code in get_global("territory_zones") if len(code) == 2]
    return {told.lower(): code for code in codes for told in (code, names.get(code, code))}
