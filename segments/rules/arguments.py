"""The values of a rule: each kind has its form in the builder, its parser and its words. Errors name the path."""

import difflib
import itertools
import json
import math
import re
import unicodedata
from calendar import day_name, month_name
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from segments.rules.comparisons import COMPARISONS, Comparison, in_words, number_in_words
from segments.rules.nodes import RuleError
from segments.rules.windows import (
    PERIODS,
    UNITS,
    Ago,
    Anniversary,
    Last,
    Point,
    Previous,
    Range,
    This,
    Window,
    zone_named,
)

MAX_VALUES = 1_000
MAX_PATTERN = 500
MAX_TEXT = 1_000
MAX_NAME = 200
MAX_IDS = 100_000
LONGEST, DEEPEST = 60, 6  # of a value that an error shows
UNSTORABLE = "\0"
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
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
    """Give a value as JSON, cut to a readable length, however large it is."""
    text = json.dumps(_cut(value), ensure_ascii=True, default=repr)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def quoted(name: object) -> str:
    """Give a name in quotes, cut to a readable length; another value as JSON."""
    if not isinstance(name, str):
        return shown(name)
    return f"'{name}'" if len(name) <= LONGEST else f"'{name[: LONGEST - 3]}...'"


def expects(path: str, what: str, value: object) -> RuleError:
    """Give the error `expects a number, got "abc"`."""
    return RuleError(path, f"expects {what}, got {shown(value)}")


def nearest(name: object, names: Iterable[str]) -> str:
    """Give `; did you mean 'age'?`, or nothing where no name is near."""
    if not isinstance(name, str) or len(name) > MAX_NAME:
        return ""
    found = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean '{found[0]}'?" if found else ""


def text(value: object, path: str) -> str:
    """Give a text that shows something and can be stored."""
    if not isinstance(value, str):
        raise expects(path, "a text", value)
    if len(value) > MAX_TEXT:
        raise RuleError(path, f"has {len(value)} letters; a text of at most {MAX_TEXT} can be compared")
    if value.isascii() and value.isprintable() and value.strip():
        return value.strip()
    if any(letter in UNSTORABLE for letter in value) or (not value.isprintable() and any(map(_is_half, value))):
        raise expects(path, "a text of whole characters", value)
    if any(letter in TURNING for letter in value):
        raise expects(path, "a text without marks that turn the direction of reading", value)
    if all(unicodedata.category(letter)[0] in "CZ" for letter in value):
        raise expects(path, "a text that is not blank (no_value asks for those without)", value)
    return value.strip()


def ids(value: object, path: str) -> tuple[str, ...]:
    """Give many different external ids."""
    if not isinstance(value, list) or not value:
        raise expects(path, f"a list of 1 to {MAX_IDS} external ids", value)
    if len(value) > MAX_IDS:
        raise RuleError(path, f"has {len(value)} external ids; more than {MAX_IDS} belong into an uploaded list")
    return tuple(dict.fromkeys(text(one, f"{path}[{i}]") for i, one in enumerate(value)))


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
    unit = _one_of(found["unit"], f"{path}.unit", UNITS)
    return Last(whole(found[key], f"{path}.{key}", 1, MAX_YEARS * PER_YEAR[unit]), unit)


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


def pattern(value: object, path: str) -> str:
    """Give a regular expression of the kind that is matched in linear time."""
    found = text(value, path)
    if len(found) > MAX_PATTERN:
        raise RuleError(path, f"is longer than {MAX_PATTERN} letters")
    for tried in (found, f"(?i){found}"):
        try:
            pl.Series([""]).str.contains(tried)
        except pl.exceptions.ComputeError as error:
            raise RuleError(path, f"is no pattern that can be matched in linear time: {_why(str(error))}") from None
    return found


def domain(value: object, path: str) -> str:
    """Give the name of a domain: `example.com`."""
    found = text(value, path)
    if not re.fullmatch(r"[^\s@/:?#]+", found):
        raise expects(path, "a domain such as example.com", value)
    return found


def spread(value: object, path: str) -> float:
    """Give a number of standard deviations, 0 to 100."""
    found = number(value, path)
    if not 0 <= found <= 100:
        raise expects(path, "a number of standard deviations from 0 to 100", value)
    return found


def period(value: object, path: str) -> str:
    """Give the name of a period."""
    return _one_of(value, path, PERIODS)


def days_ago(value: object, path: str) -> Last:
    """Give a length of time in whole days."""
    found = duration(value, path)
    if found.unit in ("minutes", "hours"):
        raise RuleError(f"{path}.unit", f"expects days or more, got {shown(found.unit)}; between_ago takes hours")
    return found


