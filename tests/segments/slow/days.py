"""Conditions on dates: a value is an instant, or a day that is the same in every zone."""

from calendar import isleap
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.segments.slow.rows import Json
from tests.segments.slow.when import ago, begins, day_of, days_before, in_last, in_period, is_before, point

PERIODS = {"this": 0, "previous": -1, "next": 1}
Time = date | datetime


def date_holds(node: Json, seen: Time, asked: Any, as_of: datetime, zone: ZoneInfo) -> bool:
    op = node["op"]
    if op in PERIODS:
        return in_period(seen, asked, PERIODS[op], as_of, zone)
    if op in ("weekday", "month_is", "hour_between"):
        return on_the_wall(op, seen, asked, zone)
    if op == "anniversary":
        return has_anniversary(day_of(seen, zone), asked, day_of(as_of, zone), node.get("leap") == "mar1")
    if op == "between":
        return not is_before(seen, point(asked[0]), zone) and is_before(seen, point(asked[1]), zone)
    if op in ("on", "before", "after"):
        return compares(op, seen, point(asked) if isinstance(asked, str) else asked, zone)
    return ago_holds(op, seen, asked, as_of, zone)


def compares(op: str, seen: Time, other: Time, zone: ZoneInfo) -> bool:
    if op == "on":
        return day_of(seen, zone) == day_of(other, zone)
    if op == "before":
        return is_before(seen, other, zone)
    if isinstance(other, datetime):
        return begins(seen, zone) > begins(other, zone)
    return day_of(seen, zone) > other


def ago_holds(op: str, seen: Time, asked: Json, as_of: datetime, zone: ZoneInfo) -> bool:
    unit, at, today = asked["unit"], begins(seen, zone), day_of(as_of, zone)
    days_ago = (today - day_of(seen, zone)).days
    if op == "between_ago":
        if unit == "calendar_days":
            return bool(asked["from"] <= days_ago <= asked["to"])
        return ago(as_of, asked["to"], unit, zone) < at <= ago(as_of, asked["from"], unit, zone)
    number = asked["n"]
    meanings: dict[str, Callable[[], bool]] = {
        "in_last": lambda: in_last(seen, number, unit, as_of, zone),
        "not_in_last": lambda: not in_last(seen, number, unit, as_of, zone),
        "more_than_ago": lambda: at <= as_of and not in_last(seen, number, unit, as_of, zone),
        "exactly_ago": lambda: day_of(seen, zone) == days_before(today, number, unit),
        "in_next": lambda: (
            -number < days_ago <= 0 if unit == "calendar_days" else as_of < at <= ago(as_of, -number, unit, zone)
        ),
    }
    return meanings[op]()


def on_the_wall(op: str, seen: Time, asked: Any, zone: ZoneInfo) -> bool:
    if op == "weekday":
        return day_of(seen, zone).isoweekday() in (asked if isinstance(asked, list) else [asked])
    if op == "month_is":
        return day_of(seen, zone).month in (asked if isinstance(asked, list) else [asked])
    if not isinstance(seen, datetime):
        return False
    hour, first, last = seen.astimezone(zone).hour, int(asked[0]), int(asked[1])
    return first <= hour <= last if first <= last else hour >= first or hour <= last


def has_anniversary(born: date, asked: Any, today: date, is_leap_on_mar1: bool) -> bool:
    """Say whether the day comes round today, or in so many days that begin or end with today."""
    number = 1 if asked == "today" else next(iter(asked.values()))
    step = -1 if asked != "today" and "in_last" in asked else 1
    return any(comes_round(born, today + timedelta(days=step * n), is_leap_on_mar1) for n in range(number))


def comes_round(born: date, day: date, is_leap_on_mar1: bool) -> bool:
    if (born.month, born.day) == (2, 29) and not isleap(day.year):
        return (day.month, day.day) == ((3, 1) if is_leap_on_mar1 else (2, 28))
    return (born.month, born.day) == (day.month, day.day)


def later(value: Any, days: int, zone: ZoneInfo) -> Any:
    """Give a date so many days later, at the same hour on the wall; other values stay as they are."""
    if not days or not isinstance(value, date):
        return value
    if not isinstance(value, datetime):
        return value + timedelta(days=days)
    wall = value.astimezone(zone).replace(tzinfo=None, fold=0) + timedelta(days=days)
    return wall.replace(tzinfo=zone).astimezone(UTC)
