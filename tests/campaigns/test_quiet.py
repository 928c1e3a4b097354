"""No message begins in a customer's quiet hours: by the clock on her wall, wherever she may be."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns import quiet
from campaigns.models import Programme
from campaigns.quiet import Hours, first_allowed, zones_of

NIGHT = Hours(time(21), time(8))
NOON = Hours(time(12), time(14))
EARLY = Hours(time(22), time(2, 30))
WINTER = datetime(2026, 1, 14, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("case", "zones", "hours", "moment", "expected"),
    [
        ("in the day it is allowed", ["Europe/Berlin"], NIGHT, "2026-01-14 12:00", "2026-01-14 12:00"),
        ("from the first second it is quiet", ["Europe/Berlin"], NIGHT, "2026-01-14 20:00", "2026-01-15 07:00"),
        ("the second before is not quiet", ["Europe/Berlin"], NIGHT, "2026-01-14 19:59:59", "2026-01-14 19:59:59"),
        ("before midnight it waits for tomorrow", ["Europe/Berlin"], NIGHT, "2026-01-14 22:30", "2026-01-15 07:00"),
        ("after midnight it waits for this morning", ["Europe/Berlin"], NIGHT, "2026-01-15 02:00", "2026-01-15 07:00"),
        ("at the end it is allowed", ["Europe/Berlin"], NIGHT, "2026-01-15 07:00", "2026-01-15 07:00"),
        ("in summer the same hour is earlier", ["Europe/Berlin"], NIGHT, "2026-07-15 02:00", "2026-07-15 06:00"),
        ("hours within a day", ["Europe/Berlin"], NOON, "2026-01-14 11:30", "2026-01-14 13:00"),
        ("a night with one hour less", ["Europe/Berlin"], NIGHT, "2026-03-28 23:00", "2026-03-29 06:00"),
        ("a night with one hour more", ["Europe/Berlin"], NIGHT, "2026-10-24 23:00", "2026-10-25 07:00"),
        ("an end that the clock leaves out", ["Europe/Berlin"], EARLY, "2026-03-29 00:30", "2026-03-29 01:00"),
        ("an end that the clock shows twice", ["Europe/Berlin"], EARLY, "2026-10-25 00:10", "2026-10-25 00:30"),
        ("and is quiet again the second time", ["Europe/Berlin"], EARLY, "2026-10-25 01:10", "2026-10-25 01:30"),
        ("three quarters of an hour", ["Asia/Kathmandu"], NIGHT, "2026-01-14 20:00", "2026-01-15 02:15"),
        ("half an hour of summer time", ["Australia/Lord_Howe"], NIGHT, "2026-01-14 12:00", "2026-01-14 21:00"),
        ("half an hour in winter too", ["Australia/Lord_Howe"], NIGHT, "2026-07-14 12:00", "2026-07-14 21:30"),
        ("ahead of all", ["Pacific/Kiritimati"], NIGHT, "2026-01-14 10:00", "2026-01-14 18:00"),
        ("behind all", ["Pacific/Pago_Pago"], NIGHT, "2026-01-14 10:00", "2026-01-14 19:00"),
        ("a whole day left out", ["Pacific/Apia"], NIGHT, "2011-12-30 08:00", "2011-12-30 18:00"),
        (
            "of two zones the strictest",
            ["America/New_York", "America/Los_Angeles"],
            NIGHT,
            "2026-01-14 14:00",
            "2026-01-14 16:00",
        ),
        (
            "of two zones the first to sleep",
            ["America/New_York", "America/Los_Angeles"],
            NIGHT,
            "2026-01-15 02:00",
            "2026-01-15 16:00",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value and not value[0].isdigit() else "",
)
def test_a_message_begins_at_the_first_moment_that_is_not_quiet(
    case: str, zones: list[str], hours: Hours, moment: str, expected: str
) -> None:
    assert first_allowed(at(moment), zones, hours) == at(expected), case


def test_zones_without_an_hour_in_common_have_none() -> None:
    assert first_allowed(WINTER, ["Europe/London", "America/Los_Angeles", "Asia/Tokyo"], NIGHT) is None


HOURS = st.builds(Hours, *(st.times().map(lambda one: one.replace(second=0, microsecond=0)) for _ in range(2)))


@settings(max_examples=150, deadline=None)
@given(
    moment=st.integers(946_684_800, 2_114_380_800).map(lambda second: datetime.fromtimestamp(second, UTC)),
    zone=st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
    hours=HOURS,
)
@example(moment=datetime(2026, 3, 29, 0, 30, tzinfo=UTC), zone="Europe/Berlin", hours=EARLY)
def test_the_answer_is_not_quiet_and_every_minute_before_it_is(moment: datetime, zone: str, hours: Hours) -> None:
    found = first_allowed(moment, [zone], hours)
    assert found is not None
    assert found >= moment
    if hours.begin != hours.end:
        wall = found.astimezone(ZoneInfo(zone)).time()
        assert not slowly_quiet(wall, hours)
    waits = int((found - moment) / timedelta(minutes=1))
    for minutes in range(0, waits, 7):
        assert slowly_quiet((moment + timedelta(minutes=minutes)).astimezone(ZoneInfo(zone)).time(), hours)


def slowly_quiet(wall: time, hours: Hours) -> bool:
    """Walk over the dial from the begin to the end."""
    seconds = [(one.hour * 60 + one.minute) * 60 + one.second for one in (hours.begin, hours.end, wall)]
    length = (seconds[1] - seconds[0]) % 86_400
    return (seconds[2] - seconds[0]) % 86_400 < length


@pytest.mark.parametrize(
    ("time_zone", "country", "expected"),
    [
        ("Asia/Tokyo", "DE", ("Asia/Tokyo",)),
        (None, "DE", ("Europe/Berlin", "Europe/Busingen")),
        (None, " japan ", ("Asia/Tokyo",)),
        ("Mars/Phobos", "jp", ("Asia/Tokyo",)),
        ("../../etc/passwd", None, ("Asia/Tokyo", "Europe/Berlin")),
        (None, "Nowhere", ("Asia/Tokyo", "Europe/Berlin")),
        ("", "", ("Asia/Tokyo", "Europe/Berlin")),
    ],
)
def test_a_customer_is_in_her_zone_or_her_country_or_anywhere(
    time_zone: str | None, country: str | None, expected: tuple[str, ...]
) -> None:
    assert zones_of(time_zone, country, {"Europe/Berlin", "Asia/Tokyo", "Mars/Phobos"}) == expected


def test_of_a_country_with_many_zones_all_must_be_awake() -> None:
    allowed = first_allowed(at("2026-01-14 12:00"), zones_of(None, "US", ()), NIGHT)
    assert allowed == at("2026-01-14 18:00")  # eight in Honolulu


@pytest.mark.parametrize("until", [None, time(21)])
def test_without_an_end_or_with_the_same_one_nothing_is_quiet(until: time | None) -> None:
    assert quiet.hours_of(Programme(quiet_from=time(21), quiet_until=until)) is None


@pytest.mark.door
@pytest.mark.django_db
def test_all_customers_are_answered_at_once_each_for_her_own_time() -> None:
    programme = Programme(quiet_from=time(21), quiet_until=time(8))
    people = pl.DataFrame(
        {"time_zone": ["Europe/Berlin", None, "Europe/Berlin", None], "country": [None, "JP", None, "JP"]}
    )
    evening, noon = at("2026-01-14 21:00"), at("2026-01-14 03:00")
    moments = pl.Series([evening, evening, noon, noon]).cast(pl.Datetime("us", "UTC"))
    expected = [at("2026-01-15 07:00"), at("2026-01-14 23:00"), at("2026-01-14 07:00"), noon]
    assert quiet.next_allowed(people, moments, programme).to_list() == expected
    assert quiet.next_allowed(people, evening, programme).to_list()[:2] == expected[:2]
    assert quiet.next_allowed(people, evening, Programme()).to_list() == [evening] * 4
