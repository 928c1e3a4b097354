"""What cannot be read is refused, with the place and, where there is one, the nearest name."""

import time
from typing import Any

import pytest

from segments.rules import RuleError, needs, parse
from segments.rules.nodes import Condition
from segments.rules.parser import MAX_DEPTH, MAX_NODES
from tests.segments.slow.rows import World
from tests.segments.world import AS_OF, FIELDS, matching, person, rule_of

GERMAN = {"field": "country", "op": "is", "value": "DE"}
ORDER = {"event": "Order Completed"}
ORDERS = {**ORDER, "count": {">=": 2}}
WINDOW = {"last": 7, "unit": "days"}
FAULTS: list[tuple[Any, str]] = [
    ({"all": [GERMAN, {"field": "age", "op": ">", "value": "abc"}]}, 'rule.all[1].value: expects a number, got "abc"'),
    (
        {"all": [GERMAN, {"field": "agee", "op": ">", "value": 1}]},
        "rule.all[1]: no field named 'agee'; did you mean 'age'?",
    ),
    ({"all": []}, "rule.all: is empty; a group needs at least one condition"),
    ({"any": [{"none": []}]}, "rule.any[0].none: is empty; a group needs at least one condition"),
    ({"all": GERMAN}, 'rule.all: expects a list of nodes, got {"field": "country", "op": "is", "value": "DE"}'),
    (
        {"not": [GERMAN]},
        'rule.not: expects a condition or a group, got [{"field": "country", "op": "is", "value": "DE"}]',
    ),
    ("all", 'rule: expects a condition or a group, got "all"'),
    (None, "rule: expects a condition or a group, got null"),
    ({"all": [GERMAN], "any": [GERMAN]}, "rule: is two things at once: all and any"),
    ({"all": [GERMAN], "note": 1}, "rule: no key 'note' here"),
    ({"at_least": 3, "of": [GERMAN]}, "rule.at_least: expects a whole number from 1 to 1, got 3"),
    ({"at_least": 1}, "rule: 'of' is missing"),
    ({**GERMAN, "opp": "is"}, "rule: no key 'opp' here; did you mean 'op'?"),
    ({"field": "country", "value": "DE"}, "rule: 'op' is missing"),
    ({"field": "country", "op": "is"}, "rule: 'value' is missing"),
    ({**GERMAN, "op": "isnot"}, "rule.op: no operator 'isnot' for text; did you mean 'is_not'?"),
    ({"field": "consent.email.news", "op": "maybe"}, "rule.op: no operator 'maybe' for yes/no; there are"),
    ({"field": "age", "op": "starts", "value": "1"}, "rule.op: no operator 'starts' for number; there are =, !=, >"),
    ({**GERMAN, "value": " "}, "rule.value: expects a text that is not blank"),
    ({**GERMAN, "value": "\ud800"}, "rule.value: expects a text of whole characters"),
    ({**GERMAN, "value": "a\0b"}, "rule.value: expects a text of whole characters"),
    ({**GERMAN, "value": "\u200b\u00ad"}, "rule.value: expects a text that is not blank"),
    ({**GERMAN, "value": "\u202eED"}, "rule.value: expects a text without marks that turn the direction of reading"),
    ({**GERMAN, "value": "a\u0301" * 501}, "rule.value: has 1002 letters; a text of at most 1000 can be compared"),
    ({**GERMAN, "value": 5}, "rule.value: expects a text, got 5"),
    ({**GERMAN, "op": "any_of", "value": ["DE", 5]}, "rule.value[1]: expects a text, got 5"),
    ({**GERMAN, "op": "any_of", "value": []}, "rule.value: expects a list of values, got []"),
    ({**GERMAN, "op": "any_of", "value": ["x"] * 1001}, "rule.value: has 1001 values; more than 1000 belong"),
    ({**GERMAN, "op": "no_value"}, 'rule.value: this operator takes no value, got "DE"'),
    ({"field": "country", "op": "no_value", "missing": "include"}, "rule.missing: no_value asks for the value itself"),
    ({**GERMAN, "missing": "maybe"}, 'rule.missing: expects "include" or "exclude", got "maybe"'),
    ({**GERMAN, "exact": 1}, "rule.exact: expects true or false, got 1"),
    ({**GERMAN, "zone": "Mars/Base"}, 'rule.zone: no time zone named "Mars/Base"'),
    ({**GERMAN, "zone": "../../etc/passwd"}, "rule.zone: no time zone named"),
    ({"field": "age", "op": ">", "value": True}, "rule.value: expects a number, got true"),
    ({"field": "age", "op": ">", "value": float("nan")}, "rule.value: expects a finite number, got NaN"),
    ({"field": "age", "op": ">", "value": 10**400}, "rule.value: expects a finite number, got 1000"),
    ({"field": "age", "op": "between", "value": [5, 2]}, "rule.value: expects the lower number first, got [5, 2]"),
    ({"field": "age", "op": "top_percent", "value": 0}, "rule.value: expects a percentage above 0, at most 100, got 0"),
    ({"field": "age", "op": "percentile_between", "value": [40, 40]}, "rule.value: expects two different percentages"),
    ({"field": "birth_date", "op": "on", "value": "2026-02-30"}, "rule.value: expects a date such as 2026-01-31"),
    ({"field": "birth_date", "op": "before", "value": "1493-01-01"}, "rule.value: expects a date from 1800 to 2200"),
    ({"field": "birth_date", "op": "on", "value": "2026-01-01T10:00"}, "rule.value: expects a day such as 2026-01-31"),
    (
        {"field": "birth_date", "op": "between", "value": ["2026-02-01", "2026-01-01"]},
        "rule.value: ends before it begins",
    ),
    (
        {"field": "birth_date", "op": "in_last", "value": {"n": 7, "unit": "day"}},
        "rule.value.unit: expects one of minutes",
    ),
    (
        {"field": "birth_date", "op": "in_last", "value": {"n": 0, "unit": "days"}},
        "rule.value.n: expects a whole number from 1",
    ),
    (
        {"field": "country", "op": "matches", "value": "(a"},
        "rule.value: is no pattern that can be matched in linear time: unclosed",
    ),
    (
        {"field": "country", "op": "matches", "value": "(?=a)b"},
        "rule.value: is no pattern that can be matched in linear time: look-around",
    ),
    (
        {"field": "country", "op": "matches", "value": r"(\w{99}){99}"},
        "rule.value: is no pattern that can be matched in linear time: it is too large",
    ),
    ({"field": "country", "op": "matches", "value": "a" * 501}, "rule.value: is longer than 500 letters"),
    ({"field": "country", "op": "domain_is", "value": "jo@x.org"}, "rule.value: expects a domain such as example.com"),
    ({"field": "country", "op": "length", "value": 3}, 'rule.value: expects one comparison such as {">=": 2}, got 3'),
    ({"field": "country", "op": "length", "value": {"<": -1}}, "rule.value.<: expects a whole number from 0"),
    ({"field": "age", "op": "above_mean_sd", "value": -1}, "rule.value: expects a number of standard deviations"),
    ({"field": "birth_date", "op": "this", "value": "decade"}, "rule.value: expects one of day, week, month"),
    (
        {"field": "birth_date", "op": "exactly_ago", "value": {"n": 3, "unit": "hours"}},
        'rule.value.unit: expects days or more, got "hours"; between_ago takes hours',
    ),
    (
        {"field": "birth_date", "op": "between_ago", "value": {"from": 5, "to": 3, "unit": "days"}},
        "rule.value: expects the smaller number first",
    ),
    ({"field": "birth_date", "op": "weekday", "value": [1, 8]}, "rule.value[1]: expects a whole number from 1 to 7"),
    ({"field": "birth_date", "op": "month_is", "value": 0}, "rule.value: expects a whole number from 1 to 12, got 0"),
    ({"field": "birth_date", "op": "hour_between", "value": [9, 24]}, "rule.value[1]: expects a whole number from 0"),
    ({"field": "birth_date", "op": "anniversary", "value": {"in_next": 367}}, "rule.value.in_next: expects a whole"),
    ({"field": "birth_date", "op": "anniversary", "value": "tomorrow"}, 'rule.value: expects "today", {"in_next"'),
    (
        {"field": "birth_date", "op": "on", "value": "2026-01-01", "leap": "mar1"},
        "rule.leap: is for anniversaries only",
    ),
    (
        {"field": "birth_date", "op": "anniversary", "value": "today", "leap": "mar2"},
        'rule.leap: expects "mar1" or "feb28", got "mar2"',
    ),
    ({**GERMAN, "value": {"field": "citi"}}, "rule.value: no field named 'citi'"),
    ({**GERMAN, "value": {"field": "age"}}, "rule.value.field: expects a field of type text, 'age' is of type number"),
    (
        {**GERMAN, "op": "any_of", "value": {"field": "attributes.plan"}},
        "rule.value: any_of compares with a value, not",
    ),
    ({**GERMAN, "value": {"field": "country", "offset_days": 1}}, "rule.value: no key 'offset_days' here"),
    (
        {"field": "birth_date", "op": "on", "value": {"field": "birth_date", "offset_days": 0.5}},
        "rule.value.offset_days: expects a whole number",
    ),
    (
        {"event": "Order Complete", "count": {">": 1}},
        "rule: no event named 'Order Complete'; did you mean 'Order Completed'?",
    ),
    ({"event": "Order Completed"}, "rule: needs exactly one of count, sum, avg, min, max, distinct, first, last"),
    ({**ORDERS, "first_ever": True}, "rule: needs exactly one of count"),
    ({**ORDERS, "where": []}, "rule.where: expects a list of conditions on the event, got []"),
    ({**ORDERS, "where": [{"any": []}]}, "rule.where[0]: expects a condition such as"),
    (
        {**ORDERS, "where": [{"field": "properties.totl", "op": ">", "value": 1}]},
        "rule.where[0]: no field named 'properties.totl'; did you mean 'properties.total'?",
    ),
    (
        {"event": "Page Viewed", "count": {">": 1}, "where": [{"field": "properties.total", "op": "has_value"}]},
        "rule.where[0]: no field named 'properties.total'",
    ),
    (
        {**ORDERS, "where": [{"field": "properties.coupon", "op": "is", "value": 5}]},
        "rule.where[0].value: expects a text, got 5",
    ),
    (
        {**ORDERS, "where": [{"field": "value", "op": "top_percent", "value": 5}]},
        "rule.where[0].op: top_percent compares customers, not events",
    ),
    ({**ORDERS, "where": [GERMAN]}, "rule.where[0]: no field named 'country'"),
    ({**ORDERS, "lines": "any"}, "rule.lines: needs a condition on product, category, quantity or price in 'where'"),
    ({**ORDERS, "lines": "some"}, 'rule.lines: expects one of any, all, none, got "some"'),
    (
        {**ORDERS, "lines": {"sum": "value", "compare": {">": 1}}},
        "rule.lines.sum: expects one of quantity, price, amount",
    ),
    (
        {"event": "Order Completed", "distinct": "coupon", "compare": {">": 0.5}},
        "rule.compare.>: expects a whole number",
    ),
    (
        {"event": "Order Completed", "sum": "coupon", "compare": {">": 1}},
        "rule.sum: expects a property of type number; coupon is text",
    ),
    (
        {"event": "Order Completed", "last": "coupon", "compare": {">": "A"}},
        'rule.compare: expects one of =, !=, got ">"',
    ),
    ({"event": "Order Completed", "resumed": {"for": WINDOW}}, "rule.resumed: no key 'for' here"),
    (
        {"event": "Order Completed", "regularly": {"at_least": 5, "of": 4, "period": "week"}},
        "rule.regularly.at_least: expects a whole number from 1 to 4, got 5",
    ),
    (
        {"event": "Order Completed", "regularly": {"at_least": 1, "of": 4, "period": "weeks"}},
        "rule.regularly.period: expects one of day, week",
    ),
    ({"event": "Order Completed", "trend": {"window": WINDOW}}, "rule.trend: 'ratio' is missing"),
    (
        {"event": "Order Completed", "overdue": {"times_usual_gap": 0}},
        "rule.overdue.times_usual_gap: expects a number above 0",
    ),
    ({"event": "Order Completed", "overdue": {"times_usual_gap": 2}, "within": WINDOW}, "rule: no key 'within' here"),
    ({"sequence": [ORDER]}, "rule.sequence: expects a list of 2 to 10 events"),
    ({"sequence": [ORDER, {"event": "Page Vewed"}]}, "rule.sequence[1]: no event named 'Page Vewed'; did you mean"),
    ({"sequence": [ORDER, {**ORDER, "count": {">": 1}}]}, "rule.sequence[1]: no key 'count' here"),
    ({"sequence": [{**ORDER, "not": True}] * 2}, "rule.sequence: needs an event without 'not'"),
    ({"sequence": [ORDER, {**ORDER, "not": 1}]}, "rule.sequence[1].not: expects true or false, got 1"),
    (
        {"sequence": [ORDER, ORDER], "gap": {"at_most": 2, "unit": "months"}},
        'rule.gap.unit: expects one of minutes, hours, days, weeks, got "months"',
    ),
    ({"segment": "vip", "entered": {"n": 7, "unit": "days"}}, "rule.entered: no key 'n' here"),
    ({"segment": "vip", "in_for": WINDOW}, "rule.in_for: no key 'last' here"),
    ({"segment": "vip", "op": "in", "left": WINDOW}, "rule: needs exactly one of op, entered, left, in_for"),
    ({**ORDERS, "count": {"=>": 2}}, 'rule.count: expects one of =, !=, >, >=, <, <=, between, got "=>"'),
    ({**ORDERS, "count": {">=": -1}}, "rule.count.>=: expects a whole number from 0"),
    ({**ORDERS, "count": {"between": [1, 2.5]}}, "rule.count.between[1]: expects a whole number from 0"),
    ({**ORDERS, "count": 2}, 'rule.count: expects one comparison such as {">=": 2}, got 2'),
    ({**ORDERS, "within": {"last": 7, "unit": "dais"}}, "rule.within.unit: expects one of minutes, hours, days"),
    ({**ORDERS, "within": {"last": 1.5, "unit": "days"}}, "rule.within.last: expects a whole number from 1"),
    ({**ORDERS, "within": {"last": 10**9, "unit": "years"}}, "rule.within.last: expects a whole number from 1 to 200"),
    ({**ORDERS, "within": {"this": "fortnight"}}, "rule.within.this: expects one of day, week, month, quarter, year"),
    ({**ORDERS, "within": {"this": "day", "last": 1}}, "rule.within: no key 'this' here"),
    (
        {**ORDERS, "within": {"from": "yesterday"}},
        'rule.within.from: expects a date such as 2026-01-31, got "yesterday"',
    ),
    ({**ORDERS, "within": {}}, "rule.within: expects a window such as"),
    ({**ORDERS, "within": None}, "rule.within: expects an object with"),
    (
        {"event": "Order Completed", "sum": "valeu", "compare": {">": 1}},
        "rule.sum: no property named \"valeu\" of this event; did you mean 'value'?",
    ),
    ({"event": "Order Completed", "sum": "value"}, "rule: 'compare' is missing"),
    ({"event": "Order Completed", "stopped": WINDOW}, "rule.stopped: no key 'last' here"),
    ({"segment": "vipp", "op": "in"}, "rule: no segment named 'vipp'; did you mean 'vip'?"),
    ({"segment": "vip", "op": "within"}, "rule.op: no operator 'within' for segments; there are in, not_in"),
    ({"sample": 101, "salt": "x"}, "rule.sample: expects a percentage above 0, at most 100, got 101"),
    ({"sample": 10}, "rule: 'salt' is missing"),
    ({"ids": []}, "rule.ids: expects a list of 1 to 100000 external ids"),
    ({"ids": ["a", 1]}, "rule.ids[1]: expects a text, got 1"),
    ({"fields": "country"}, "did you mean 'field'?"),
]


