"""Random customers at random times: blanks, ties, letters with odd cases, events known late, days of 23 hours."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.segments.slow.rows import Happened, Person, World
from tests.segments.world import seed_of

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
# 30 December 2011 is a day of nobody's birth: in Apia there was none.
BIRTHS = [*DAYS[1:], date(2025, 2, 28), date(2025, 11, 8)]
TEXTS = ["DE", "de", "Straße", "STRASSE", "ſtraße", "ΟΔΟΣ", "οδός", "ος", "A\u0308rzte", "ärzte", "İ", "i\u0307", "x"]
CONTACTS = ["ann@shop.example", "bob@SHOP.example", "eve@mail.shop.example", "@shop.example", "no address", "x"]
BANDS = ["high", "low", "none"]
AMOUNTS = [0.0, 1.0, 2.0, 2.5, 10.0, -3.0]
EVENTS = ["Order Completed", "Page Viewed"]
UNITS = ("minutes", "hours", "days", "days", "weeks")
PEOPLE = [9, 9, 9, 4, 1]
TIMES = 6


def _zoned(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


NOWS = [_zoned(day, hour, minute) for day in DAYS for hour, minute in ((0, 30), (1, 30), (12, 0), (22, 45))]


NEAR = st.tuples(st.sampled_from(UNITS), st.sampled_from([0, 1, 2, 3, 30, -1, -2, -30]))
MIDNIGHTS = st.tuples(st.sampled_from([*DAYS, None]), st.sampled_from(ZONES).map(ZoneInfo))
OFF = st.tuples(st.sampled_from([0, 0, 1, -1, 5]), st.sampled_from([0, 1, -1]))


@st.composite
def instants(draw: st.DrawFn, as_of: datetime) -> datetime:
    """Draw times that lie on, just before and just after what windows begin and end at."""
    if draw(st.booleans()):
        unit, number = draw(NEAR)
        near = as_of - number * timedelta(**{unit: 1})
    else:
        day, zone = draw(MIDNIGHTS)
        day = day or as_of.date()
        near = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    hours, ticks = draw(OFF)
    return near + timedelta(hours=hours) + ticks * TICK


def perhaps(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


# Times are places in a list of few that a world has: so customers share them, and the strategies are made once.
TIME = st.sampled_from(range(TIMES))
A_TIME = st.sampled_from([None, *range(TIMES), *range(TIMES)])
LISTS = st.none() | st.lists(st.sampled_from(TEXTS[:4]), max_size=3)
HAPPENED = st.tuples(st.sampled_from(EVENTS), TIME, st.integers(0, 4), perhaps(AMOUNTS))
VALUES = st.fixed_dictionaries(
    {
        "country": perhaps(TEXTS),
        "time_zone": perhaps(ZONES),
        "birth_date": perhaps(BIRTHS),
        "attributes.plan": perhaps(TEXTS),
        "attributes.contact": perhaps(CONTACTS),
        "attributes.tags": LISTS,
        "attributes.wishes": LISTS,
        "features.orders_90d": perhaps([0, 1, 2, 3]),
        "features.spend_90d": perhaps(AMOUNTS),
        "scores.lapse": perhaps([0.25, 0.5, 1.0]),
        "scores.lapse.band": perhaps(BANDS),
        "consent.email.news": perhaps([True, False]),
    }
)
TIMED = st.fixed_dictionaries(
    dict.fromkeys(["attributes.since", "attributes.renews", "campaigns.winback.last_sent"], A_TIME)
)
CUSTOMERS = st.tuples(VALUES, TIMED, st.lists(HAPPENED, max_size=5))


def _happened(drawn: tuple[str, int, int, float | None], times: list[datetime], as_of: datetime) -> Happened:
    """Give an event; some became known only at as_of, some are not known yet."""
    name, place, late, value = drawn
    return Happened(name, times[place], {3: as_of, 4: as_of + TICK}.get(late, times[place]), value)


@st.composite
def worlds(draw: st.DrawFn, leaves: st.SearchStrategy[Any]) -> World:
    """Draw everybody, the time, the zone, and two segments: one of a drawn condition, the other all who are not in."""
    as_of = draw(st.sampled_from(NOWS))
    times = [draw(instants(as_of)) for _ in range(TIMES)]
    people = []
    for number, (values, timed, happened) in enumerate(draw(EVERYBODY), 1):
        found = {name: None if place is None else times[place] for name, place in timed.items()}
        events = [_happened(one, times, as_of) for one in happened]
        people.append(Person(number, seed_of(number), {**values, **found}, events))
    segments = {"vip": draw(leaves), "loyal": {"not": {"segment": "vip", "op": "in"}}}
    return World(people, as_of, draw(st.sampled_from(ZONES)), segments)


EVERYBODY = st.one_of(*(st.tuples(*[CUSTOMERS] * number) for number in PEOPLE))
