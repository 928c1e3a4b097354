"""Windows and days, one instant at a time: a day is what the calendar on the wall says."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.segments.slow.rows import Json

SECONDS = {"minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
MONTHS = {"months": 1, "years": 12}


def point(text: str) -> date | datetime:
    """Give a day, or an instant if the text has a time."""
    return date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)


def begins(at: date | datetime, zone: ZoneInfo) -> datetime:
    """Give the instant a day begins, or the instant itself."""
    if not isinstance(at, datetime):
        return datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def day_of(at: date | datetime, zone: ZoneInfo) -> date:
    """Give the day on the wall; a day is itself in every zone."""
    return at.astimezone(zone).date() if isinstance(at, datetime) else at


def is_before(at: date | datetime, other: date | datetime, zone: ZoneInfo) -> bool:
    """Say whether a time is before an instant, or before a day on the wall."""
    if isinstance(other, datetime):
        return begins(at, zone) < begins(other, zone)
    return day_of(at, zone) < other


def in_window(at: date | datetime, window: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    """Say whether a time lies in a `within`."""
    if window is None:
        return True
    if "last" in window:
        return in_last(at, window["last"], window["unit"], as_of, zone)
    if "this" in window:
        return in_period(at, window["this"], 0, as_of, zone)
    if "previous" in window:
        return in_period(at, window["previous"], -1, as_of, zone)
    if "from" in window and is_before(at, point(window["from"]), zone):
        return False
    return "to" not in window or is_before(at, point(window["to"]), zone)


def in_last(at: date | datetime, number: int, unit: str, as_of: datetime, zone: ZoneInfo) -> bool:
    if begins(at, zone) > as_of:
        return False
    if unit == "calendar_days":
        return (day_of(as_of, zone) - day_of(at, zone)).days < number
    return begins(at, zone) > ago(as_of, number, unit, zone)


def ago(as_of: datetime, number: int, unit: str, zone: ZoneInfo) -> datetime:
    """Give the instant so long before; a negative number is so long after. Months keep the hour on the wall."""
    if unit in SECONDS:
        return as_of - timedelta(seconds=number * SECONDS[unit])
    local = as_of.astimezone(zone)
    day = months_before(local.date(), number * MONTHS[unit])
    return local.replace(year=day.year, month=day.month, day=day.day, fold=0).astimezone(UTC)


def days_before(day: date, number: int, unit: str) -> date:
    """Give the day so many days, weeks, months or years before."""
    if unit in MONTHS:
        return months_before(day, number * MONTHS[unit])
    return day - timedelta(days=number * (7 if unit == "weeks" else 1))


def months_before(day: date, months: int) -> date:
    year, month = day.year, day.month - months
    while month < 1:
        year, month = year - 1, month + 12
    while month > 12:
        year, month = year + 1, month - 12
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def in_period(at: date | datetime, name: str, step: int, as_of: datetime, zone: ZoneInfo) -> bool:
    """Say whether a time lies in the period of as_of, or so many periods from it."""
    return period_number(day_of(at, zone), name) == period_number(day_of(as_of, zone), name) + step


def period_number(day: date, name: str) -> int:
    """Count days, weeks (from Monday), months, quarters or years since long ago."""
    return {
        "day": day.toordinal(),
        "week": (day.toordinal() - 1) // 7,
        "month": day.year * 12 + day.month - 1,
        "quarter": day.year * 4 + (day.month - 1) // 3,
        "year": day.year,
    }[name]
