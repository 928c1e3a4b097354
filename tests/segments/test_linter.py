"""Every lint has a rule that it finds and one that it lets pass."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from segments import leaves
from segments.linter import Facts, Finding, lint
from tests.segments.slow.rows import Person, World
from tests.segments.world import AS_OF, context_of, frame_of, person, rule_of

FACTS = Facts(
    seconds=0.02,
    cycle=timedelta(hours=1),
    events={"Order Completed"},
    properties={"Order Completed": {"coupon"}},
    live={"lapse"},
    bands={"lapse": [{"name": "low", "from": 0.0}, {"name": "high", "from": 0.7}]},
)
GERMAN = {"field": "country", "op": "is", "value": "DE"}
AUSTRIAN = {"field": "country", "op": "is", "value": "AT"}
SPENT = "features.spend_90d"


def crowd(count: int = 100) -> list[Person]:
    """Give customers of whom half are German, and every second of these spends; the others have no plan."""
    return [
        person(
            n,
            country="DE" if n % 2 else "AT" if n % 4 else None,
            features__spend_90d=float(n % 40),
            attributes__plan=str(n % 3) if n % 2 else None,
            scores__lapse=n / 100,
            scores__lapse__band="high" if n > 70 else "low",
            attributes__contact="x" if n < 3 else None,
        )
        for n in range(1, count + 1)
    ]


def findings(node: Any, facts: Facts = FACTS, people: Sequence[Person] = ()) -> list[Finding]:
    world = World([*people] or crowd(), AS_OF, segments={"vip": GERMAN})
    frame, context = frame_of(world.people), context_of(world, node)
    return lint(leaves.read(rule_of(node), frame, context), frame, context, facts)


def kinds(node: Any, facts: Facts = FACTS, people: Sequence[Person] = ()) -> set[str]:
    return {one.kind for one in findings(node, facts, people)}


def number(op: str, value: Any, field: str = SPENT) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def orders(op: str, value: int, **more: Any) -> dict[str, Any]:
    return {"event": "Order Completed", "count": {op: value}, **more}


def last(n: int, unit: str) -> dict[str, Any]:
    return orders(">=", 1, within={"last": n, "unit": unit})


FAILING: list[tuple[str, Any]] = [
    ("missing_value", {"field": "attributes.plan", "op": "is", "value": "1", "missing": "include"}),
    ("missing_value", {"not": {"field": "attributes.plan", "op": "any_of", "value": ["1", "2"]}}),
    ("contradiction", {"all": [GERMAN, AUSTRIAN]}),
    ("contradiction", {"all": [number(">", 30), number("<=", 30)]}),
    ("contradiction", {"all": [number("=", 3), number("between", [4, 5])]}),
    ("contradiction", {"all": [orders(">=", 3), orders("<", 3)]}),
    ("contradiction", {"all": [{"field": "country", "op": "has_value"}, {"field": "country", "op": "no_value"}]}),
    ("contradiction", {"all": [GERMAN, {"not": {"field": "attributes.plan", "op": "has_value"}}]}),
    ("always_true", {"any": [number(">", 10), number("<=", 20)]}),
    ("always_true", orders(">=", 0)),
    ("always_true", {"all": [GERMAN, {"any": [orders("<", 3), orders(">=", 3)]}]}),
    ("short_window", last(30, "minutes")),
    ("short_window", {"field": "attributes.since", "op": "in_last", "value": {"n": 10, "unit": "minutes"}}),
    ("hardly_filled", {"field": "attributes.contact", "op": "is", "value": "x"}),
    ("never_seen", {"event": "Page Viewed", "count": {">=": 1}}),
    ("numeric_text", {"field": "attributes.plan", "op": "is", "value": "1"}),
    ("overlapping_bands", {"any": [number("between", [10, 20]), number("between", [20, 30])]}),
]
PASSING: list[tuple[str, Any]] = [
    ("missing_value", {"field": "country", "op": "is", "value": "DE", "missing": "include"}),
    ("missing_value", {"field": "attributes.plan", "op": "no_value"}),
    ("contradiction", {"all": [number(">=", 30), number("<=", 30)]}),
    ("contradiction", {"all": [GERMAN, number(">", 5)]}),
    ("contradiction", {"any": [GERMAN, AUSTRIAN]}),
    ("contradiction", {"all": [orders(">=", 3), orders("<", 3, within={"last": 7, "unit": "days"})]}),
    ("always_true", {"any": [number(">", 20), number("<=", 10)]}),
    ("always_true", orders(">=", 1)),
    ("short_window", last(1, "days")),
    ("short_window", orders(">=", 1)),
    ("hardly_filled", {"field": "attributes.plan", "op": "is", "value": "x"}),
    ("never_seen", orders(">=", 1)),
    ("numeric_text", GERMAN),
    ("numeric_text", {"field": "attributes.plan", "op": "contains", "value": "1"}),
    ("numeric_text", {"field": "country", "op": "is", "value": "49"}),
    ("no_live_model", number(">", 0.5, "scores.lapse")),
    ("overlapping_bands", {"any": [number("between", [10, 19]), number("between", [20, 30])]}),
    ("overlapping_bands", {"field": "scores.lapse.band", "op": "is", "value": "high"}),
    ("too_slow", GERMAN),
    ("same_as_segment", GERMAN),
]


@pytest.mark.parametrize(("kind", "node"), FAILING)
def test_it_is_found(kind: str, node: Any) -> None:
    assert kind in kinds(node)


@pytest.mark.parametrize(("kind", "node"), PASSING)
def test_it_passes(kind: str, node: Any) -> None:
    assert kind not in kinds(node)


def test_a_plain_rule_has_nothing_odd() -> None:
    assert findings({"all": [GERMAN, number(">", 5)]}) == []


def test_findings_tell_the_place_and_the_figures() -> None:
    plan = {"field": "attributes.plan", "op": "any_of", "value": ["one", "2"]}
    assert findings({"all": [number(">", 5), {"not": {**plan, "value": ["0", "2"]}}]})[0] == Finding(
        "rule.all[1].not", "missing_value", "75 % of those who match (42) do so only because plan is not known."
    )
    assert findings({"all": [GERMAN, AUSTRIAN]}) == [
        Finding("rule", "contradiction", "Nobody can match: country is DE and country is AT exclude each other.")
    ]
    contact = {"field": "attributes.contact", "op": "has_value"}
    assert findings(contact) == [
        Finding("rule", "hardly_filled", "Only 2 % of the customers (2) have a value of contact.")
    ]


def test_of_a_few_customers_nothing_is_concluded() -> None:
    assert kinds(GERMAN, people=[person(1, country="DE"), person(2, country="DE")]) == set()


def test_a_score_without_a_live_model_is_found() -> None:
    rule = number(">", 0.5, "scores.lapse")
    (found,) = findings(rule, replace(FACTS, live=set()))
    assert found == Finding(
        "rule",
        "no_live_model",
        "lapse score has no live model: 100 customers have one from before, nobody gets a new one.",
    )


@pytest.mark.parametrize(
    "bands",
    [
        [{"name": "low", "from": 0.0}, {"name": "high", "from": 0.0}],
        [{"name": "high", "from": 0.7}, {"name": "low", "from": 0.0}],
        [{"name": "low", "from": 0.0}, {"name": "top", "from_percentile": 90}],
    ],
)
def test_bands_that_overlap_are_found(bands: list[dict[str, Any]]) -> None:
    rule = {"field": "scores.lapse.band", "op": "is", "value": "high"}
    assert "overlapping_bands" in kinds(rule, replace(FACTS, bands={"lapse": bands}))


def test_a_rule_that_takes_long_is_found_with_its_time() -> None:
    (found,) = findings(GERMAN, replace(FACTS, seconds=1.34))
    assert found == Finding(
        "rule", "too_slow", "This took 1.3 seconds for 100 customers; a rule should take less than 1."
    )


def test_a_segment_with_the_same_customers_is_named() -> None:
    asked: list[int] = []

    def shared(key: str, customers: list[int]) -> float:
        asked.extend(customers)
        return {"near": 0.99, "far": 0.5}[key]

    facts = replace(FACTS, sizes={"near": 50, "far": 50, "large": 80}, shared=shared)
    (found,) = findings(GERMAN, facts)
    assert found.kind == "same_as_segment"
    assert found.text == "These are the customers of segment 'near': 50 here, 50 there, 99% the same."
    assert {one % 2 for one in asked} == {1}


def test_a_property_that_was_never_told_is_found() -> None:
    rule = {
        "event": "Order Completed",
        "count": {">=": 1},
        "where": [{"field": "properties.coupon", "op": "is", "value": "x"}],
    }
    assert kinds(rule) == set()
    (found,) = findings(rule, replace(FACTS, properties={}))
    assert found == Finding("rule", "never_seen", "No Order Completed ever had a property coupon: 0 so far.")
