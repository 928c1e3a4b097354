"""The hour of a date: on her own clock, each year or once, days before or after."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from campaigns.dates import moments
from campaigns.trigger_kinds import DateTrigger

BIRTHDAY = DateTrigger("birth_date", 0, 9, True)
HOME = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def found(
    trigger: DateTrigger, values: list[Any], until: str, zones: list[str | None] | None = None
) -> list[datetime | None]:
    """Give the moments of the 24 hours up to a time."""
    people = pl.DataFrame({trigger.field: values, "time_zone": zones or [None] * len(values)})
    people = people.with_columns(pl.col("time_zone").cast(pl.String))
    return moments(people, trigger, at(until) - DAY, at(until), HOME).to_list()


def test_the_hour_is_that_of_her_own_clock() -> None:
    zones = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", None, "Nowhere/Atall"]
    born = [date(1990, 7, 14)] * 5
    berlin, new_york, tokyo = at("2026-07-14T07:00"), at("2026-07-14T13:00"), at("2026-07-14T00:00")
    assert found(BIRTHDAY, born, "2026-07-14T13:00", zones) == [berlin, new_york, tokyo, berlin, berlin]
    assert found(BIRTHDAY, born, "2026-07-14T12:59", zones) == [berlin, None, tokyo, berlin, berlin]


def test_a_moment_is_found_for_as_long_as_is_looked_back_and_no_longer() -> None:
    born = [date(1990, 7, 14)]
    assert found(BIRTHDAY, born, "2026-07-14T06:59") == [None]
    assert found(BIRTHDAY, born, "2026-07-15T06:59") == [at("2026-07-14T07:00")]
    assert found(BIRTHDAY, born, "2026-07-15T07:00") == [None]


def test_days_before_and_after_reach_over_the_year_s_end() -> None:
    before, after = DateTrigger("birth_date", -7, 9, True), DateTrigger("birth_date", 7, 9, True)
    assert found(before, [date(1990, 1, 3)], "2025-12-27T12:00") == [at("2025-12-27T08:00")]
    assert found(after, [date(1990, 12, 28)], "2026-01-04T12:00") == [at("2026-01-04T08:00")]


@pytest.mark.parametrize(("year", "day"), [(2026, "02-28"), (2028, "02-29")])
def test_the_29th_of_february_is_the_28th_in_common_years(year: int, day: str) -> None:
    assert found(BIRTHDAY, [date(1992, 2, 29)], f"{year}-{day}T12:00") == [at(f"{year}-{day}T08:00")]
    assert found(BIRTHDAY, [date(1992, 2, 29)], f"{year}-03-01T12:00") == [None]


def test_years_count_from_the_first_one_after_the_date() -> None:
    joined = [date(2026, 7, 14), date(2027, 7, 14), date(2025, 7, 14), None]
    assert found(BIRTHDAY, joined, "2026-07-14T12:00") == [None, None, at("2026-07-14T07:00"), None]


def test_a_date_that_does_not_return_comes_once() -> None:
    renewal = DateTrigger("attributes.renewal", -7, 0, False)
    days = [at("2026-07-14T00:00"), at("2025-07-14T00:00")]
    assert found(renewal, days, "2026-07-07T12:00") == [at("2026-07-06T22:00"), None]


def test_a_day_without_a_clock_is_that_day_everywhere_and_a_time_is_on_her_wall() -> None:
    trigger = DateTrigger("attributes.renewal", 0, 9, False)
    values = [at("2026-07-14T00:00"), at("2026-07-14T01:00"), at("2026-07-14T01:00")]
    zones: list[str | None] = ["America/New_York", "America/New_York", "Asia/Tokyo"]
    assert found(trigger, values, "2026-07-14T13:00", zones) == [
        at("2026-07-14T13:00"),
        None,
        at("2026-07-14T00:00"),
    ]
    assert found(trigger, values, "2026-07-13T13:00", zones)[1] == at("2026-07-13T13:00")


def test_an_hour_that_the_clock_skips_is_the_next_and_of_two_the_first() -> None:
    """In Berlin 29 March 2026 has no 2 o'clock, 25 October has two."""
    trigger = DateTrigger("birth_date", 0, 2, True)
    assert found(trigger, [date(1990, 3, 29)], "2026-03-29T12:00") == [at("2026-03-29T01:00")]
    assert found(trigger, [date(1990, 10, 25)], "2026-10-25T12:00") == [at("2026-10-25T00:00")]


def test_nobody_has_a_moment_of_a_date_that_nobody_told() -> None:
    assert found(BIRTHDAY, [None, None], "2026-07-14T12:00") == [None, None]
    assert moments(pl.DataFrame({"a": [1]}), BIRTHDAY, at("2026-01-01"), at("2026-01-02"), HOME).to_list() == [None]
