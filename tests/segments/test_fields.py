"""What each operator of a field finds: some customers and not all, nobody without a value, and whom at its edges."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.segments.slow.rows import World
from tests.segments.world import AS_OF, matching, person

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def found(node: Any, *people: Any, as_of: datetime = AS_OF, zone: str = "UTC") -> list[int]:
    return matching(node, World(list(people), as_of, zone))


def seen(field: str, values: Any, **node: Any) -> list[int]:
    """Give which of the values, numbered from 0, a condition on a field holds for; the last customer has none."""
    as_of, zone = node.pop("as_of", AS_OF), node.pop("default_zone", "UTC")
    people = [person(i, **{field.replace(".", "__"): value}) for i, value in enumerate([*values, None])]
    return found({"field": field, **node}, *people, as_of=as_of, zone=zone)


def test_texts_that_contain_any_of_several() -> None:
    plans = ["Gold", "silver", "marigold", "SILVERY", "bronze"]
    assert seen("attributes.plan", plans, op="contains_any", value=["gold", "VERY"]) == [0, 2, 3]
    assert seen("attributes.plan", plans, op="contains_any", value=["Gold"], exact=True) == [0]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("^gold", [0]), ("gold$", [0, 1]), (r"^\S+$", [0, 1, 2, 3]), ("STRASSE", [2]), ("straße", [2]), (r"\d{2}", [3])],
)
def test_texts_that_match_a_pattern(pattern: str, expected: list[int]) -> None:
    texts = ["Gold", "marigold", "Hauptstraße", "plan42", "two words"]
    assert seen("attributes.plan", texts, op="matches", value=pattern) == expected


def test_a_pattern_may_be_meant_exactly_as_written() -> None:
    assert seen("attributes.plan", ["Gold", "gold"], op="matches", value="^G", exact=True) == [0]
    assert seen("attributes.plan", ["Gold", "gold"], op="matches", value="^G") == [0, 1]


def test_a_domain_is_that_of_an_address_or_a_page() -> None:
    contacts = [
        "jo@Example.com",
        "https://example.com/jo?x=@other.org",
        "https://user@example.com:8443",
        "example.com",
        "jo@mail.example.com",
        "jo@example.com.evil.org",
        "jo@notexample.com",
        "https://example.com:secret@evil.org",
    ]
    assert seen("attributes.contact", contacts, op="domain_is", value="EXAMPLE.com") == [0, 1, 2, 3]


def test_a_length_counts_letters_not_bytes_nor_parts_of_letters() -> None:
    texts = ["abc", "ß", "A\u0308b", "日本語", "abcd"]
    assert seen("attributes.plan", texts, op="length", value={"<": 3}) == [1, 2]
    assert seen("attributes.plan", texts, op="length", value={"=": 3}) == [0, 3]
    assert seen("attributes.plan", texts, op="length", value={"between": [3, 4]}) == [0, 3, 4]


def test_numbers_outside_a_range_have_a_value() -> None:
    assert seen("features.spend_90d", [1, 2, 3, 5, 6], op="not_between", value=[2, 5]) == [0, 4]
    assert seen("features.spend_90d", [1, 3], op="not_between", value=[2, 5], missing="include") == [0, 2]


def test_far_from_the_mean_counts_standard_deviations_of_everybody() -> None:
    values = [2, 4, 4, 4, 5, 5, 7, 9]  # mean 5, standard deviation 2
    assert seen("features.spend_90d", values, op="above_mean_sd", value=1) == [6, 7]
    assert seen("features.spend_90d", values, op="above_mean_sd", value=2) == [7]
    assert seen("features.spend_90d", values, op="below_mean_sd", value=1.5) == [0]
    assert seen("features.spend_90d", values, op="below_mean_sd", value=0) == [0, 1, 2, 3, 4, 5]
    assert seen("features.spend_90d", [0.1] * 3, op="above_mean_sd", value=0) == [0, 1, 2]
    assert seen("features.spend_90d", [], op="above_mean_sd", value=0) == []


def test_the_next_days_begin_after_now_and_take_in_their_end() -> None:
    times = [AS_OF, AS_OF + TICK, AS_OF + 7 * DAY, AS_OF + 7 * DAY + TICK]
    assert seen("attributes.since", times, op="in_next", value={"n": 7, "unit": "days"}) == [1, 2]
    day = [at("2026-05-20"), at("2026-05-26 23:59:59"), at("2026-05-27"), at("2026-05-19 23:59:59")]
    assert seen("attributes.since", day, op="in_next", value={"n": 7, "unit": "calendar_days"}) == [0, 1]
    month = [at("2026-02-28 12:00"), at("2026-02-28 12:00:01")]
    end_of_january = {"as_of": at("2026-01-31 12:00"), "value": {"n": 1, "unit": "months"}}
    assert seen("attributes.since", month, op="in_next", **end_of_january) == [0]


def test_exactly_ago_is_the_whole_day_on_the_wall() -> None:
    times = [at("2026-05-17") - TICK, at("2026-05-17"), at("2026-05-17 23:59"), at("2026-05-18")]
    for unit in ("days", "calendar_days"):
        assert seen("attributes.since", times, op="exactly_ago", value={"n": 3, "unit": unit}) == [1, 2]
    days = [date(2026, 5, 6), date(2026, 4, 20), date(2025, 5, 20), date(2026, 5, 7)]
    for number, unit in enumerate(("weeks", "months", "years")):
        value = {"n": 2 if unit == "weeks" else 1, "unit": unit}
        assert seen("birth_date", days, op="exactly_ago", value=value) == [number]
    leap = {"as_of": at("2024-02-29 12:00"), "value": {"n": 1, "unit": "years"}}
    assert seen("birth_date", [date(2023, 2, 28), date(2023, 3, 1)], op="exactly_ago", **leap) == [0]


def test_between_ago_is_rolling_or_whole_days() -> None:
    times = [AS_OF - 5 * DAY, AS_OF - 5 * DAY + TICK, AS_OF - 3 * DAY, AS_OF - 3 * DAY + TICK]
    assert seen("attributes.since", times, op="between_ago", value={"from": 3, "to": 5, "unit": "days"}) == [1, 2]
    days = [date(2026, 5, 14), date(2026, 5, 15), date(2026, 5, 17), date(2026, 5, 18)]
    value = {"from": 3, "to": 5, "unit": "calendar_days"}
    assert seen("birth_date", days, op="between_ago", value=value) == [1, 2]
    value = {"from": 0, "to": 0, "unit": "calendar_days"}
    assert seen("birth_date", [date(2026, 5, 20), date(2026, 5, 21)], op="between_ago", value=value) == [0]


def test_periods_are_whole_also_the_part_to_come() -> None:
    times = [at("2026-03-31 23:59"), at("2026-04-01"), at("2026-06-30 23:59"), at("2026-07-01"), at("2026-09-30")]
    assert seen("attributes.since", times, op="this", value="quarter") == [1, 2]
    assert seen("attributes.since", times, op="previous", value="quarter") == [0]
    assert seen("attributes.since", times, op="next", value="quarter") == [3, 4]
    weeks = [date(2026, 5, 17), date(2026, 5, 18), date(2026, 5, 24), date(2026, 5, 25), date(2026, 5, 31)]
    assert seen("birth_date", weeks, op="this", value="week") == [1, 2]
    assert seen("birth_date", weeks, op="next", value="week") == [3, 4]
    december = {"as_of": at("2026-12-31 12:00"), "op": "next"}
    assert seen("birth_date", [date(2027, 1, 31), date(2026, 12, 31)], value="month", **december) == [0]
    assert seen("birth_date", [date(2027, 12, 31), date(2028, 1, 1)], value="year", **december) == [0]
    assert seen("birth_date", [date(2027, 1, 1), date(2026, 12, 31)], value="day", **december) == [0]


def test_weekdays_months_and_hours_are_those_on_the_wall() -> None:
    friday_night = at("2026-05-15 22:30")  # Saturday in Berlin
    assert seen("attributes.since", [friday_night, friday_night - DAY], op="weekday", value=[6, 7]) == []
    berlin = {"zone": "Europe/Berlin"}
    assert seen("attributes.since", [friday_night, friday_night - DAY], op="weekday", value=[6, 7], **berlin) == [0]
    assert seen("birth_date", [date(2026, 5, 16), date(2026, 5, 18)], op="weekday", value=6) == [0]
    month_end = [at("2026-04-30 22:30"), at("2026-04-30 21:30")]
    assert seen("attributes.since", month_end, op="month_is", value=[5, 12], **berlin) == [0]
    assert seen("birth_date", [date(1990, 12, 1), date(1990, 11, 30)], op="month_is", value=12) == [0]
    hours = [at("2026-05-15 07:00"), at("2026-05-15 14:59"), at("2026-05-15 15:00"), at("2026-05-15 06:59")]
    assert seen("attributes.since", hours, op="hour_between", value=[9, 16], **berlin) == [0, 1]
    assert seen("attributes.since", hours, op="hour_between", value=[17, 8], **berlin) == [2, 3]
    assert seen("birth_date", [date(2026, 5, 15)], op="hour_between", value=[0, 23], missing="include") == [1]


def test_an_anniversary_comes_every_year() -> None:
    days = [date(1980, 5, 20), date(2000, 5, 26), date(2000, 5, 27), date(1999, 5, 14), date(1999, 5, 13)]
    assert seen("birth_date", days, op="anniversary", value="today") == [0]
    assert seen("birth_date", days, op="anniversary", value={"in_next": 7}) == [0, 1]
    assert seen("birth_date", days, op="anniversary", value={"in_last": 7}) == [0, 3]
    assert seen("birth_date", days, op="anniversary", value={"in_next": 366}) == [0, 1, 2, 3, 4]


def test_anniversaries_go_over_the_end_of_the_year() -> None:
    days = [date(1980, 12, 28), date(1980, 12, 31), date(1980, 1, 3), date(1980, 1, 4)]
    assert seen("birth_date", days, op="anniversary", value={"in_next": 7}, as_of=at("2026-12-28 09:00")) == [0, 1, 2]
    assert seen("birth_date", days, op="anniversary", value={"in_last": 7}, as_of=at("2026-01-03 09:00")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("today", "leap", "expected"),
    [
        ("2026-02-28", "feb28", [0, 1]),
        ("2026-02-28", "mar1", [1]),
        ("2026-03-01", "feb28", [2]),
        ("2026-03-01", "mar1", [0, 2]),
        ("2024-02-28", "feb28", [1]),
        ("2024-02-29", "feb28", [0]),
        ("2024-02-29", "mar1", [0]),
        ("2024-03-01", "mar1", [2]),
    ],
)
def test_29_february_has_its_day_in_every_year(today: str, leap: str, expected: list[int]) -> None:
    days = [date(2000, 2, 29), date(2001, 2, 28), date(2001, 3, 1)]
    assert seen("birth_date", days, op="anniversary", value="today", leap=leap, as_of=at(f"{today} 12:00")) == expected


def test_the_day_of_an_anniversary_is_that_of_the_zone() -> None:
    late = at("2020-05-19 23:00")  # 20 May in Berlin
    assert seen("attributes.since", [late], op="anniversary", value="today") == []
    assert seen("attributes.since", [late], op="anniversary", value="today", zone="Europe/Berlin") == [0]


def test_a_list_is_exactly_some_values_in_any_order() -> None:
    tags = [["a", "B"], ["b", "a", "A"], ["a"], ["a", "b", "c"], [], ["a", None, "b"]]
    assert seen("attributes.tags", tags, op="exactly", value=["b", "a"]) == [0, 1, 5]
    assert seen("attributes.tags", tags, op="exactly", value=["b", "B", "a"]) == [0, 1, 5]
    assert seen("attributes.tags", tags, op="exactly", value=["a", "B"], exact=True) == [0]


def test_a_list_has_a_number_of_entries() -> None:
    tags = [["a", "b"], ["a"], [], ["a", "b", "c"]]
    assert seen("attributes.tags", tags, op="length", value={">=": 2}) == [0, 3]
    assert seen("attributes.tags", tags, op="length", value={"=": 0}) == [2]


def other(name: str, **more: Any) -> dict[str, Any]:
    return {"field": name, **more}


def test_a_field_is_compared_with_another() -> None:
    people = (
        person(1, country="DE", attributes__plan="de", features__orders_90d=3, features__spend_90d=2.5),
        person(2, country="DE", attributes__plan="DEU", features__orders_90d=2, features__spend_90d=2.0),
        person(3, country="DE", features__orders_90d=2),
        person(4, attributes__plan="de"),
    )
    assert found({"field": "country", "op": "is", "value": other("attributes.plan")}, *people) == [1]
    assert found({"field": "country", "op": "is_not", "value": other("attributes.plan")}, *people) == [2]
    assert found({"field": "attributes.plan", "op": "starts", "value": other("country")}, *people) == [1, 2]
    assert found({"field": "country", "op": "is", "value": other("attributes.plan"), "exact": True}, *people) == []
    more = {"field": "features.orders_90d", "op": ">", "value": other("features.spend_90d")}
    assert found(more, *people) == [1]
    assert found({**more, "op": "<="}, *people) == [2]
    assert found({**more, "missing": "include"}, *people) == [1, 3, 4]


def test_a_list_is_compared_with_another_field() -> None:
    people = (
        person(1, attributes__tags=["Gold", "x"], attributes__plan="gold"),
        person(2, attributes__tags=["x"], attributes__plan="gold"),
        person(3, attributes__tags=["x"]),
    )
    assert found({"field": "attributes.tags", "op": "contains", "value": other("attributes.plan")}, *people) == [1]
    assert found({"field": "attributes.tags", "op": "not_contains", "value": other("attributes.plan")}, *people) == [2]
    same = {"field": "attributes.tags", "value": other("attributes.tags")}
    for op, expected in (("any_of", [1, 2, 3]), ("all_of", [1, 2, 3]), ("exactly", [1, 2, 3]), ("none_of", [])):
        assert found({**same, "op": op}, *people) == expected


def test_a_date_is_compared_with_another_some_days_on() -> None:
    renews = at("2026-06-10 15:00")
    people = [
        person(i, attributes__since=renews - 10 * DAY + shift, attributes__renews=renews)
        for i, shift in enumerate([-DAY, -HOUR, timedelta(), HOUR, DAY])
    ]
    people += [person(8, attributes__since=renews), person(9, attributes__renews=renews)]
    ten_before = other("attributes.renews", offset_days=-10)
    assert found({"field": "attributes.since", "op": "before", "value": ten_before}, *people) == [0, 1]
    assert found({"field": "attributes.since", "op": "on", "value": ten_before}, *people) == [1, 2, 3]
    assert found({"field": "attributes.since", "op": "after", "value": ten_before}, *people) == [3, 4]
    assert found({"field": "attributes.since", "op": "after", "value": other("attributes.since")}, *people) == []


def test_days_and_instants_are_compared_by_the_days_midnight() -> None:
    evening = at("2026-05-19 22:30")  # 20 May in Berlin
    one = person(1, birth_date=date(2026, 5, 20), attributes__since=evening)
    berlin = {"zone": "Europe/Berlin"}
    on = {"field": "birth_date", "op": "on", "value": other("attributes.since")}
    before = {**on, "op": "before"}
    after = {"field": "attributes.since", "op": "after", "value": other("birth_date", offset_days=-1)}
    assert (found(on, one), found({**on, **berlin}, one)) == ([], [1])
    assert (found(before, one), found({**before, **berlin}, one)) == ([], [1])
    assert (found(after, one), found({**after, **berlin}, one)) == ([], [1])


def test_an_offset_keeps_the_hour_over_the_change_of_the_clock() -> None:
    # Berlin: on 29 March 2026 the clock goes from 2:00 to 3:00, so that 2:30 is 3:30.
    base, moved = at("2026-03-28 12:00"), at("2026-03-29 11:00")
    one = person(1, attributes__since=moved, attributes__renews=base)
    two = person(2, attributes__since=at("2026-03-29 01:30"), attributes__renews=at("2026-03-28 01:30"))
    day_on = {"field": "attributes.since", "value": other("attributes.renews", offset_days=1), "zone": "Europe/Berlin"}
    for op in ("before", "after"):
        assert found({**day_on, "op": op}, one, two) == []
        assert found({**day_on, "op": op, "zone": "UTC"}, one, two) == ([1] if op == "before" else [])


def test_each_customer_may_be_asked_in_the_zone_of_her_own() -> None:
    midnight = at("2026-05-20 00:30")
    zones = ["Europe/Berlin", "America/New_York", "Mars/Base", None, "Asia/Tokyo", "Factory"]
    people = [person(i, attributes__since=midnight, time_zone=zone) for i, zone in enumerate(zones)]
    people.append(person(9, time_zone="Europe/Berlin"))
    on = {"field": "attributes.since", "op": "on", "value": "2026-05-19", "zone": "customer"}
    assert found(on, *people) == [1]
    assert found(on, *people, zone="America/Los_Angeles") == [1, 2, 3, 5]
    today = {**on, "op": "this", "value": "day"}
    assert found(today, *people, as_of=at("2026-05-20 15:30")) == [0, 2, 3, 5]
    hours = {**on, "op": "hour_between", "value": [9, 10], "missing": "include"}
    assert found(hours, *people) == [4, 9]
    assert found(on) == []


def test_a_day_that_begins_later_is_as_long_as_it_is() -> None:
    # In Cairo 24 April 2026 begins at 1:00.
    times = [at("2026-04-23 21:59"), at("2026-04-23 22:00"), at("2026-04-24 20:59"), at("2026-04-24 21:00")]
    cairo = {"zone": "Africa/Cairo"}
    assert seen("attributes.since", times, op="on", value="2026-04-24", **cairo) == [1, 2]
    value = other("birth_date")
    people = [person(i, attributes__since=time, birth_date=date(2026, 4, 24)) for i, time in enumerate(times)]
    assert found({"field": "attributes.since", "op": "on", "value": value, **cairo}, *people) == [1, 2]
    assert found({"field": "attributes.since", "op": "before", "value": value, **cairo}, *people) == [0]


def test_an_answer_does_not_depend_on_how_it_is_asked() -> None:
    texts = ["gold", "Silver", "jo@silver.example"]
    for op, value in (("matches", "sil"), ("domain_is", "gold"), ("length", {"<": 5})):
        node = {"field": "attributes.plan", "op": op, "value": value}
        people = [person(i, attributes__plan=text) for i, text in enumerate([*texts, None])]
        alone, twice = found(node, *people), found({"all": [node, {"any": [node]}]}, *people)
        assert alone == twice
        assert 0 < len(alone) < len(texts)
        assert found({"not": node}, *people) == [i for i in range(4) if i not in alone]
