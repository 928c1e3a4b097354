"""A customer is called by day where she is, or wherever she may be, and as the laws there allow."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from campaigns.calls import called, hours, moments
from campaigns.calls.called import Told
from campaigns.calls.hours import Own, Place
from campaigns.calls.moments import NoTime

OWN = Own()


def place(time_zone: str | None = None, phone: str | None = None, country: str | None = None, state: str = "") -> Place:
    return called.place_of(Told(time_zone, phone, country, state), lambda: ["Europe/Berlin", "Asia/Tokyo"])


def utc(told: str) -> datetime:
    return datetime.fromisoformat(told).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("where", "at", "may"),
    [
        (place("Asia/Kathmandu"), "2026-03-03 02:14", False),  # 07:59, five hours and three quarters ahead
        (place("Asia/Kathmandu"), "2026-03-03 02:15", True),
        (place("Australia/Lord_Howe"), "2026-04-02 21:59", False),  # 08:59, eleven ahead; in Australia from nine
        (place("Australia/Lord_Howe"), "2026-04-02 22:00", True),
        (place("Australia/Lord_Howe"), "2026-04-05 22:29", False),  # 08:59, half an hour less since the 5th
        (place("Australia/Lord_Howe"), "2026-04-05 22:30", True),
        (place("Pacific/Chatham"), "2026-04-03 07:14", True),  # 20:59, thirteen and three quarters ahead
        (place("Pacific/Chatham"), "2026-04-06 08:14", True),  # 20:59, one hour less since the 5th
        (place("America/St_Johns"), "2026-03-08 10:29", False),  # 07:59 on the day clocks are put on
        (place("America/St_Johns"), "2026-03-08 10:30", True),
        (place("Europe/Berlin"), "2026-03-28 06:59", False),  # the day before clocks are put on
        (place("Europe/Berlin"), "2026-03-29 06:00", True),  # 08:00 in summer time
        (place("Europe/Berlin"), "2026-10-25 06:59", False),  # 07:59 on the day clocks are put back
        (place("Europe/Berlin"), "2026-10-25 19:59", True),
        (place("America/New_York", country="US", state="NY"), "2026-11-01 12:59", False),  # 07:59, just put back
        (place("America/New_York", country="US", state="NY"), "2026-11-02 01:59", True),  # 20:59
        (place(country="US"), "2026-07-06 17:59", False),  # 07:59 where the Aleutians and Hawaii are
        (place(country="US"), "2026-07-06 18:00", True),
        (place(country="US"), "2026-07-06 23:59", True),  # 19:59 in Florida
        (place(country="US"), "2026-07-07 00:00", False),
        (place(phone="+79161234567"), "2026-07-06 05:59", False),  # 07:59 in Kaliningrad
        (place(phone="+79161234567"), "2026-07-06 08:59", True),  # 20:59 in Kamchatka
        (place(phone="+79161234567"), "2026-07-06 09:00", False),
        (place(), "2026-07-06 11:59", True),  # 20:59 in Tokyo, 13:59 in Berlin
        (place(), "2026-07-06 12:00", False),
    ],
)
def test_the_hours_are_those_of_the_called_party(where: Place, at: str, may: bool) -> None:
    assert hours.is_allowed(utc(at), where, OWN) is may


@pytest.mark.parametrize(
    ("state", "zone", "at", "may"),
    [
        ("FL", "America/New_York", "2026-03-03 20:00", False),
        ("NY", "America/New_York", "2026-03-03 20:00", True),
        ("", "America/New_York", "2026-03-03 20:00", False),  # she may be in Florida
        ("", "America/Phoenix", "2026-03-03 20:00", True),
        ("OK", "America/Chicago", "2026-03-03 20:00", False),
        ("WA", "America/Los_Angeles", "2026-03-03 20:00", False),
        ("WY", "America/Denver", "2026-03-03 19:59", True),
        ("TX", "America/Chicago", "2026-03-01 11:59", False),  # a Sunday
        ("TX", "America/Chicago", "2026-03-01 12:00", True),
        ("KY", "America/New_York", "2026-03-03 09:59", False),
        ("AL", "America/Chicago", "2026-03-01 15:00", False),  # never on Sundays
    ],
)
def test_stricter_states_hold(state: str, zone: str, at: str, may: bool) -> None:
    local = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone))
    assert hours.is_allowed(local, place(zone, country="US", state=state), OWN) is may


@pytest.mark.parametrize(
    ("country", "zone", "at", "may"),
    [
        ("FR", "Europe/Paris", "2026-03-03 13:30", False),
        ("FR", "Europe/Paris", "2026-03-03 14:00", True),
        ("France", "Europe/Paris", "2026-03-07 11:00", False),  # a Saturday
        ("FR", "Europe/Paris", "2026-04-06 11:00", False),  # Easter Monday
        ("ES", "Europe/Madrid", "2026-03-03 08:59", False),
        ("ES", "Europe/Madrid", "2026-12-08 11:00", False),
        ("IT", "Europe/Rome", "2026-03-07 18:59", True),
        ("IT", "Europe/Rome", "2026-03-08 12:00", False),
        ("AU", "Australia/Sydney", "2026-03-07 17:00", False),
    ],
)
def test_stricter_countries_hold(country: str, zone: str, at: str, may: bool) -> None:
    local = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone))
    assert hours.is_allowed(local, place(zone, country=country), OWN) is may


def test_every_stricter_place_names_its_source() -> None:
    assert len(hours.laws()) >= 14
    assert all(len(law.source) > 8 for law in hours.laws())


def test_narrower_hours_of_the_programme_hold_too() -> None:
    narrow, berlin = Own(time(9), time(17)), place("Europe/Berlin")
    assert not hours.is_allowed(utc("2026-03-03 07:59"), berlin, narrow)
    assert hours.next_allowed(utc("2026-03-03 16:00"), berlin, narrow) == utc("2026-03-04 08:00")
    assert hours.next_allowed(utc("2026-03-03 12:00"), berlin, narrow) == utc("2026-03-03 12:00")


def test_the_next_hour_skips_days_that_are_free() -> None:
    paris = place("Europe/Paris", country="FR")
    assert hours.next_allowed(utc("2026-04-03 18:30"), paris, OWN) == utc("2026-04-07 08:00")  # over Easter
    assert hours.next_allowed(utc("2026-03-28 20:00"), place("Europe/Berlin"), OWN) == utc("2026-03-29 06:00")


def test_where_no_hour_is_allowed_everywhere_there_is_none() -> None:
    both = Place(("Pacific/Auckland", "Europe/London"))
    assert hours.next_allowed(utc("2026-07-01 00:00"), both, Own(time(9), time(17))) is None
    assert hours.next_allowed(utc("2026-07-01 00:00"), Place(()), OWN) is None


def test_a_number_tells_the_country_where_nothing_else_does() -> None:
    assert place(phone="+14165550100").countries == ("CA",)
    assert place(phone="+493012345").zones == ("Europe/Berlin", "Europe/Busingen")
    assert place("US/Eastern").zones == ("America/New_York",)
    assert place("US/Eastern").countries == ("US",)
    assert place("Nowhere/Else", phone="no number", country="Atlantis").zones == ("Asia/Tokyo", "Europe/Berlin")


@pytest.mark.parametrize(
    ("year", "day"), [(2024, date(2024, 3, 31)), (2025, date(2025, 4, 20)), (2038, date(2038, 4, 25))]
)
def test_easter_is_found(year: int, day: date) -> None:
    assert hours.easter(year) == day


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ("tomorrow 15:00", "2026-03-04 14:00"),
        ("today at 6pm", "2026-03-03 17:00"),
        ("9:30", "2026-03-04 08:30"),  # it is past nine today
        ("15.30", "2026-03-03 14:30"),
        ("Tue 10:00", "2026-03-10 09:00"),
        ("on friday at 8", "2026-03-06 07:00"),
        ("in 2 hours", "2026-03-03 12:30"),
        ("in a week", "2026-03-10 10:30"),
        ("2026-03-30 09:00", "2026-03-30 07:00"),  # in summer time by then
        ("2026-03-30T09:00:00+00:00", "2026-03-30 09:00"),
    ],
)
def test_an_agents_words_for_a_time_are_read_by_the_customers_clock(words: str, then: str) -> None:
    assert moments.read(words, utc("2026-03-03 10:30"), ZoneInfo("Europe/Berlin")) == utc(then)


@pytest.mark.parametrize("words", ["soon", "tomorrow", "25:00", "13pm", "in years", "2026-02-30 10:00", "friday 9:75"])
def test_words_that_name_no_time_are_refused(words: str) -> None:
    with pytest.raises(NoTime, match="names no time"):
        moments.read(words, utc("2026-03-03 10:30"), ZoneInfo("Europe/Berlin"))