@pytest.mark.parametrize(("node", "message"), FAULTS, ids=[message[:60] for _, message in FAULTS])
def test_a_fault_names_its_place(node: Any, message: str) -> None:
    with pytest.raises(RuleError) as raised:
        rule_of(node)
    assert message in str(raised.value)
    assert str(raised.value) == f"{raised.value.path}: {raised.value.message}"


@pytest.mark.parametrize(
    "data", [None, [], GERMAN, {"version": 1}, {"rule": GERMAN}, {"version": 1, "rule": GERMAN, "x": 1}]
)
def test_the_envelope_is_complete(data: Any) -> None:
    with pytest.raises(RuleError, match=r"^rule: "):
        parse(data, FIELDS)


@pytest.mark.parametrize("version", [2, "1", True, None])
def test_another_version_of_the_language_is_refused(version: Any) -> None:
    with pytest.raises(RuleError, match=r"^version: expects 1, the version of the rule language, got "):
        parse({"version": version, "rule": GERMAN}, FIELDS)


def nested(depth: int) -> Any:
    return GERMAN if depth == 1 else {"not": nested(depth - 1)}


def test_a_rule_is_not_nested_without_end() -> None:
    assert rule_of(nested(MAX_DEPTH))
    with pytest.raises(RuleError, match=f"^rule{'.not' * MAX_DEPTH}: is nested more than {MAX_DEPTH} levels deep"):
        rule_of(nested(MAX_DEPTH + 1))


