"""When a date of a customer's makes her due: an hour of her own clock, days before or after it, once or each year."""

from calendar import isleap
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from campaigns.trigger_kinds import DateTrigger
from customers import bulk
from segments.rules.windows import zone_named

FARTHEST = timedelta(hours=15)  # that a clock on the wall is away from UTC, and one more for the hour it may skip
ZONE = "time_zone"
HOUR = timedelta(hours=1)


def moments(people: pl.DataFrame, trigger: DateTrigger, after: datetime, until: datetime, home: ZoneInfo) -> pl.Series:
    """Give each customer's last moment in (after, until], null where there is none.

    Who lives in no zone that is known lives in the one of `home`. A day is a day wherever she lives; a time is on the
    day that it has on her wall. Years count from the first one after the date; 29 February is 28 February in common
    ones. An hour that the clock skips is the one after it, of one that comes twice it is the first.
    """
    nobody = pl.Series("happened_at", [None] * people.height, dtype=bulk.UTC_MICROSECONDS)
    if trigger.field not in people.columns or people[trigger.field].null_count() == people.height:
        return nobody
    zones = pl.col(ZONE) if ZONE in people.columns else pl.lit(None, pl.String)
    rows = people.select(pl.col(trigger.field).alias("date"), zones.alias(ZONE)).with_row_index("row")
    rows = rows.filter(pl.col("date").is_not_null())
    parts = [
        _in_zone(part.drop(ZONE), trigger, after, until, (zone_named(zone) if zone else None) or home)
        for (zone,), part in rows.partition_by(ZONE, as_dict=True).items()
    ]
    found = pl.concat(parts)
    return nobody.scatter(found["row"], found["at"])


def _in_zone(
    rows: pl.DataFrame, trigger: DateTrigger, after: datetime, until: datetime, zone: ZoneInfo
) -> pl.DataFrame:
    """Give row and `at` for those who have a moment in (after, until]."""
    day = rows.select(_day(rows.schema["date"], zone)).to_series()
    first, last = (end.astimezone(zone).replace(tzinfo=None) for end in (after - FARTHEST, until + FARTHEST))
    offset = timedelta(days=trigger.days, hours=trigger.hour)
    years = range((first - offset).year, (last - offset).year + 1) if trigger.is_yearly else [0]
    walls = [_anniversaries(day, year) if year else day for year in years]
    found = pl.concat(rows.select("row").with_columns(wall=wall.cast(pl.Datetime("us")) + offset) for wall in walls)
    found = found.filter(pl.col("wall").is_between(first, last))
    at = pl.col("wall").dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
    late = (pl.col("wall") + HOUR).dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
    found = found.with_columns(at=pl.coalesce(at, late).dt.convert_time_zone("UTC"))
    found = found.filter(pl.col("at") > after, pl.col("at") <= until)
    return found.group_by("row").agg(pl.col("at").max())


def _day(dtype: pl.DataType, zone: ZoneInfo) -> pl.Expr:
    """Give the days; a time that is told without a clock, and so is midnight in UTC, is that day everywhere."""
    if dtype == pl.Date:
        return pl.col("date")
    utc = pl.col("date").dt.replace_time_zone(None)
    local = pl.col("date").dt.convert_time_zone(zone.key).dt.date()
    return pl.when(utc == utc.dt.truncate("1d")).then(utc.dt.date()).otherwise(local)


def _anniversaries(days: pl.Series, year: int) -> pl.Series:
    """Give the days of a year on which dates of earlier years return."""
    day = pl.col("day")
    is_leap_day = (day.dt.month() == 2) & (day.dt.day() == 29) & pl.lit(not isleap(year))
    number = pl.when(is_leap_day).then(28).otherwise(day.dt.day())
    returns = pl.when(day.dt.year() < year).then(pl.date(year, day.dt.month(), number))
    return days.to_frame("day").select(day=returns).to_series()
