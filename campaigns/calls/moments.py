"""Times in an agent's words: "tomorrow 15:00", "mon 9:30", "in 2 hours", "2026-03-02 15:00". Pure."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOCK = re.compile(r"(?:at )?(\d{1,2})(?:[:.](\d{2}))?\s?(am|pm)?$")
SPAN = re.compile(r"in (an?|\d{1,3}) (minute|hour|day|week)s?$")
HELP = 'Such as "tomorrow 15:00", "monday 9:30", "in 2 hours" or "2026-03-02 15:00".'


class NoTime(ValueError):
    """Words that name no time; the message says what is understood."""


def read(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Give the time that the words name, by the clock of a zone; raise NoTime."""
    said = " ".join(words.lower().replace(",", " ").split())
    if found := SPAN.match(said):
        count = 1 if found[1] in ("a", "an") else int(found[1])
        return now + timedelta(**{f"{found[2]}s": count})
    try:
        told = datetime.fromisoformat(said.replace(" ", "t").upper())
    except ValueError:
        return _of_day(said, now.astimezone(zone))
    return told if told.tzinfo else told.replace(tzinfo=zone)


def _of_day(said: str, local: datetime) -> datetime:
    name, _, rest = said.removeprefix("on ").partition(" ")
    day = _day(name, local.date())
    clock = _clock(rest if day else said)
    if clock is None:
        raise NoTime(f"This names no time. {HELP}")
    moment = datetime.combine(day or local.date(), clock, local.tzinfo)
    return moment + timedelta(days=1) if day is None and moment <= local else moment


def _day(name: str, today: date) -> date | None:
    if name in ("today", "tomorrow"):
        return today + timedelta(days=name == "tomorrow")
    for number, weekday in enumerate(WEEKDAYS):
        if len(name) >= 3 and weekday.startswith(name):
            return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)
    return None


def _clock(said: str) -> time | None:
    found = CLOCK.match(said)
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[3] == "pm" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None