def test_a_rule_has_not_too_many_nodes() -> None:
    assert rule_of({"all": [GERMAN] * (MAX_NODES - 1)})
    with pytest.raises(RuleError, match=f"has more than {MAX_NODES} nodes"):
        rule_of({"all": [GERMAN] * MAX_NODES})


LARGE: list[tuple[Any, str]] = [
    ({"all": [GERMAN] * 10_000}, "rule.all[199]: has more than 200 nodes"),
    (nested(200), "is nested more than 8 levels deep"),
    ({"ids": ["c"] * 1_000_000}, "rule.ids: has 1000000 external ids; more than 100000 belong into an uploaded list"),
    ({"ids": [f"c-{i}" for i in range(99_999)] + [5]}, "rule.ids[99999]: expects a text, got 5"),
    ({**GERMAN, "field": "x" * 1_000_000}, f"rule: no field named '{'x' * 57}...'"),
    ({**GERMAN, "op": "x" * 1_000_000}, f"rule.op: no operator '{'x' * 57}...' for text"),
    ({**GERMAN, "x" * 1_000_000: 1}, f"rule: no key '{'x' * 57}...' here"),
    ({str(i): i for i in range(100_000)}, "rule: expects one of all, any, none"),
    ({**GERMAN, "value": {str(i): [i] for i in range(100_000)}}, 'rule.value: expects a text, got {"0": [0], "1": [1]'),
    ({**GERMAN, "op": "matches", "value": r"((\w{50}){50}){50}"}, "it is too large"),
]


