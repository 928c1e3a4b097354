"""When: the forms of `within`, each with the instants it covers and its words.

A span is half open, [start, end), in UTC. A rolling window is (as_of - N, as_of], so its span starts and ends one
microsecond later: the finest step of our times.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

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
        if self.unit in LENGTHS:
            return Span(end - self.number * LENGTHS[self.unit], end)
        # Months and years keep the hour on the wall; in a shorter month the last day stands for the missing one.
        local = moment.as_of.astimezone(moment.zone)
        day = _months_before(local.date(), self.number * MONTHS[self.unit])
        return Span(datetime.combine(day, local.time(), moment.zone).astimezone(UTC) + TICK, end)

    def words(self) -> str:
        if self.unit == "calendar_days":
            return "today" if self.number == 1 else f"today or in the {_counted(self.number - 1, 'days')} before"
        return f"in the last {_counted(self.number, self.unit)}"

    def length_in_words(self) -> str:
        """Give `90 days`."""
        return _counted(self.number, self.unit.replace("_", " "))


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
        end = _start_of(self.period, _today(moment))
        start = _start_of(self.period, end - timedelta(days=1))
        return Span(midnight(start, moment.zone), midnight(end, moment.zone))

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


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _counted(number: int, units: str) -> str:
    return units.removesuffix("s") if number == 1 else f"{number} {units}"
