"""The values of a rule: each kind has its form in the builder, its parser and its words. Errors name the path."""

import difflib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segments.rules.comparisons import COMPARISONS, Comparison, number_in_words
from segments.rules.nodes import RuleError
from segments.rules.windows import PERIODS, UNITS, Last, Point, Previous, Range, This, Window

MAX_VALUES = 1_000
MAX_YEARS = 200
YEARS = (1800, 2200)
PER_YEAR = {
    "minutes": 527_040,
    "hours": 8_784,
    "days": 366,
    "calendar_days": 366,
    "weeks": 53,
    "months": 12,
    "years": 1,
}


class Argument(NamedTuple):
    """One kind of value: the form that asks for it, how it is read, and how it is said."""

    form: str
    parse: Callable[[object, str], Any]
    words: Callable[[Any], str]


def shown(value: object) -> str:
    """Give a value as JSON, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def expects(path: str, what: str, value: object) -> RuleError:
    """Give the error `expects a number, got "abc"`."""
    return RuleError(path, f"expects {what}, got {shown(value)}")


def nearest(name: object, names: Iterable[str]) -> str:
    """Give `; did you mean 'age'?`, or nothing where no name is near."""
    found = difflib.get_close_matches(str(name), list(names), 1)
    return f"; did you mean '{found[0]}'?" if found else ""


def text(value: object, path: str) -> str:
    """Give a text that is not blank and can be stored."""
    if not isinstance(value, str):
        raise expects(path, "a text", value)
    if not value.strip():
        raise expects(path, "a text that is not blank (no_value asks for those without)", value)
    if not value.isprintable() and any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        raise expects(path, "a text of whole characters", value)
    return value.strip()


def number(value: object, path: str) -> float:
    """Give a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expects(path, "a number", value)
    if not (math.isfinite(value) if isinstance(value, float) else abs(value) < 2**1023):
        raise expects(path, "a finite number", value)
    return float(value)


def whole(value: object, path: str, low: int = 1, high: int = 2**53) -> int:
    """Give a whole number from `low` to `high`."""
    found = number(value, path)
    if not found.is_integer() or not low <= found <= high:
        raise expects(path, f"a whole number from {low} to {high}", value)
    return int(found)


def members(value: object, path: str) -> list[object]:
    """Give the entries of a list that has some, and not too many."""
    if not isinstance(value, list) or not value:
        raise expects(path, "a list of values", value)
    if len(value) > MAX_VALUES:
        raise RuleError(path, f"has {len(value)} values; more than {MAX_VALUES} belong into a segment of their own")
    return value


def texts(value: object, path: str) -> tuple[str, ...]:
    """Give one or more different texts."""
    return tuple(dict.fromkeys(text(entry, f"{path}[{i}]") for i, entry in enumerate(members(value, path))))


def numbers(value: object, path: str) -> tuple[float, ...]:
    """Give one or more different numbers."""
    return tuple(dict.fromkeys(number(entry, f"{path}[{i}]") for i, entry in enumerate(members(value, path))))


def number_range(value: object, path: str) -> tuple[float, float]:
    """Give two numbers, the lower first."""
    if not isinstance(value, list) or len(value) != 2:
        raise expects(path, "two numbers, [low, high]", value)
    low, high = number(value[0], f"{path}[0]"), number(value[1], f"{path}[1]")
    if low > high:
        raise RuleError(path, f"expects the lower number first, got {shown(value)}")
    return low, high


def percent(value: object, path: str) -> float:
    """Give a share of everybody: above 0, at most 100."""
    found = number(value, path)
    if not 0 < found <= 100:
        raise expects(path, "a percentage above 0, at most 100", value)
    return found


def percent_range(value: object, path: str) -> tuple[float, float]:
    """Give two different percentages from 0 to 100, the lower first."""
    low, high = number_range(value, path)
    if not 0 <= low < high <= 100:
        raise expects(path, "two different percentages from 0 to 100", value)
    return low, high


def point(value: object, path: str) -> Point:
    """Give a day, or an instant, of a year that people live in."""
    if not isinstance(value, str):
        raise expects(path, "a date such as 2026-01-31", value)
    try:
        at = date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
    except ValueError:
        raise expects(path, "a date such as 2026-01-31", value) from None
    if not YEARS[0] <= at.year < YEARS[1]:
        raise expects(path, f"a date from {YEARS[0]} to {YEARS[1]}", value)
    return Point(at)


def day(value: object, path: str) -> Point:
    """Give a day."""
    found = point(value, path)
    if isinstance(found.at, datetime):
        raise expects(path, "a day such as 2026-01-31, without a time", value)
    return found


def time_range(value: object, path: str) -> Range:
    """Give [from, to) as two dates, the earlier first."""
    if not isinstance(value, list) or len(value) != 2:
        raise expects(path, "two dates, [from, to]", value)
    return _in_order(point(value[0], f"{path}[0]"), point(value[1], f"{path}[1]"), path)