@pytest.mark.parametrize(("node", "message"), LARGE, ids=[message[:40] for _, message in LARGE])
def test_what_is_far_too_large_is_refused_at_once(node: Any, message: str) -> None:
    began = time.process_time()
    with pytest.raises(RuleError) as raised:
        rule_of(node)
    assert time.process_time() - began < 1
    assert message in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_value_nested_without_end_is_shown_in_part() -> None:
    value: Any = "x"
    for _ in range(50_000):
        value = [value]
    with pytest.raises(RuleError, match=r"rule\.value: expects a text, got \[\["):
        rule_of({**GERMAN, "value": value})


def test_a_pattern_that_explodes_elsewhere_is_matched_in_linear_time() -> None:
    people = [person(1, country="a" * 50_000 + "b"), person(2, country="a" * 50_000)]
    began = time.process_time()
    assert matching({"field": "country", "op": "matches", "value": "^(a+)+$"}, World(people, AS_OF)) == [2]
    assert time.process_time() - began < 1


def test_a_segment_that_would_depend_on_itself_is_refused_by_name() -> None:
    data = {"version": 1, "rule": {"any": [GERMAN, {"segment": "first", "op": "in"}]}}
    assert parse(data, FIELDS, "another")
    with pytest.raises(RuleError) as raised:
        parse(data, FIELDS, "third")
    assert str(raised.value) == "rule.any[1]: segment 'third' would depend on itself: third → first → second → third"
    with pytest.raises(RuleError, match="would depend on itself: vip → vip"):
        parse({"version": 1, "rule": {"segment": "vip", "op": "in"}}, FIELDS, "vip")


def test_a_rule_says_what_it_needs() -> None:
    top = {"field": "scores.lapse", "op": "top_percent", "value": 10}
    found = needs(rule_of({"all": [GERMAN, top, ORDERS, {"not": {"segment": "vip", "op": "in"}}, {"ids": ["a"]}]}))
    assert found.columns == {"country", "scores.lapse", "external_id"}
    assert found.events == {"Order Completed"}
    assert found.segments == {"vip"}
    assert [(one.field.name, one.op, one.value) for one in found.cuts] == [("scores.lapse", "top_percent", 10.0)]


def test_a_rule_needs_the_other_field_and_the_customers_zone() -> None:
    other = {"field": "birth_date", "op": "on", "value": {"field": "attributes.since"}, "zone": "customer"}
    assert needs(rule_of(other)).columns == {"birth_date", "attributes.since", "time_zone"}


def test_parsed_rules_are_values() -> None:
    assert rule_of(GERMAN) == rule_of(dict(GERMAN))
    assert hash(rule_of({"all": [ORDERS, GERMAN]}))
    root = rule_of(GERMAN).root
    assert isinstance(root, Condition)
    with pytest.raises(AttributeError):
        root.op = "is_not"  # type: ignore[misc]
