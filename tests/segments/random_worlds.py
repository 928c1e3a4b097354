"""Random customers at random times: blanks, ties, letters with odd cases, events known late, days of 23 hours."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.segments.slow.rows import Happened, Person, World
from tests.segments.world import person

TICK = timedelta(microseconds=1)
# Pacific/Apia had no 30 December 2011; in Africa/Cairo 24 April 2026 begins at one o'clock.
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]
# Clocks change in New York on 8 March, in Berlin on 29 March and on 25 October.
DAYS = [
    date(2011, 12, 30),
    date(2024, 2, 29),
    date(2025, 12, 31),
    date(2026, 1, 1),
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 24),
    date(2026, 10, 25),
]
TEXTS = ["DE", "de", "Straße", "STRASSE", "ſtraße", "ΟΔΟΣ", "οδός", "ος", "A\u0308rzte", "ärzte", "İ", "i\u0307", "x"]
CONTACTS = ["ann@shop.example", "bob@SHOP.example", "eve@mail.shop.example", "@shop.example", "no address", "x"]
BANDS = ["high", "low", "none"]
AMOUNTS = [0.0, 1.0, 2.0, 2.5, 10.0, -3.0]
EVENTS = ["Order Completed", "Page Viewed"]
UNITS = ("minutes", "hours", "days", "weeks")
PEOPLE = [9, 9, 9, 4, 1]


def _zoned(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


NOWS = [_zoned(day, hour, minute) for day in DAYS for hour, minute in ((0, 30), (1, 30), (12, 0), (22, 45))]


@st.composite
def instants(draw: st.DrawFn, as_of: datetime) -> datetime:
    """Draw times that lie on, just before and just after what windows begin and end at."""
    if draw(st.booleans()):
        unit, number = draw(st.sampled_from(UNITS)), draw(st.sampled_from([0, 1, 2, 3, 5, 30, -1, -3]))
        near = as_of - number * timedelta(**{unit: 1})
    else:
        day = draw(st.sampled_from([*DAYS, as_of.date()]))
        zone = ZoneInfo(draw(st.sampled_from(ZONES)))
        near = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return near + timedelta(hours=draw(st.sampled_from([0, 0, 1, -1, 5]))) + draw(st.sampled_from([0, 1, -1])) * TICK


@st.composite
def happenings(draw: st.DrawFn, times: st.SearchStrategy[datetime], as_of: datetime) -> Happened:
    """Draw an event; some were known only now, some are not known yet."""
    at = draw(times)
    known_at = draw(st.sampled_from([at, at, at, as_of, as_of + TICK]))
    return Happened(draw(st.sampled_from(EVENTS)), at, known_at, draw(st.sampled_from([None, *AMOUNTS])))


@st.composite
def customers(draw: st.DrawFn, number: int, times: st.SearchStrategy[datetime], as_of: datetime) -> Person:
    """Draw a customer, each value from few, so that customers share them."""

    def one_of(values: list[Any]) -> Any:
        return draw(st.sampled_from([None, *values]))

    def time() -> datetime | None:
        return draw(times) if draw(st.integers(0, 3)) else None

    return person(
        number,
        *draw(st.lists(happenings(times, as_of), max_size=5)),
        country=one_of(TEXTS),
        time_zone=one_of(ZONES),
        birth_date=one_of([*DAYS[1:], as_of.date()]),
        attributes__plan=one_of(TEXTS),
        attributes__contact=one_of(CONTACTS),
        attributes__tags=draw(st.none() | st.lists(st.sampled_from(TEXTS), max_size=3)),
        attributes__since=time(),
        attributes__renews=time(),
        features__orders_90d=one_of([0, 1, 2, 3]),
        features__spend_90d=one_of(AMOUNTS),
        scores__lapse=one_of([0.25, 0.5, 1.0]),
        scores__lapse__band=one_of(BANDS),
        consent__email__news=one_of([True, False]),
        campaigns__winback__last_sent=time(),
    )


@st.composite
def worlds(draw: st.DrawFn, leaves: st.SearchStrategy[Any]) -> World:
    """Draw everybody, the time, the zone, and two segments: one of a drawn condition, the other all who are not in.

    All times in a world are drawn from few, so that customers share them too.
    """
    as_of = draw(st.sampled_from(NOWS))
    times = st.sampled_from(draw(st.lists(instants(as_of), min_size=6, max_size=6)))
    people = [draw(customers(number, times, as_of)) for number in range(1, draw(st.sampled_from(PEOPLE)) + 1)]
    segments = {"vip": draw(leaves), "loyal": {"not": {"segment": "vip", "op": "in"}}}
    return World(people, as_of, draw(st.sampled_from(ZONES)), segments)
