"""The operators of dates. A condition looks at instants, or at days: a day is where its midnight in the zone is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl

from segments.rules.arguments import (
    AGO,
    AMOUNT,
    ANNIVERSARY,
    DAY,
    DAYS_AGO,
    DURATION,
    HOURS,
    MONTHS,
    PERIOD,
    POINT,
    TIME_RANGE,
    WEEKDAYS,
    Argument,
)
from segments.rules.nodes import Type
from segments.rules.subjects import Against, Meaning, Operator, Subject, is_in, value_rows
from segments.rules.windows import NEVER, Anniversary, Moment, Span, first_day, period

A_DAY = timedelta(days=1)


def in_span(subject: Subject, span: Span, moment: Moment) -> pl.Expr:
    """Give the times of a span; a day is where its midnight in the zone is."""
    start, end = span.start, span.end if span.end < NEVER else None
    parts = []
    if start is not None:
        parts.append(subject.column >= (first_day(start, moment.zone) if subject.is_day else start))
    if end is not None:
        parts.append(subject.column < (first_day(end, moment.zone) if subject.is_day else end))
    return pl.all_horizontal(parts) if parts else subject.column.is_not_null()


def local(subject: Subject, moment: Moment) -> pl.Expr:
    """Give what clock and calendar on the wall show, without a zone."""
    if subject.is_day:
        return subject.column.cast(pl.Datetime("us"))
    return subject.column.dt.convert_time_zone(moment.zone.key).dt.replace_time_zone(None)


def days(subject: Subject, moment: Moment) -> pl.Expr:
    """Give the days on the wall."""
    return subject.column if subject.is_day else local(subject, moment).dt.date()


def midnights(days: pl.Expr, moment: Moment) -> pl.Expr:
    """Give the instants days begin at, as windows.midnight does: where the clock skips it, the first one after."""
    wall, zone = days.cast(pl.Datetime("us")), moment.zone.key
    at = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    before = (wall - A_DAY).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(at.dt.convert_time_zone("UTC"), before.dt.convert_time_zone("UTC") + A_DAY)


def shifted(subject: Subject, offset_days: int, moment: Moment) -> Subject:
    """Give the dates so many days later by the calendar on the wall."""
    if not offset_days:
        return subject
    if subject.is_day:
        return Subject(subject.column.dt.offset_by(f"{offset_days}d"), True)
    wall = local(subject, moment).dt.offset_by(f"{offset_days}d")
    day, clock = wall.dt.truncate("1d"), wall - wall.dt.truncate("1d")
    at = wall.dt.replace_time_zone(moment.zone.key, ambiguous="earliest", non_existent="null")
    # An hour that the clock skips is as long after midnight as it says.
    return Subject(pl.coalesce(at.dt.convert_time_zone("UTC"), midnights(day, moment) + clock))


def _instants(subject: Subject, moment: Moment) -> pl.Expr:
    return midnights(subject.column, moment) if subject.is_day else subject.column


def _before(subject: Subject, other: Subject, moment: Moment) -> pl.Expr:
    if subject.is_day and other.is_day:
        return subject.column < other.column
    return _instants(subject, moment) < _instants(other, moment)


def _after(subject: Subject, other: Subject, moment: Moment) -> pl.Expr:
    if not other.is_day:
        return _instants(subject, moment) > other.column
    return ~_before(subject, Subject(other.column.dt.offset_by("1d"), True), moment)


def _anniversary(subject: Subject, value: Anniversary, moment: Moment) -> pl.Expr:
    day = days(subject, moment)
    number = day.dt.month().cast(pl.Int64) * 100 + day.dt.day()
    return is_in(number, value.days(moment))


def _hour_between(subject: Subject, hours: tuple[int, int], moment: Moment) -> pl.Expr:
    if subject.is_day:  # a day has no hour
        return pl.lit(None, pl.Boolean)
    first, last = hours
    hour = local(subject, moment).dt.hour()
    is_over_midnight = first > last
    return (hour >= first) | (hour <= last) if is_over_midnight else hour.is_between(first, last)


# --- The rows. --------------------------------------------------------------------------------------------------------
Spanned = Callable[[Any, Moment], Span]


def _row(name: str, argument: Argument, span: Spanned, words: str) -> Operator:
    """Give a row whose value stands for a span of time."""
    return Operator(Type.DATE, name, argument, lambda s, v, m: in_span(s, span(v, m), m), words, span=span)


def _with_other(row: Operator, against: Against) -> Operator:
    return row._replace(against=against, other=Type.DATE)


def _not(row: Operator) -> Operator:
    return row._replace(meaning=lambda s, v, m: ~row.meaning(s, v, m), is_negative=True)


def _wall_row(name: str, argument: Argument, meaning: Meaning, words: str) -> Operator:
    return Operator(Type.DATE, name, argument, meaning, words)


def _on(subject: Subject, other: Subject, moment: Moment) -> pl.Expr:
    return days(subject, moment) == days(other, moment)


ROWS = [
    _with_other(_row("on", DAY, lambda v, m: v.span(m), "is on {}"), _on),
    _with_other(_row("before", POINT, lambda v, m: Span(None, v.instant(m.zone)), "is before {}"), _before),
    _with_other(_row("after", POINT, lambda v, m: Span(v.end(m.zone), NEVER), "is after {}"), _after),
    _row("between", TIME_RANGE, lambda v, m: v.span(m), "is {}")._replace(label="is between"),
    _row("in_last", DURATION, lambda v, m: v.span(m), "is in the last {}"),
    _not(_row("not_in_last", DURATION, lambda v, m: v.span(m), "is not in the last {}")),
    _row("in_next", DURATION, lambda v, m: v.ahead(m), "is in the next {}"),
    _row("exactly_ago", DAYS_AGO, lambda v, m: v.day_ago(m), "is on the day {} ago"),
    _row("more_than_ago", AMOUNT, lambda v, m: Span(None, v.span(m).start or NEVER), "is more than {} ago"),
    _row("between_ago", AGO, lambda v, m: v.span(m), "is between {} ago"),
    _row("this", PERIOD, lambda v, m: period(v, 0, m), "is in this {}"),
    _row("previous", PERIOD, lambda v, m: period(v, -1, m), "is in the previous {}"),
    _row("next", PERIOD, lambda v, m: period(v, 1, m), "is in the next {}")._replace(label="is in the next calendar"),
    _wall_row("weekday", WEEKDAYS, lambda s, v, m: is_in(days(s, m).dt.weekday().cast(pl.Int64), v), "is on a {}"),
    _wall_row("month_is", MONTHS, lambda s, v, m: is_in(days(s, m).dt.month().cast(pl.Int64), v), "is in {}"),
    _wall_row("hour_between", HOURS, _hour_between, "is at {}"),
    _wall_row("anniversary", ANNIVERSARY, _anniversary, "has its anniversary {}"),
    *value_rows(Type.DATE),
]
