"""When a customer may be called, by the clock on her wall. Pure: no database, no clock.

The hours of the programme, 08:00 to 21:00 of the called party unless it says otherwise, and what stricter places say
(places.json, each with its source). What is not known of her place makes the hours those that are allowed
wherever she may be.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

LONGEST = timedelta(days=8)  # a week, and a day for the zones
Window = tuple[time, time]


@dataclass(frozen=True)
class Own:
    """The hours of the programme, from `begin` until before `end`."""

    begin: time = time(8)
    end: time = time(21)


@dataclass(frozen=True)
class Place:
    """Where somebody may be: the zones, the countries whose law may hold, and the state where it is known."""

    zones: tuple[str, ...]
    countries: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True)
class Law:
    """The hours of one place: of all days, of some weekdays (1 is Monday), and none on holidays."""

    country: str
    state: str
    zones: tuple[str, ...]
    daily: tuple[Window, ...]
    days: dict[int, tuple[Window, ...]]
    holidays: frozenset[str]
    easter: tuple[int, ...]
    source: str

    def windows(self, day: date) -> tuple[Window, ...]:
        """Give the hours of a day."""
        is_free = f"{day:%m-%d}" in self.holidays or any(day == easter(day.year) + timedelta(n) for n in self.easter)
        return () if is_free else self.days.get(day.isoweekday(), self.daily)

    def holds(self, place: Place, zone: str) -> bool:
        """Say whether it may hold for somebody there, if she is in that zone."""
        if self.country not in place.countries:
            return False
        if not self.state or place.state == self.state:
            return True
        return not place.state and zone in self.zones


def easter(year: int) -> date:
    """Give Easter Sunday, by the algorithm of Meeus, Jones and Butcher (Astronomical Algorithms, 1991, ch. 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    rest = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 19 * rest) // 433
    month = (h + rest - 7 * m + 90) // 25
    return date(year, month, (h + rest - 7 * m + 33 * month + 19) % 32)


def is_allowed(at: datetime, place: Place, own: Own) -> bool:
    """Say whether somebody may be called, wherever she may be."""
    return bool(place.zones) and all(_is_open(at, zone, place, own) for zone in place.zones)


def next_allowed(at: datetime, place: Place, own: Own) -> datetime | None:
    """Give the first time from `at` on when she may be called, in UTC; None where there is none within a week."""
    if is_allowed(at, place, own):
        return at.astimezone(UTC)
    return next((one for one in sorted(set(_beginnings(at, place, own))) if is_allowed(one, place, own)), None)


def laws_of(place: Place) -> list[Law]:
    """Give the stricter hours that may hold at a place."""
    return [law for law in laws() if any(law.holds(place, zone) for zone in place.zones)]


@cache
def laws() -> tuple[Law, ...]:
    """Give what stricter places say."""
    told = json.loads(Path(__file__).with_name("places.json").read_text())
    return tuple(
        Law(
            country=one["country"],
            state=one.get("state", ""),
            zones=tuple(one.get("zones", ())),
            daily=_windows(one["daily"]),
            days={int(day): _windows(hours) for day, hours in one.get("days", {}).items()},
            holidays=frozenset(one.get("holidays", ())),
            easter=tuple(one.get("easter", ())),
            source=one["source"],
        )
        for one in told
    )


def _windows(told: Sequence[Sequence[str]]) -> tuple[Window, ...]:
    return tuple((time.fromisoformat(begin), time.fromisoformat(end)) for begin, end in told)


def _is_open(at: datetime, zone: str, place: Place, own: Own) -> bool:
    local = at.astimezone(ZoneInfo(zone))
    return all(
        any(begin <= local.time() < end for begin, end in windows)
        for windows in _of_day(local.date(), zone, place, own)
    )


def _of_day(day: date, zone: str, place: Place, own: Own) -> Iterator[tuple[Window, ...]]:
    """Give the hours of a day in a zone: those of the programme, and those of every law that may hold there."""
    yield ((own.begin, own.end),)
    for law in laws():
        if law.holds(place, zone):
            yield law.windows(day)


def _beginnings(at: datetime, place: Place, own: Own) -> Iterator[datetime]:
    """Give every time from `at` on at which hours begin in one of the zones."""
    for name in place.zones:
        zone = ZoneInfo(name)
        first = at.astimezone(zone).date()
        for days in range(LONGEST.days + 1):
            day = first + timedelta(days=days)
            for begin in {begin for windows in _of_day(day, name, place, own) for begin, _ in windows}:
                for fold in (0, 1):
                    moment = datetime.combine(day, begin, zone).replace(fold=fold).astimezone(UTC)
                    if moment > at:
                        yield moment
