"""Random customers at random times: blanks, ties, letters with odd cases, events known late, days of 23 hours."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.segments.slow.rows import Happened, Line, Moved, Person, Told, World
from tests.segments.world import PROPERTIES_OF_ORDERS, seed_of

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
TEXTS = [
    "DE",
    "de",
    "Straße",
    "STRASSE",
    "ſtraße",
    "ΟΔΟΣ",
    "οδός",
    "ος",
    "A\u0308rzte",
    "ärzte",
    "İ",
    "i\u0307",
    "ı",
    "x",
]
CONTACTS = ["ann@shop.example", "bob@SHOP.example", "eve@mail.shop.example", "@shop.example", "no address", "x"]
BANDS = ["high", "low", "none"]
AMOUNTS = [0.0, 1.0, 2.0, 2.5, 10.0, -3.0]
EVENTS = ["Order Completed", "Page Viewed"]
COUPONS = ["SPRING", "spring", "straße", "autumn"]
PRODUCTS = ["p1", "P1", "p2"]
CATEGORIES = ["books", "Books", "toys"]
# What is told fits its type, does not, is no value, or stands elsewhere.
TOLD: list[dict[str, Any]] = [
    {},
    {"total": 5, "coupon": "SPRING", "is_gift": True, "ship_on": "2026-03-29T01:00:00Z", "tags": ["de", "x"]},
    {"total": 10.5, "coupon": "spring", "is_gift": False, "ship_on": "2026-01-01T00:00:00+01:00", "tags": []},
    {"total": "5", "coupon": 5, "is_gift": "true", "ship_on": "soon", "tags": "de"},
    {"total": True, "coupon": None, "is_gift": 1, "ship_on": 20260101, "tags": None},
    {"coupon": "STRASSE", "note": 'a "coupon": "spring"', "ship_on": "2025-12-31T23:30:00Z", "tags": ["Straße"]},
    {"box": {"coupon": "SPRING", "total": 5}, "total": -3.0, "is_gift": True},
    {"coupon": "autumn", "box": {"coupon": "SPRING"}, "total": 10.5, "tags": ["STRASSE", "DE"]},
]
BOUGHT: list[list[Line]] = [
    [],
    [Line("p1", "books", 1, 5)],
    [Line("P1", "Books", 2, 10.5), Line("p2", "toys", 1, 5)],
    [Line("p2", None, None, 5), Line("p1", "books", 3, 5)],
    [Line(None, "toys", 2, None), Line("p2", "toys", 1, 10.5)],
]
PEOPLE = [9, 9, 9, 9, 9, 9, 9, 4, 1]
TIMES = 8


def _zoned(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


NOWS = [
    _zoned(day, hour, minute)
    for day in [*DAYS, date(2025, 2, 28), date(2026, 3, 1)]
    for hour, minute in ((0, 30), (1, 30), (12, 0), (22, 45))
]


# What windows of 1, 2, 3 and 30 minutes, hours, days, weeks, months and years begin and end at, and times between.
AGO = [
    *(timedelta(minutes=minutes) for minutes in (0, 0, 1, 30, -1)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 30, -2)),
    *(timedelta(days=days) for days in (1, 1, 2, 2, 3, 7, 10, 14, 21, 28, 30, 31, 45, 59, 90, 100, 210, 365, 366, 731)),
    *(timedelta(days=-days) for days in (1, 3, 7, 30, 31, 365)),
]
NEAR = st.sampled_from(AGO)
MIDNIGHTS = st.tuples(st.sampled_from([*DAYS, None]), st.sampled_from(ZONES).map(ZoneInfo))
OFF = st.tuples(st.sampled_from([0, 0, 0, 1, -1, 5]), st.sampled_from([0, 1, -1]))


@st.composite
def instants(draw: st.DrawFn, as_of: datetime) -> datetime:
    """Draw times that lie on, just before and just after what windows begin and end at."""
    if draw(st.integers(0, 3)):
        near = as_of - draw(NEAR)
    else:
        day, zone = draw(MIDNIGHTS)
        day = day or as_of.date()
        near = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    hours, ticks = draw(OFF)
    return near + timedelta(hours=hours) + ticks * TICK


def perhaps(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([*[None] * (1 + len(values) // 6), *values])


# Times are places in a list of few that a world has: so customers share them, and the strategies are made once.
TIME = st.sampled_from(range(TIMES))
A_TIME = st.sampled_from([None, *range(TIMES), *range(TIMES)])
LISTS = st.none() | st.lists(st.sampled_from(TEXTS[:4]), max_size=3)
# One draw for what happened: which event, its value, its properties and its lines.
ROWS = [
    (EVENTS[number % 3 == 2], [None, *AMOUNTS][number % 7], TOLD[number % 8], BOUGHT[number % 5])
    for number in range(60)
]
HAPPENED = st.lists(st.tuples(st.sampled_from(ROWS), TIME, st.integers(0, 7)), max_size=8)
WAS: list[tuple[str, Any]] = [
    *(("attributes.plan", text) for text in [*TEXTS[:4], None]),
    *(("country", text) for text in TEXTS[:3]),
    *(("attributes.tags", texts) for texts in (["DE"], ["de", "de"], ["Straße", "x"])),
    *(("scores.lapse.band", band) for band in BANDS),
    *(("attributes.since", _zoned(day, 12, 0)) for day in DAYS),
]
TOLDS = st.lists(st.tuples(st.sampled_from(WAS), TIME), max_size=6)
BY_HAND = st.tuples(*[st.lists(st.integers(1, 9), max_size=2)] * 2)
MOVES = st.lists(TIME, max_size=3)
VALUES = st.fixed_dictionaries(
    {
        "country": perhaps([*TEXTS[:4], *TEXTS]),
        "time_zone": perhaps(ZONES),
        "birth_date": perhaps(BIRTHS),
        "attributes.plan": perhaps([*TEXTS[:4], *TEXTS]),
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
CUSTOMERS = st.tuples(VALUES, TIMED, HAPPENED, TOLDS, MOVES)


def _happened(drawn: Any, times: list[datetime], as_of: datetime) -> Happened:
    """Give an event; some became known only at as_of, some are not known yet."""
    (name, *told), place, late = drawn
    return Happened(name, times[place], {6: as_of, 7: as_of + TICK}.get(late, times[place]), *told)


def _moves(places: list[int], times: list[datetime]) -> list[Moved]:
    """Give when a customer entered and left, by turns."""
    moments = sorted({times[place] for place in places})
    return [
        Moved(segment, kind, at)
        for segment, kinds in {"vip": ("entered", "left"), "loyal": ("left", "entered")}.items()
        for at, kind in zip(moments, kinds * len(moments), strict=False)
    ]


@st.composite
def worlds(draw: st.DrawFn, leaves: st.SearchStrategy[Any]) -> World:
    """Draw everybody, the time, the zone, and segments: one of a drawn condition, one of all others, and a list."""
    as_of = draw(st.sampled_from(NOWS))
    times = [draw(instants(as_of)) for _ in range(TIMES)]
    people = []
    for number, (values, timed, happened, was, places) in enumerate(draw(EVERYBODY), 1):
        found = {name: None if place is None else times[place] for name, place in timed.items()}
        events = [_happened(one, times, as_of) for one in happened]
        told = [Told(field, value, times[place]) for (field, value), place in was]
        people.append(Person(number, seed_of(number), {**values, **found}, events, told, _moves(places, times)))
    segments = {"vip": draw(leaves), "loyal": {"not": {"segment": "vip", "op": "in"}}, "hand": {"listed": True}}
    by_hand = [dict(zip(("vip", "hand"), draw(BY_HAND), strict=True)) for _ in range(3)]
    return World(people, as_of, draw(st.sampled_from(ZONES)), segments, PROPERTIES_OF_ORDERS, *by_hand)


EVERYBODY = st.one_of(*(st.tuples(*[CUSTOMERS] * number) for number in PEOPLE))
