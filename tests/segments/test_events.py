"""What conditions on events mean: each measure with who matches, who does not, and where the line between them is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.segments.slow.rows import Happened, Line, Moved, Person, World
from tests.segments.world import AS_OF, event, matching, person

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
ORDERS: dict[str, Any] = {"event": "Order Completed"}
PAGES: dict[str, Any] = {"event": "Page Viewed"}
ANY: dict[str, Any] = {**ORDERS, "count": {">=": 1}}


def who(node: Any, *people: Person, as_of: datetime = AS_OF, zone: str = "UTC") -> list[int]:
    return matching(node, World(list(people), as_of, zone))


def ago(days: float, name: str = "Order Completed", value: float | None = None, **properties: Any) -> Happened:
    at = AS_OF - timedelta(days=days)
    return Happened(name, at, at, value, properties)


def bought(*lines: Line, days: float = 1) -> Happened:
    at = AS_OF - timedelta(days=days)
    return Happened("Order Completed", at, at, None, {}, list(lines))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def where(field: str, op: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **more}


def last(number: int, unit: str = "days") -> dict[str, Any]:
    return {"last": number, "unit": unit}


# --- What each event must meet. ---------------------------------------------------------------------------------------
def test_all_conditions_are_about_the_same_event() -> None:
    both = {**ANY, "where": [where("properties.total", ">=", 100), where("properties.coupon", "is", "spring")]}
    one = person(1, ago(1, total=100, coupon="SPRING"))
    two = person(2, ago(1, total=100), ago(2, total=99.9, coupon="SPRING"))
    assert who(both, one, two, person(3)) == [1]


@pytest.mark.parametrize(
    ("condition", "matching_properties", "others"),
    [
        (where("properties.total", ">", 5), {"total": 5.5}, [{"total": 5}, {"total": "9"}, {"total": None}, {}]),
        (where("properties.coupon", "is_not", "A"), {"coupon": "B"}, [{"coupon": "a"}, {"coupon": 7}, {}]),
        (where("properties.coupon", "is", "A", exact=True), {"coupon": "A"}, [{"coupon": "a"}]),
        (where("properties.is_gift", "is_false"), {"is_gift": False}, [{"is_gift": True}, {"is_gift": "false"}, {}]),
        (where("properties.ship_on", "after", "2026-05-01"), {"ship_on": "2026-05-02"}, [{"ship_on": "2026-05-01"}]),
        (where("properties.tags", "any_of", ["new"]), {"tags": ["New", "x"]}, [{"tags": ["x"]}, {"tags": []}, {}]),
        (where("properties.total", "no_value"), {"coupon": "A"}, [{"total": 0}]),
        (where("properties.total", "<", 5, missing="include"), {}, [{"total": 5}]),
    ],
)
def test_a_property_is_asked_like_a_field(condition: Any, matching_properties: Any, others: Any) -> None:
    people = [person(n, ago(1, **told)) for n, told in enumerate([matching_properties, *others])]
    assert who({**ANY, "where": [condition]}, *people) == [0]


def test_the_value_and_the_clock_of_an_event_can_be_asked() -> None:
    evening, noon = at("2026-05-18 18:00"), at("2026-05-18 12:00")  # a Monday
    people = [person(1, event(evening, value=20.0)), person(2, event(noon, value=30.0)), person(3, event(evening))]
    assert who({**ANY, "where": [where("value", ">=", 20)]}, *people) == [1, 2]
    assert who({**ANY, "where": [where("hour", ">=", 18), where("weekday", "=", 1)]}, *people) == [1, 3]
    assert who({**ANY, "where": [where("hour", ">=", 18)], "zone": "Asia/Tokyo"}, *people) == [2]
    assert who({**ANY, "where": [where("hour", "=", 3, zone="Asia/Tokyo")]}, *people) == [1, 3]
    assert who({**ANY, "where": [where("weekday", "=", 2)], "zone": "Asia/Tokyo"}, *people) == [1, 3]


def test_the_hour_is_that_of_the_customers_own_zone_where_that_is_asked() -> None:
    noon = at("2026-05-18 12:00")
    zones = {1: "Asia/Tokyo", 2: "Europe/Berlin", 3: None, 4: "Nowhere/Land"}
    people = [person(n, event(noon), time_zone=zone) for n, zone in zones.items()]
    for node in (
        {"zone": "customer", "where": [where("hour", "=", 21)]},
        {"where": [where("hour", "=", 21, zone="customer")]},
    ):
        assert who({**ANY, **node}, *people) == [1]
    assert who({**ANY, "zone": "customer", "where": [where("hour", "=", 12)]}, *people) == [3, 4]


def test_a_window_ends_with_each_customers_own_midnight_where_that_is_asked() -> None:
    people = [person(n, event(at("2026-05-19 23:30")), time_zone=z) for n, z in ((1, "Europe/Berlin"), (2, "UTC"))]
    assert who({**ANY, "within": {"this": "day"}, "zone": "customer"}, *people) == [1]


def test_a_day_of_23_or_25_hours_is_one_day() -> None:
    # Berlin: 29 March 2026 begins at 23:00 UTC and ends at 22:00, 25 October at 22:00 and 23:00.
    for as_of, inside, outside in (
        (at("2026-03-29 21:59"), at("2026-03-28 23:00"), at("2026-03-28 22:59")),
        (at("2026-10-25 22:59"), at("2026-10-24 22:00"), at("2026-10-24 21:59")),
    ):
        people = person(1, event(inside)), person(2, event(outside))
        for window in ({"this": "day"}, last(1, "calendar_days")):
            assert who({**ANY, "within": window}, *people, as_of=as_of, zone="Europe/Berlin") == [1]


@pytest.mark.parametrize(
    "node",
    [
        {**ANY, "where": [where("properties.total", ">", 0)]},
        {**ORDERS, "distinct": "total", "compare": {">=": 1}},
        {**ORDERS, "last": "total", "compare": {">": 0}},
        {**ORDERS, "first_ever": True},
        {**ORDERS, "regularly": {"at_least": 1, "of": 1, "period": "year"}},
        {"sequence": [PAGES, ORDERS]},
    ],
)
def test_what_is_known_late_or_happens_later_does_not_count_yet(node: Any) -> None:
    def one(number: int, at: datetime, known: datetime) -> Person:
        page = event(AS_OF - 2 * DAY, "Page Viewed")
        return person(number, page, Happened("Order Completed", at, known, 1.0, {"total": 1}))

    late, early = one(1, AS_OF - DAY, AS_OF + TICK), one(2, AS_OF - DAY, AS_OF)
    assert who(node, late, early, one(3, AS_OF + TICK, AS_OF + TICK), one(4, AS_OF, AS_OF)) == [2, 4]


# --- Measures. --------------------------------------------------------------------------------------------------------
def test_sums_and_averages_are_over_any_number() -> None:
    people = person(1, ago(1, total=60), ago(2, total=40.5)), person(2, ago(1, total=100)), person(3, ago(1))
    assert who({**ORDERS, "sum": "total", "compare": {">": 100}}, *people) == [1]
    assert who({**ORDERS, "sum": "properties.total", "compare": {"<=": 0}}, *people, person(4)) == [3, 4]
    assert who({**ORDERS, "avg": "total", "compare": {"between": [50, 51]}}, *people, person(4)) == [1]
    assert who({**ORDERS, "sum": "total", "compare": {"=": 0.3}}, person(1, ago(1, total=0.1), ago(2, total=0.2))) == [
        1
    ]


def test_the_lowest_and_the_highest_are_numbers_or_dates() -> None:
    people = [
        person(1, ago(1, total=5, ship_on="2026-05-01"), ago(2, total=-1)),
        person(2, ago(1, total=2, ship_on="2026-05-03"), ago(2, ship_on="2026-04-01")),
        person(3, ago(1)),
    ]
    assert who({**ORDERS, "min": "total", "compare": {"<": 0}}, *people) == [1]
    assert who({**ORDERS, "max": "total", "compare": {"<=": 2}}, *people) == [2]
    assert who({**ORDERS, "max": "ship_on", "compare": {">": "2026-05-01"}}, *people) == [2]
    assert who({**ORDERS, "max": "ship_on", "compare": {">=": "2026-05-01"}}, *people) == [1, 2]
    assert who({**ORDERS, "min": "ship_on", "compare": {"between": ["2026-04-01", "2026-05-01"]}}, *people) == [2]
    assert who({**ORDERS, "min": "ship_on", "compare": {"<=": "2026-05-01"}}, *people) == [1, 2]


def test_different_values_are_counted_once_whatever_their_case() -> None:
    people = [
        person(1, ago(1, coupon="A"), ago(2, coupon="a"), ago(3)),
        person(2, ago(1, coupon="A"), ago(2, coupon="B")),
        person(3),
    ]
    assert who({**ORDERS, "distinct": "coupon", "compare": {">=": 2}}, *people) == [2]
    assert who({**ORDERS, "distinct": "coupon", "compare": {"=": 0}}, *people) == [3]
    assert who({**ORDERS, "distinct": "weekday", "compare": {"=": 2}}, *people) == [2]
    assert who({**ORDERS, "distinct": "is_gift", "compare": {"=": 0}}, *people) == [1, 2, 3]


def test_the_first_and_the_last_are_of_those_with_a_value() -> None:
    people = [
        person(1, ago(3, coupon="A"), ago(2, coupon="B"), ago(1)),
        person(2, ago(3, coupon="B"), ago(2, coupon="A")),
        person(3, ago(1)),
    ]
    assert who({**ORDERS, "first": "coupon", "compare": {"=": "a"}}, *people) == [1]
    assert who({**ORDERS, "last": "coupon", "compare": {"=": "a"}}, *people) == [2]
    assert who({**ORDERS, "last": "coupon", "compare": {"!=": "a"}}, *people) == [1]
    assert who({**ORDERS, "last": "coupon", "compare": {"=": "a"}, "within": last(1)}, *people) == []
    gifts = [person(n, ago(2, is_gift=n == 2, total=n), ago(1, is_gift=n == 1)) for n in (1, 2)]
    assert who({**ORDERS, "last": "is_gift", "compare": {"=": True}}, *gifts) == [1]
    assert who({**ORDERS, "last": "is_gift", "compare": {"!=": True}}, *gifts) == [2]
    assert who({**ORDERS, "first": "total", "compare": {">": 1}}, *gifts) == [2]


def test_of_two_at_the_same_time_the_one_stored_later_is_the_last() -> None:
    one = person(1, ago(1, coupon="A"), ago(1, coupon="B"))
    assert who({**ORDERS, "first": "coupon", "compare": {"=": "A"}}, one) == [1]
    assert who({**ORDERS, "last": "coupon", "compare": {"=": "B"}}, one) == [1]


def test_the_first_ever_and_stopping_look_at_the_events_that_are_meant() -> None:
    gift = [where("properties.is_gift", "is_true")]
    one, two = person(1, ago(9, is_gift=True), ago(1)), person(2, ago(9), ago(1, is_gift=True))
    assert who({**ORDERS, "first_ever": True, "within": last(5), "where": gift}, one, two, person(3)) == [2]
    assert who({**ORDERS, "stopped": {"for": last(5)}, "where": gift}, one, two, person(3)) == [1]


@pytest.mark.parametrize("unit", ["hours", "days", "weeks", "calendar_days", "months", "years"])
def test_who_resumed_came_back_after_a_silence_that_long(unit: str) -> None:
    back = datetime(2026, 5, 20, 11, tzinfo=UTC)
    before = {
        "hours": back - timedelta(hours=2),
        "days": back - 2 * DAY,
        "weeks": back - 14 * DAY,
        "calendar_days": at("2026-05-19 00:00") - TICK,
        "months": at("2026-03-20 11:00"),
        "years": at("2024-05-20 11:00"),
    }[unit]
    node = {**ORDERS, "resumed": {"after": last(2, unit)}, "within": last(90, "minutes")}
    people = [
        person(1, event(before), event(back)),
        person(2, event(before + TICK), event(back)),
        person(3, event(back)),
        person(4, event(before - 800 * DAY), event(before)),
        person(5),
        person(6, event(before), event(back), event(back + TICK)),
    ]
    assert who(node, *people) == [1, 6]


def test_a_silence_of_months_is_read_in_the_zone() -> None:
    # In Berlin 00:30 on 1 April is 22:30 on 31 March; a month before is 00:30 on 1 March: 23:30 on 28 February.
    back, before = at("2026-03-31 22:30"), at("2026-02-28 23:30")
    node = {**ORDERS, "resumed": {"after": last(1, "months")}, "zone": "Europe/Berlin"}
    assert who(node, person(1, event(before), event(back)), person(2, event(before + TICK), event(back))) == [1]


def test_regularly_is_so_many_of_the_last_periods_with_the_running_one() -> None:
    node = {**ORDERS, "regularly": {"at_least": 3, "of": 4, "period": "week"}}
    monday = at("2026-05-18")  # AS_OF is a Wednesday
    weeks = [monday - n * 7 * DAY for n in range(5)]
    three, edge, twice = weeks[:3], [weeks[0], weeks[1] - TICK, weeks[3]], [weeks[0], weeks[0] + DAY, weeks[3]]
    early = [weeks[0], weeks[1], weeks[3] - TICK]
    people = [person(n, *map(event, times)) for n, times in enumerate([three, edge, twice, early, []])]
    assert who(node, *people) == [0, 1]
    assert who({**node, "regularly": {"at_least": 2, "of": 4, "period": "week"}}, *people) == [0, 1, 2, 3]


def test_a_trend_compares_with_the_window_before_and_from_nothing_there_is_none() -> None:
    node = {**ORDERS, "trend": {"window": last(10), "ratio": {">=": 2}}}
    people = [
        person(1, ago(15), ago(5), ago(4)),
        person(2, ago(15), ago(5)),
        person(3, ago(5), ago(4)),
        person(4, ago(10), ago(0), ago(10 - 1e-9)),
        person(5, ago(20), ago(5), ago(4)),
        person(6),
    ]
    assert who(node, *people) == [1, 4]
    fewer = {**ORDERS, "trend": {"window": last(10), "ratio": {"<": 1}}}
    assert who(fewer, *people, person(7, ago(15))) == [7]


def test_overdue_is_longer_than_so_many_of_the_customers_own_gaps() -> None:
    node = {**ORDERS, "overdue": {"times_usual_gap": 2}}
    people = [
        person(1, ago(30 + 1e-6), ago(20)),  # a gap of 10 days, and 20 since: not more than twice
        person(2, ago(29), ago(20)),
        person(3, ago(50)),
        person(4, ago(50), ago(50)),
        person(5, ago(60), ago(31), ago(30)),  # gaps of 29 and 1: 15 on average
        person(6, ago(40), ago(31), ago(20)),
        person(7),
    ]
    assert who(node, *people) == [2]
    assert who({**node, "overdue": {"times_usual_gap": 1.5}}, *people) == [1, 2, 5, 6]


# --- Order lines. -----------------------------------------------------------------------------------------------------
TEA, MILK = Line("t-1", "Tea", 2, 5.0), Line("m-1", "Milk", 1, 2.0)
BASKETS = [
    person(1, bought(TEA)),
    person(2, bought(TEA, MILK)),
    person(3, bought(MILK, MILK)),
    person(4, bought()),
    person(5),
    person(6, bought(TEA), bought(MILK)),
]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (None, [1, 2, 6]),
        ("any", [1, 2, 6]),
        ("all", [1, 6]),
        ("none", [3, 4, 6]),
        ({"count": {">=": 1}}, [1, 2, 6]),
        ({"count": {"=": 0}}, [3, 4, 6]),
        ({"sum": "quantity", "compare": {">=": 2}}, [1, 2, 6]),
        ({"sum": "amount", "compare": {">": 10}}, []),
    ],
)
def test_an_order_is_meant_by_its_lines(lines: Any, expected: list[int]) -> None:
    node = {**ANY, "where": [where("category", "is", "tea")]}
    assert who(node if lines is None else {**node, "lines": lines}, *BASKETS) == expected


def test_conditions_on_lines_are_about_the_same_line() -> None:
    node = {**ANY, "where": [where("category", "is", "tea"), where("price", "<", 3)]}
    assert who(node, *BASKETS, person(7, bought(Line("t-2", "Tea", 1, 2.5)))) == [7]


def test_lines_are_counted_without_a_condition_on_them() -> None:
    assert who({**ANY, "lines": {"count": {">=": 2}}}, *BASKETS) == [2, 3]
    assert who({**ANY, "lines": {"sum": "amount", "compare": {"between": [4, 10]}}}, *BASKETS) == [1, 3, 6]


def test_what_was_bought_is_summed_and_counted_over_orders() -> None:
    tea = [where("category", "is", "tea")]
    assert who({**ORDERS, "sum": "quantity", "compare": {">=": 2}, "where": tea}, *BASKETS) == [1, 2, 6]
    assert who({**ORDERS, "sum": "amount", "compare": {">=": 12}}, *BASKETS) == [2, 6]
    assert who({**ORDERS, "sum": "amount", "compare": {"=": 0}, "where": tea}, *BASKETS) == [3, 4, 5]
    assert who({**ORDERS, "distinct": "product", "compare": {"=": 2}}, *BASKETS) == [2, 6]
    assert who({**ORDERS, "max": "price", "compare": {"<": 5}}, *BASKETS) == [3]
    assert who({**ORDERS, "last": "category", "compare": {"=": "milk"}}, *BASKETS) == [2, 3, 6]


def test_orders_chosen_by_what_is_not_in_them_are_summed_whole() -> None:
    node = {**ORDERS, "sum": "amount", "compare": {">": 0}, "where": [where("category", "is", "tea")], "lines": "none"}
    assert who(node, *BASKETS) == [3, 6]


def test_conditions_on_the_order_and_on_its_lines_go_together() -> None:
    def order(total: float, *lines: Line) -> Happened:
        return Happened("Order Completed", AS_OF - DAY, AS_OF - DAY, None, {"total": total}, list(lines))

    node = {**ORDERS, "sum": "quantity", "compare": {">=": 2}}
    asked = [where("properties.total", ">", 50), where("category", "is", "tea")]
    people = person(1, order(60, TEA)), person(2, order(40, TEA), order(60, MILK)), person(3, order(60, MILK, MILK))
    assert who({**node, "where": asked}, *people) == [1]
    assert who({**node, "where": asked[:1]}, *people) == [1, 3]


# --- One after the other. ---------------------------------------------------------------------------------------------
def steps(*named: str, **more: Any) -> dict[str, Any]:
    """Give a sequence of pages, orders and, with a minus, none of them."""
    events = {"page": PAGES, "order": ORDERS}
    return {
        "sequence": [{**events[one.lstrip("-")]} | ({"not": True} if one[0] == "-" else {}) for one in named],
        **more,
    }


def did(number: int, text: str) -> Person:
    """Give a customer who viewed a page (p) or ordered (o), an hour after the other, the last an hour ago."""
    names = {"p": "Page Viewed", "o": "Order Completed"}
    times = [AS_OF - timedelta(hours=len(text) - n) for n in range(len(text))]
    return person(number, *(event(at, names[letter]) for at, letter in zip(times, text, strict=True) if letter != " "))


PAST = ["po", "op", "o", "p", "opo", "ppo", "p o", "pop", "poo", ""]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (steps("page", "order"), ["po", "opo", "ppo", "p o", "pop", "poo"]),
        (steps("page", "order", "page"), ["pop"]),
        (steps("page", "-order"), ["op", "p", "pop"]),
        (steps("-page", "order"), ["op", "o", "opo"]),
        (steps("page", "-page", "order"), ["po", "opo", "ppo", "p o", "pop", "poo"]),
        (steps("order", "-page", "order"), ["poo"]),
        (steps("page", "order", gap={"at_most": 1, "unit": "hours"}), ["po", "opo", "ppo", "pop", "poo"]),
        (steps("page", "order", gap={"at_most": 2, "unit": "hours"}), ["po", "opo", "ppo", "p o", "pop", "poo"]),
    ],
)
def test_events_in_a_row(node: Any, expected: list[str]) -> None:
    assert [PAST[n] for n in who(node, *(did(n, text) for n, text in enumerate(PAST)))] == expected


def test_all_steps_lie_in_the_window_and_the_gap_has_its_length() -> None:
    people = [did(n, text) for n, text in enumerate(PAST)]
    found = [PAST[n] for n in who(steps("page", "order", within=last(3, "hours")), *people)]
    assert found == ["po", "opo", "ppo"], "what was three hours ago is outside"
    exact, longer = (person(n, event(AS_OF - 2 * DAY - n * TICK, "Page Viewed"), event(AS_OF)) for n in (0, 1))
    assert who(steps("page", "order", gap={"at_most": 2, "unit": "days"}), exact, longer) == [0]


def test_two_at_the_same_time_are_not_one_after_the_other() -> None:
    both = person(1, event(AS_OF - DAY, "Page Viewed"), event(AS_OF - DAY))
    assert who(steps("page", "order"), both) == []
    assert who(steps("page", "-order"), both) == [1], "it did not happen after it"
    assert who(steps("order", "-page", "order"), person(2, *both.events, event(AS_OF))) == [2]


def test_the_steps_of_a_sequence_have_conditions_of_their_own() -> None:
    node = {"sequence": [{**ORDERS, "where": [where("properties.coupon", "is", "A")]}, ORDERS]}
    assert who(node, person(1, ago(2, coupon="A"), ago(1)), person(2, ago(2), ago(1, coupon="A"))) == [1]
    tea = {"sequence": [{**ORDERS, "where": [where("category", "is", "tea")]}, {**PAGES, "not": True}]}
    people = person(1, bought(TEA)), person(2, bought(MILK)), person(3, bought(TEA, days=2), ago(1, "Page Viewed"))
    assert who(tea, *people) == [1]


def test_a_later_way_through_the_steps_is_found_where_the_first_one_ends() -> None:
    gap = {"at_most": 1, "unit": "days"}
    one = person(1, ago(9, "Page Viewed"), ago(8), ago(5, "Page Viewed"), ago(4.5), ago(4, "Page Viewed"))
    assert who(steps("page", "order", "page", gap=gap), one) == [1]
    assert who(steps("page", "order", "page", gap={"at_most": 11, "unit": "hours"}), one) == []


# --- Entered and left. ------------------------------------------------------------------------------------------------
def moved(number: int, *moves: tuple[str, float], **values: Any) -> Person:
    """Give a customer who entered and left the segment vip so many days ago."""
    one = person(number, **values)
    one.moves += [Moved("vip", kind, AS_OF - timedelta(days=days)) for kind, days in moves]
    one.moves.append(Moved("loyal", "entered", AS_OF))
    return one


VIP = {"vip": {"field": "country", "op": "is", "value": "DE"}, "loyal": {"field": "country", "op": "no_value"}}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"entered": last(10)}, [2, 3]),
        ({"entered": {"from": "2026-04-21", "to": "2026-05-11"}}, [1, 3]),
        ({"left": last(10)}, [3, 4]),
        ({"left": last(1)}, []),
        ({"in_for": {"n": 10, "unit": "days"}}, [1]),
        ({"in_for": {"n": 9, "unit": "days"}}, [1, 2]),
        ({"in_for": {"n": 1, "unit": "hours"}}, [1, 2]),
    ],
)
def test_when_a_customer_entered_and_left(asked: Any, expected: list[int]) -> None:
    people = [
        moved(1, ("entered", 10)),
        moved(2, ("entered", 9)),
        moved(3, ("entered", 20), ("left", 8), ("entered", 5), ("left", 4)),
        moved(4, ("entered", 30), ("left", 2)),
        moved(5, ("entered", -1)),
        moved(6),
    ]
    world = World(people, AS_OF, segments=VIP)
    assert matching({"segment": "vip", **asked}, world) == expected


def test_calendar_days_in_a_segment_end_at_the_zones_midnight() -> None:
    people = [moved(n, ("entered", hours / 24)) for n, hours in ((1, 13), (2, 11))]
    world = World(people, AS_OF, "Europe/Berlin", segments=VIP)
    node = {"segment": "vip", "entered": last(1, "calendar_days")}
    assert matching(node, world) == [1, 2], "since 00:00 in Berlin, 22:00 UTC"
    assert matching({**node, "zone": "UTC"}, world) == [2]