def ago(value: object, path: str) -> Ago:
    """Give `{"from": 3, "to": 5, "unit": "days"}`."""
    found = keys_of(value, path, {"from", "to", "unit"}, {"from", "to", "unit"})
    unit = _one_of(found["unit"], f"{path}.unit", UNITS)
    near, far = (whole(found[key], f"{path}.{key}", 0, MAX_YEARS * PER_YEAR[unit]) for key in ("from", "to"))
    if near > far or (near == far and unit != "calendar_days"):
        raise RuleError(path, f"expects the smaller number first, got {shown(value)}")
    return Ago(near, far, unit)


def anniversary(value: object, path: str) -> Anniversary:
    """Give `"today"`, `{"in_next": 7}` or `{"in_last": 7}`; today is the first of these days, or the last."""
    if value == "today":
        return Anniversary(0, 0)
    if not isinstance(value, dict) or len(value) != 1:
        raise expects(path, '"today", {"in_next": days} or {"in_last": days}', value)
    keys_of(value, path, {"in_next", "in_last"}, set())
    ((key, given),) = value.items()
    days = whole(given, f"{path}.{key}", 1, 366)
    return Anniversary(0, days - 1) if key == "in_next" else Anniversary(1 - days, 0)


def hours(value: object, path: str) -> tuple[int, int]:
    """Give two hours of the day, both in; the later first goes over midnight."""
    if not isinstance(value, list) or len(value) != 2:
        raise expects(path, "two hours, [first, last]", value)
    return whole(value[0], f"{path}[0]", 0, 23), whole(value[1], f"{path}[1]", 0, 23)


def weekdays(value: object, path: str) -> tuple[int, ...]:
    """Give one weekday or several; Monday is 1."""
    return _numbered(value, path, 7)


def months(value: object, path: str) -> tuple[int, ...]:
    """Give one month or several; January is 1."""
    return _numbered(value, path, 12)


def count(value: object, path: str) -> Comparison:
    """Give a comparison of whole numbers from 0."""
    return comparison(value, path, lambda given, at: float(whole(given, at, 0)))


def zone(value: object, path: str) -> str:
    """Give the name of a time zone that exists."""
    if not isinstance(value, str):
        raise expects(path, "a time zone such as Europe/Berlin, or customer", value)
    if zone_named(value) is None:
        raise RuleError(path, f"no time zone named {shown(value)}")
    return value


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
            raise RuleError(path, f"no key {quoted(key)} here{nearest(key, allowed)}")
    for key in sorted(needed):
        if key not in value:
            raise RuleError(path, f"'{key}' is missing")
    return value


def any_of_words(values: Sequence[str]) -> str:
    """Give `DE, FR or AT`."""
    if len(values) == 1:
        return values[0]
    return f"{', '.join(values[:-1])} or {values[-1]}"


def _why(error: str) -> str:
    """Give why a pattern was refused, of the many lines that say so."""
    said = re.findall(r"error: (?!regex parse)([^\n]*)", error)
    return said[-1].strip() if said and "size limit" not in error else "it is too large"


def _numbered(value: object, path: str, high: int) -> tuple[int, ...]:
    if not isinstance(value, list):
        return (whole(value, path, 1, high),)
    return tuple(dict.fromkeys(whole(entry, f"{path}[{i}]", 1, high) for i, entry in enumerate(members(value, path))))


def _cut(value: object, depth: int = 0) -> object:
    """Leave out of a value what nobody reads."""
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, dict | list) and depth == DEEPEST:
        return "..."
    if isinstance(value, dict):
        return {str(key)[:LONGEST]: _cut(value[key], depth + 1) for key in itertools.islice(value, LONGEST)}
    if isinstance(value, list):
        return [_cut(entry, depth + 1) for entry in value[:LONGEST]]
    return value


def _is_half(letter: str) -> bool:
    """Say whether a letter is one half of a pair, which no text may have alone."""
    return 0xD800 <= ord(letter) <= 0xDFFF


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
AMOUNT = Argument("duration", duration, Last.amount_in_words)
DAYS_AGO = Argument("duration", days_ago, Last.amount_in_words)
AGO = Argument("ago", ago, Ago.words)
PERIOD = Argument("period", period, str)
ANNIVERSARY = Argument("anniversary", anniversary, Anniversary.words)
HOURS = Argument("hours", hours, lambda ends: f"{ends[0]}:00 to {ends[1]}:59")
WEEKDAYS = Argument("weekdays", weekdays, lambda days: any_of_words([day_name[day - 1] for day in days]))
MONTHS = Argument("months", months, lambda numbers: any_of_words([month_name[number] for number in numbers]))
PATTERN = Argument("pattern", pattern, str)
DOMAIN = Argument("domain", domain, str)
LENGTH = Argument("comparison", count, in_words)
SPREAD = Argument("number", spread, lambda n: f"{number_in_words(n)} standard deviation{'' if n == 1 else 's'}")
