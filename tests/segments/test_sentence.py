"""A rule is one plain English sentence."""

from typing import Any

import pytest

from segments.rules import sentence
from segments.rules.operators import OPERATORS
from tests.segments.world import rule_of

ORDERS = {"event": "Order Completed", "count": {">=": 2}}
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


def test_every_operator_has_words_for_its_value() -> None:
    for row in OPERATORS.values():
        assert ("{}" in row.words) == (row.argument.form != "nothing"), row.name
