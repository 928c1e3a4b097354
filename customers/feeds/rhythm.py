"""When a feed is looked at next: every so many minutes, or once a day by the clock of the installation. Pure."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def following(every_minutes: int | None, daily_at: time | None, due: datetime, now: datetime, zone: str) -> datetime:
    """Give the first time after `now`; `due` is the one before, and what was missed is not made up for."""
    if every_minutes is not None:
        every = timedelta(minutes=every_minutes)
        return due + every * ((now - due) // every + 1)
    local = now.astimezone(ZoneInfo(zone))
    days = (local.date() + timedelta(days=n) for n in range(3))
    slots = (datetime.combine(day, daily_at or time(), ZoneInfo(zone)).astimezone(UTC) for day in days)
    return next(slot for slot in slots if slot > now)