def duration(value: object, path: str, key: str = "n") -> Last:
    """Give a length of time: `{"n": 7, "unit": "days"}`, with `last` for `n` in a window."""
    found = keys_of(value, path, {key, "unit"}, {key, "unit"})
    unit = found["unit"]
    if unit not in UNITS:
        raise RuleError(f"{path}.unit", f"expects one of {', '.join(UNITS)}, got {shown(unit)}{nearest(unit, UNITS)}")
    return Last(whole(found[key], f"{path}.{key}", 1, MAX_YEARS * PER_YEAR[str(unit)]), str(unit))


def window(value: object, path: str) -> Window:
    """Give a `within`."""
    found = keys_of(value, path, {"last", "unit", "from", "to", "this", "previous"}, set())
    if "last" in found:
        return duration(value, path, "last")
    for key, form in (("this", This), ("previous", Previous)):
        if key in found:
            keys_of(value, path, {key}, {key})
            return form(_one_of(found[key], f"{path}.{key}", PERIODS))
    keys_of(value, path, {"from", "to"}, set())
    start, end = (point(found[key], f"{path}.{key}") if key in found else None for key in ("from", "to"))
    if not start and not end:
        raise expects(path, 'a window such as {"last": 90, "unit": "days"}', value)
    return _in_order(start, end, path)


def comparison(value: object, path: str, read: Callable[[object, str], float] = number) -> Comparison:
    """Give `{">=": 2}` or `{"between": [2, 5]}`."""
    if not isinstance(value, dict) or len(value) != 1:
        raise expects(path, 'one comparison such as {">=": 2}', value)
    ((op, given),) = value.items()
    _one_of(op, path, COMPARISONS)
    if op != "between":
        return Comparison(op, (read(given, f"{path}.{op}"),))
    low, high = number_range(given, f"{path}.between")
    read(given[0], f"{path}.between[0]"), read(given[1], f"{path}.between[1]")
    return Comparison(op, (low, high))


def count(value: object, path: str) -> Comparison:
    """Give a comparison of whole numbers from 0."""
    return comparison(value, path, lambda given, at: float(whole(given, at, 0)))


def zone(value: object, path: str) -> str:
    """Give the name of a time zone that exists."""
    if not isinstance(value, str):
        raise expects(path, "a time zone such as Europe/Berlin", value)
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RuleError(path, f"no time zone named {shown(value)}") from None


def nothing(value: object, path: str) -> None:
    """Refuse a value where none is asked for."""
    if value is not None:
        raise RuleError(path, f"this operator takes no value, got {shown(value)}")


def keys_of(value: object, path: str, allowed: Iterable[str], needed: Iterable[str]) -> dict[str, object]:
    """Give a JSON object whose keys are all known and complete."""
    if not isinstance(value, dict):
        raise expects(path, f"an object with {', '.join(sorted(allowed))}", value)
    for key in value:
        if key not in allowed:
            raise RuleError(path, f"no key '{key}' here{nearest(key, allowed)}")
    for key in sorted(needed):
        if key not in value:
            raise RuleError(path, f"'{key}' is missing")
    return value


def any_of_words(values: Sequence[str]) -> str:
    """Give `DE, FR or AT`."""
    if len(values) == 1:
        return values[0]
    return f"{', '.join(values[:-1])} or {values[-1]}"


def _in_order(start: Point | None, end: Point | None, path: str) -> Range:
    utc = ZoneInfo("UTC")
    if start and end and start.instant(utc) >= end.instant(utc):
        raise RuleError(path, f"ends before it begins: from {start.words()} to {end.words()}")
    return Range(start, end)


def _one_of(value: object, path: str, names: Iterable[str]) -> str:
    if not isinstance(value, str) or value not in names:
        raise RuleError(path, f"expects one of {', '.join(names)}, got {shown(value)}{nearest(value, names)}")
    return value


NOTHING = Argument("nothing", nothing, lambda value: "")
TEXT = Argument("text", text, str)
TEXTS = Argument("texts", texts, any_of_words)
NUMBER = Argument("number", number, number_in_words)
NUMBERS = Argument("numbers", numbers, lambda values: any_of_words([number_in_words(value) for value in values]))
NUMBER_RANGE = Argument("number_range", number_range, lambda ends: " to ".join(map(number_in_words, ends)))
PERCENT = Argument("percent", percent, number_in_words)
PERCENT_RANGE = Argument("percent_range", percent_range, lambda ends: " to ".join(map(number_in_words, ends)))
COUNT = Argument("count", whole, str)
DAY = Argument("day", day, Point.words)
POINT = Argument("point", point, Point.words)
TIME_RANGE = Argument("time_range", time_range, Range.words)
DURATION = Argument("duration", duration, Last.length_in_words)
