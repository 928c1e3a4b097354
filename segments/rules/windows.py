"""When: the forms of `within`, each with the instants it covers and its words.

A span is half open, [start, end), in UTC. A rolling window is (as_of - N, as_of], so its span starts and ends one
microsecond later: the finest step of our times.
"""

import functools
from calendar import isleap, monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

CUSTOMER = "customer"  # in place of a zone's name: each customer's own
TICK = timedelta(microseconds=1)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
LENGTHS = {
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(hours=24),
    "weeks": timedelta(hours=7 * 24),
}
MONTHS = {"months": 1, "years": 12}
UNITS = (*LENGTHS, *MONTHS, "calendar_days")
PERIODS = ("day", "week", "month", "quarter", "year")
MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}
MORE_THAN_ONE = {"day": 1, "week": 7, "month": 32, "quarter": 93, "year": 367}  # days, into the next period
LEAP_DAY = 229
FAR_APART = ("Pacific/Pago_Pago", "America/New_York", "Europe/Berlin", "Pacific/Auckland")
NO_PLACES = {"Factory", "localtime"}


class Moment(NamedTuple):
    """The time a rule is read at, and the zone of its days."""

    as_of: datetime
    zone: ZoneInfo


class Span(NamedTuple):
    """From `start` (None: ever) up to, not including, `end`."""

    start: datetime | None
    end: datetime


@dataclass(frozen=True)
class Last:
    """The last N units: rolling, or calendar days that end with today."""

    number: int
    unit: str

    def span(self, moment: Moment) -> Span:
        end = moment.as_of + TICK
        if self.unit == "calendar_days":
            return Span(midnight(_today(moment) - timedelta(days=self.number - 1), moment.zone), end)
        return Span(_moved(moment, -self.number, self.unit) + TICK, end)

    def ahead(self, moment: Moment) -> Span:
        """Give the same length after as_of; calendar days begin with today."""
        if self.unit == "calendar_days":
            return _days(_today(moment), self.number, moment)
        return Span(moment.as_of + TICK, _moved(moment, self.number, self.unit) + TICK)

    def day_ago(self, moment: Moment) -> Span:
        """Give the whole day so many days, weeks, months or years ago."""
        return _days(_day_before(moment, self.number, self.unit), 1, moment)

    def words(self) -> str:
        if self.unit == "calendar_days":
            return "today" if self.number == 1 else f"today or in the {_counted(self.number - 1, 'days')} before"
        return f"in the last {_counted(self.number, self.unit)}"

    def length_in_words(self) -> str:
        """Give `90 days`, `month`: what follows on `in the last`."""
        return _counted(self.number, self.unit.replace("_", " "))

    def amount_in_words(self) -> str:
        """Give `90 days`, `1 month`."""
        return f"1 {self.length_in_words()}" if self.number == 1 else self.length_in_words()


@dataclass(frozen=True)
class Ago:
    """From `far` to `near` units ago: rolling, or whole calendar days."""

    near: int
    far: int
    unit: str

    def span(self, moment: Moment) -> Span:
        if self.unit == "calendar_days":
            return _days(_today(moment) - timedelta(days=self.far), self.far - self.near + 1, moment)
        start, end = (_moved(moment, -number, self.unit) + TICK for number in (self.far, self.near))
        return Span(start, end)

    def words(self) -> str:
        return f"{self.near} and {self.far} {self.unit.replace('_', ' ')}"


@dataclass(frozen=True)
class Anniversary:
    """The days of the year from `first` to `last` days after today, in whatever year it was."""

    first: int
    last: int
    is_leap_on_mar1: bool = False

    def days(self, moment: Moment) -> tuple[int, ...]:
        """Give the days as month times 100 plus day; in common years 29 February goes along with another."""
        found: dict[int, None] = {}
        for offset in range(self.first, self.last + 1):
            day = _today(moment) + timedelta(days=offset)
            found[day.month * 100 + day.day] = None
            if not isleap(day.year) and (day.month, day.day) == ((3, 1) if self.is_leap_on_mar1 else (2, 28)):
                found[LEAP_DAY] = None
        return tuple(found)

    def words(self) -> str:
        said = "today"
        if self.last > 0:
            said = f"today or in the {_counted(self.last, 'days')} after"
        if self.first < 0:
            said = f"today or in the {_counted(-self.first, 'days')} before"
        return f"{said} (29 February on 1 March in common years)" if self.is_leap_on_mar1 else said


@dataclass(frozen=True)
class Point:
    """A day in the zone of the condition, or an instant."""

    at: date | datetime

    def instant(self, zone: ZoneInfo) -> datetime:
        """Give the day's midnight, or the instant itself; a time without a zone is read on that zone's wall."""
        if not isinstance(self.at, datetime):
            return midnight(self.at, zone)
        return (self.at if self.at.tzinfo else self.at.replace(tzinfo=zone)).astimezone(UTC)

    def end(self, zone: ZoneInfo) -> datetime:
        """Give the first instant after: of the next day, or one microsecond later."""
        if not isinstance(self.at, datetime):
            return midnight(self.at + timedelta(days=1), zone)
        return self.instant(zone) + TICK

    def span(self, moment: Moment) -> Span:
        return Span(self.instant(moment.zone), self.end(moment.zone))

    def words(self) -> str:
        return self.at.isoformat(" ", "minutes") if isinstance(self.at, datetime) else self.at.isoformat()


