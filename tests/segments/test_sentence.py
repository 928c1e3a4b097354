"""A rule is one plain English sentence."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from segments.rules import sentence
from segments.rules.operators import OPERATORS
from segments.rules.windows import Moment
from tests.segments.world import AS_OF, rule_of

ORDERS = {"event": "Order Completed", "count": {">=": 2}}
TOTAL = {"field": "properties.total", "op": ">=", "value": 100}
TEA = {"field": "category", "op": "is", "value": "Tea"}
LAST_90 = {"last": 90, "unit": "days"}
GERMAN = {"field": "country", "op": "any_of", "value": ["DE", "AT"]}
SENTENCES: list[tuple[Any, str]] = [
    (
        {"all": [GERMAN, {**ORDERS, "within": LAST_90}]},
        "country is DE or AT, and 2 or more Order Completed in the last 90 days",
    ),
    ({"field": "country", "op": "is", "value": "DE"}, "country is DE"),
    ({"field": "country", "op": "is_not", "value": "DE"}, "country is not DE (and is known)"),
    ({"field": "country", "op": "is_not", "value": "DE", "missing": "include"}, "country is not DE or not known"),
    ({"field": "country", "op": "is", "value": "DE", "exact": True}, "country is DE (exactly as written)"),
    ({"field": "country", "op": "no_value"}, "country is not known"),
    ({"field": "attributes.plan", "op": "starts", "value": "pro"}, "plan starts with pro"),
    ({"field": "age", "op": ">=", "value": 18}, "age is 18 or more"),
    ({"field": "age", "op": "between", "value": [18, 65.5]}, "age is from 18 to 65.5"),
    ({"field": "scores.lapse", "op": "top_percent", "value": 10}, "lapse score is in the top 10 %"),
    (
        {"field": "scores.lapse", "op": "percentile_between", "value": [80, 95]},
        "lapse score is between the percentiles 80 to 95",
    ),
    ({"field": "consent.email.news", "op": "is_true"}, "consent to E-mail, news is true"),
    ({"field": "birth_date", "op": "before", "value": "2000-01-01"}, "birth date is before 2000-01-01"),
    (
        {"field": "attributes.since", "op": "in_last", "value": {"n": 7, "unit": "days"}},
        "customer since is in the last 7 days",
    ),
    (
        {"field": "attributes.since", "op": "on", "value": "2026-01-02", "zone": "Asia/Tokyo"},
        "customer since is on 2026-01-02 (Asia/Tokyo)",
    ),
    ({"field": "attributes.plan", "op": "matches", "value": "^a"}, "plan matches the pattern ^a"),
    ({"field": "attributes.plan", "op": "length", "value": {"<": 3}}, "plan has a length that is less than 3"),
    ({"field": "attributes.plan", "op": "domain_is", "value": "x.org"}, "plan has the domain x.org"),
    ({"field": "age", "op": "not_between", "value": [1, 2]}, "age is not from 1 to 2 (and is known)"),
    (
        {"field": "age", "op": "above_mean_sd", "value": 1.5},
        "age is above the mean by 1.5 standard deviations or more",
    ),
    ({"field": "birth_date", "op": "in_next", "value": {"n": 1, "unit": "days"}}, "birth date is in the next day"),
    (
        {"field": "birth_date", "op": "between_ago", "value": {"from": 3, "to": 5, "unit": "days"}},
        "birth date is between 3 and 5 days ago",
    ),
    (
        {"field": "birth_date", "op": "exactly_ago", "value": {"n": 3, "unit": "days"}},
        "birth date is on the day 3 days ago",
    ),
    ({"field": "birth_date", "op": "next", "value": "month"}, "birth date is in the next month"),
    ({"field": "birth_date", "op": "weekday", "value": [6, 7]}, "birth date is on a Saturday or Sunday"),
    ({"field": "birth_date", "op": "month_is", "value": 12}, "birth date is in December"),
    ({"field": "attributes.since", "op": "hour_between", "value": [9, 17]}, "customer since is at 9:00 to 17:59"),
    ({"field": "birth_date", "op": "anniversary", "value": "today"}, "birth date has its anniversary today"),
    (
        {"field": "birth_date", "op": "anniversary", "value": {"in_next": 7}, "leap": "mar1", "zone": "customer"},
        "birth date has its anniversary today or in the 6 days after (29 February on 1 March in common years)"
        " (in the customer's time zone)",
    ),
    ({"field": "country", "op": "is", "value": {"field": "attributes.plan"}}, "country is plan"),
    (
        {"field": "birth_date", "op": "before", "value": {"field": "attributes.since", "offset_days": -1}},
        "birth date is before 1 day before customer since",
    ),
    (
        {"field": "attributes.tags", "op": "none_of", "value": ["a", "b", "c"]},
        "tags has none of a, b or c (and is known)",
    ),
    ({**ORDERS, "count": {"=": 0}}, "no Order Completed ever"),
    ({**ORDERS, "count": {"between": [1, 3]}, "within": {"this": "month"}}, "1 to 3 Order Completed this month"),
    ({**ORDERS, "within": {"previous": "week"}}, "2 or more Order Completed in the previous week"),
    ({**ORDERS, "within": {"last": 1, "unit": "days"}}, "2 or more Order Completed in the last day"),
    (
        {**ORDERS, "within": {"last": 7, "unit": "calendar_days"}},
        "2 or more Order Completed today or in the 6 days before",
    ),
    (
        {**ORDERS, "within": {"from": "2026-01-01", "to": "2026-07-01"}},
        "2 or more Order Completed from 2026-01-01 until 2026-07-01 (not included)",
    ),
    (
        {"event": "Order Completed", "sum": "value", "compare": {">=": 100}, "within": LAST_90},
        "the total value of Order Completed in the last 90 days is 100 or more",
    ),
    (
        {"event": "Order Completed", "first_ever": True, "within": LAST_90},
        "the first Order Completed ever was in the last 90 days",
    ),
    ({"event": "Order Completed", "stopped": {"for": LAST_90}}, "Order Completed before, but not in the last 90 days"),
    ({"segment": "vip", "op": "not_in"}, "not in segment vip"),
    ({"segment": "vip", "entered": LAST_90}, "entered segment vip in the last 90 days"),
    ({"segment": "vip", "in_for": {"n": 30, "unit": "days"}}, "in segment vip for 30 days or longer"),
    (
        {**ORDERS, "where": [TOTAL, {"field": "hour", "op": ">=", "value": 18}], "within": LAST_90},
        "2 or more Order Completed (with total is 100 or more, and hour of the day is 18 or more) in the last 90 days",
    ),
    ({**ORDERS, "where": [TEA]}, "2 or more Order Completed (with a product whose category is Tea) ever"),
    (
        {**ORDERS, "where": [TEA], "lines": "none"},
        "2 or more Order Completed (with no product whose category is Tea) ever",
    ),
    (
        {**ORDERS, "where": [TEA], "lines": {"count": {">=": 3}}},
        "2 or more Order Completed (with 3 or more products whose category is Tea) ever",
    ),
    (
        {**ORDERS, "where": [TEA], "lines": {"sum": "quantity", "compare": {">=": 5}}},
        "2 or more Order Completed (with products whose category is Tea of which the total quantity is 5 or more) ever",
    ),
    (
        {"event": "Order Completed", "sum": "amount", "compare": {">=": 100}, "where": [TEA, TOTAL]},
        "the total amount of products whose category is Tea, in Order Completed (with total is 100 or more) ever "
        "is 100 or more",
    ),
    (
        {"event": "Order Completed", "last": "coupon", "compare": {"=": "SPRING"}},
        "the last coupon of Order Completed ever is SPRING",
    ),
    (
        {"event": "Order Completed", "regularly": {"at_least": 3, "of": 4, "period": "week"}},
        "Order Completed in at least 3 of the last 4 weeks, this week included",
    ),
    (
        {"event": "Order Completed", "overdue": {"times_usual_gap": 2}},
        "the last Order Completed is more than 2 times the customer's usual gap ago",
    ),
    (
        {
            "sequence": [{"event": "Page Viewed"}, {"event": "Order Completed", "not": True}],
            "within": LAST_90,
            "gap": {"at_most": 2, "unit": "days"},
        },
        "Page Viewed, then no Order Completed, each at most 2 days after the one before, in the last 90 days",
    ),
    ({"sample": 10, "salt": "spring"}, "in a stable sample of 10 % (salt spring)"),
    ({"ids": ["c-1", "c-2"]}, "customer c-1 or c-2"),
    ({"ids": ["a", "b", "c", "d"]}, "one of 4 listed customers"),
    (
        {"all": [ORDERS, {"any": [GERMAN, {"segment": "vip", "op": "in"}]}]},
        "2 or more Order Completed ever, and (country is DE or AT, or in segment vip)",
    ),
    ({"not": {"all": [GERMAN, ORDERS]}}, "not (country is DE or AT, and 2 or more Order Completed ever)"),
    ({"none": [GERMAN, ORDERS]}, "none of (country is DE or AT; 2 or more Order Completed ever)"),
    ({"at_least": 1, "of": [GERMAN, ORDERS]}, "at least 1 of (country is DE or AT; 2 or more Order Completed ever)"),
]


@pytest.mark.parametrize(("node", "words"), SENTENCES, ids=[words[:60] for _, words in SENTENCES])
def test_a_rule_is_said(node: Any, words: str) -> None:
    assert sentence(rule_of(node)) == words


def said(node: Any, zone: str = "UTC") -> str:
    return sentence(rule_of(node), Moment(AS_OF, ZoneInfo(zone)))


def test_a_sentence_prints_the_instants_its_windows_stand_for() -> None:
    since = {"field": "attributes.since", "op": "in_last", "value": {"n": 7, "unit": "days"}}
    words = "customer since is in the last 7 days"
    assert said(since) == f"{words} [2026-05-13 12:00 UTC to 2026-05-20 12:00 UTC]"
    assert said({**since, "zone": "Asia/Tokyo"}) == (
        f"{words} (Asia/Tokyo) [2026-05-13 21:00 Asia/Tokyo to 2026-05-20 21:00 Asia/Tokyo]"
    )
    before = {"field": "birth_date", "op": "before", "value": "2000-01-01"}
    assert said(before, "Europe/Berlin") == "birth date is before 2000-01-01 [until 2000-01-01 00:00 Europe/Berlin]"
    after = {"field": "birth_date", "op": "after", "value": "2000-01-01"}
    assert said(after) == "birth date is after 2000-01-01 [from 2000-01-02 00:00 UTC]"
    week = {**ORDERS, "within": {"previous": "week"}}
    assert said({"not": week}) == (
        "not (2 or more Order Completed in the previous week [2026-05-11 00:00 UTC to 2026-05-18 00:00 UTC])"
    )
    assert said(GERMAN) == "country is DE or AT"


def test_times_on_the_walls_of_customers_are_said_to_be_local() -> None:
    month = {"field": "attributes.since", "op": "this", "value": "month", "zone": "customer"}
    assert said(month).endswith(" [2026-05-01 00:00 local time to 2026-06-01 00:00 local time]")
    days = {"field": "attributes.since", "op": "in_last", "value": {"n": 7, "unit": "days"}, "zone": "customer"}
    assert said(days).endswith(" [2026-05-13 12:00 UTC to 2026-05-20 12:00 UTC]")


def test_every_operator_has_words_for_its_value() -> None:
    for row in OPERATORS.values():
        assert ("{}" in row.words) == (row.argument.form != "nothing"), row.name