@dataclass(frozen=True)
class Range:
    """From one point up to, not including, another; either end may be open."""

    start: Point | None
    end: Point | None

    def span(self, moment: Moment) -> Span:
        end = self.end.instant(moment.zone) if self.end else NEVER
        return Span(self.start.instant(moment.zone) if self.start else None, end)

    def words(self) -> str:
        if self.start and self.end:
            return f"from {self.start.words()} until {self.end.words()} (not included)"
        return f"since {self.start.words()}" if self.start else f"before {self.end.words()}" if self.end else "ever"


@dataclass(frozen=True)
class This:
    """The day, week (from Monday), month, quarter or year that is running."""

    period: str

    def span(self, moment: Moment) -> Span:
        return Span(midnight(_start_of(self.period, _today(moment)), moment.zone), moment.as_of + TICK)

    def words(self) -> str:
        return "today" if self.period == "day" else f"this {self.period}"


@dataclass(frozen=True)
class Previous:
    """The whole day, week, month, quarter or year before the one that is running."""

    period: str

    def span(self, moment: Moment) -> Span:
        return period(self.period, -1, moment)

    def words(self) -> str:
        return "yesterday" if self.period == "day" else f"in the previous {self.period}"


@dataclass(frozen=True)
class Ever:
    """All the time there was."""

    def span(self, moment: Moment) -> Span:
        return Span(None, moment.as_of + TICK)

    def words(self) -> str:
        return "ever"


Window = Last | Range | This | Previous | Ever


def happened(window: Window, moment: Moment) -> Span:
    """Give the part of a window that is not after as_of."""
    span = window.span(moment)
    return Span(span.start, min(span.end, moment.as_of + TICK))


def instants_in_words(spanned: Callable[[Moment], Span], moment: Moment, zone: str) -> str:
    """Give ` [2026-05-13 12:00 to 2026-05-20 12:00 UTC]`: the instants of a window, in the zone of its condition.

    With the zone of customers an instant that differs from zone to zone is said as the time on their walls.
    """
    shown = moment.zone if zone in ("", CUSTOMER) else ZoneInfo(zone)
    span = spanned(Moment(moment.as_of, shown))
    everywhere = [spanned(Moment(moment.as_of, ZoneInfo(name))) for name in FAR_APART] if zone == CUSTOMER else []

    def said(end: int) -> str:
        instant = span[end]
        if instant is None or instant >= NEVER:
            return ""
        local = instant.astimezone(shown).replace(tzinfo=None)
        is_local = any(other[end] != instant for other in everywhere)
        text = local.isoformat(" ", "seconds").removesuffix(":00")
        return f"{text} {'local time' if is_local else shown.key}"

    start, end = said(0), said(1)
    both = f"{start} to {end}" if start and end else f"from {start}" if start else f"until {end}"
    return f" [{both}]" if start or end else ""


def period(name: str, step: int, moment: Moment) -> Span:
    """Give the whole day, week, month, quarter or year that is running (0), the one before (-1) or after (1)."""
    start = _start_of(name, _today(moment))
    if step < 0:
        start = _start_of(name, start - timedelta(days=1))
    if step > 0:
        start = _following(name, start)
    return Span(midnight(start, moment.zone), midnight(_following(name, start), moment.zone))


@functools.lru_cache(maxsize=1_024)
def zone_named(name: str) -> ZoneInfo | None:
    """Give a time zone by its name; None where there is no such place."""
    return ZoneInfo(name) if name in _places() else None


@functools.cache
def _places() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_PLACES


def period_starts(name: str, number: int, moment: Moment) -> list[datetime]:
    """Give when each of the last so many days, weeks, months, quarters or years began, the running one last."""
    days = [_start_of(name, _today(moment))]
    while len(days) < number:
        days.append(_start_of(name, days[-1] - timedelta(days=1)))
    return [midnight(day, moment.zone) for day in reversed(days)]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the instant a day begins in a zone, in UTC; where the clock skips midnight, the first instant after."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def first_day(instant: datetime, zone: ZoneInfo) -> date:
    """Give the first day that begins at or after an instant."""
    day = instant.astimezone(zone).date()
    return day if midnight(day, zone) >= instant else day + timedelta(days=1)


def _today(moment: Moment) -> date:
    return moment.as_of.astimezone(moment.zone).date()


def _start_of(period: str, day: date) -> date:
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    months = MONTHS_IN[period]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def _following(period: str, start: date) -> date:
    return _start_of(period, start + timedelta(days=MORE_THAN_ONE[period]))


def _days(first: date, number: int, moment: Moment) -> Span:
    return Span(midnight(first, moment.zone), midnight(first + timedelta(days=number), moment.zone))


def _day_before(moment: Moment, number: int, unit: str) -> date:
    if unit in MONTHS:
        return _months_before(_today(moment), number * MONTHS[unit])
    return _today(moment) - timedelta(days=number * (7 if unit == "weeks" else 1))


def _moved(moment: Moment, number: int, unit: str) -> datetime:
    """Give the instant so many units after as_of, or before it."""
    if unit in LENGTHS:
        return moment.as_of + number * LENGTHS[unit]
    # Months and years keep the hour on the wall; in a shorter month the last day stands for the missing one.
    local = moment.as_of.astimezone(moment.zone)
    day = _months_before(local.date(), -number * MONTHS[unit])
    return datetime.combine(day, local.time(), moment.zone).astimezone(UTC)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _counted(number: int, units: str) -> str:
    return units.removesuffix("s") if number == 1 else f"{number} {units}"
