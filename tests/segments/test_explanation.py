"""An explanation shows every node with the value seen, and the nearest change, which turns the rule when it is made."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from segments.explanation import Explanation, explain
from segments.rules import mask
from tests.segments.random_rules import ALONE, TREES
from tests.segments.random_worlds import worlds
from tests.segments.slow.rows import Person, World
from tests.segments.world import AS_OF, context_of, event, frame_of, person, rule_of

DAY = timedelta(days=1)
GERMAN = {"field": "country", "op": "is", "value": "DE"}
SPENDS = {"field": "features.spend_90d", "op": ">", "value": 5}
ORDERS = {"field": "features.orders_90d", "op": ">=", "value": 2}
BUYER = {"event": "Order Completed", "count": {">=": 3}, "within": {"last": 30, "unit": "days"}}


def explained(node: Any, one: Person, others: Sequence[Person] = (), **segments: Any) -> Explanation:
    """Explain a rule for the first of some people: the others count where it compares with all."""
    world = World([one, *others], AS_OF, segments=segments)
    return explain(rule_of(node), frame_of([one]), context_of(world, node))


def nearest(node: Any, one: Person, others: Sequence[Person] = (), **segments: Any) -> list[str]:
    """Give the nearest change in words, having made it and seen that it turns the rule."""
    found = explained(node, one, others, **segments)
    context = context_of(World([one, *others], AS_OF, segments=segments), node)
    if all(move.field for move in found.nearest) and found.nearest:
        assert bool(mask(rule_of(node), changed(frame_of([one]), found), context)[0]) is not found.root.holds
    return [move.text for move in found.nearest]


def changed(frame: pl.DataFrame, found: Explanation) -> pl.DataFrame:
    """Give the customer's row with the nearest change made."""
    moved = {move.field.name: move.value for move in found.nearest if move.field}
    return frame.with_columns(pl.Series(name, [value], frame.schema[name]) for name, value in moved.items())


def test_it_shows_every_node_with_the_value_seen_and_the_threshold() -> None:
    node = {"all": [SPENDS, {"not": GERMAN}, {"event": "Order Completed", "count": {">=": 1}}, ORDERS]}
    found = explained(node, person(1, event(AS_OF), event(AS_OF - DAY), features__spend_90d=3.0))
    spend, opposite, order, orders = found.root.parts
    assert not found.root.holds
    assert (spend.path, spend.holds, spend.seen, spend.threshold) == ("rule.all[0]", False, 3.0, "is more than 5")
    assert spend.sentence == "spend in 90 days is more than 5"
    assert (opposite.holds, opposite.parts[0].holds, opposite.parts[0].has_value) == (True, False, False)
    assert (order.holds, order.seen, order.threshold) == (True, 2, "is 1 or more")
    assert [orders.as_json()["answer"], spend.as_json()["answer"], order.as_json()["answer"]] == [
        "no value",
        "false",
        "true",
    ]
    assert found.root.as_json()["parts"][1]["parts"][0]["path"] == "rule.all[1].not"


def test_no_events_are_counted_as_none_and_averaged_as_no_value() -> None:
    average = {"event": "Order Completed", "avg": "value", "compare": {">": 1}}
    count, mean = explained({"any": [BUYER, average]}, person(1)).root.parts
    assert (count.seen, count.has_value) == (0, True)
    assert (mean.seen, mean.has_value) == (None, False)


@pytest.mark.parametrize(
    ("node", "values", "expected"),
    [
        (SPENDS, {"features__spend_90d": 3.0}, "spend in 90 days: 3 → 5.01"),
        (SPENDS, {"features__spend_90d": 7.0}, "spend in 90 days: 7 → 5"),
        (SPENDS, {}, "spend in 90 days: no value → 5.01"),
        (ORDERS, {"features__orders_90d": 0}, "orders in 90 days: 0 → 2"),
        (ORDERS, {"features__orders_90d": 9}, "orders in 90 days: 9 → 1"),
        (GERMAN, {"country": "FR"}, "country: FR → DE"),
        (GERMAN, {"country": "de"}, "country: de → something else"),
        ({"field": "country", "op": "no_value"}, {"country": "AT"}, "country: AT → no value"),
        ({"field": "attributes.plan", "op": "starts", "value": "go"}, {"attributes__plan": "x"}, "plan: x → go"),
        ({"field": "consent.email.news", "op": "is_true"}, {}, "consent to E-mail, news: no value → yes"),
        (
            {"field": "attributes.since", "op": "before", "value": "2026-01-01"},
            {"attributes__since": AS_OF},
            "customer since: 2026-05-20 12:00 → 2025-12-31 23:59",
        ),
        (
            {"field": "birth_date", "op": "month_is", "value": [6]},
            {"birth_date": date(1990, 5, 28)},
            "birth date: 1990-05-28 → 1990-06-01",
        ),
        (
            {"field": "birth_date", "op": "anniversary", "value": "today"},
            {"birth_date": date(1990, 1, 1)},
            "birth date: 1990-01-01 → 1990-05-20",
        ),
        (
            {"field": "attributes.tags", "op": "all_of", "value": ["a", "b"]},
            {"attributes__tags": ["A", "c"]},
            "tags: [A, c] → [A, c, b]",
        ),
        (
            {"field": "attributes.tags", "op": "none_of", "value": ["a"]},
            {"attributes__tags": ["A", "c"]},
            "tags: [A, c] → [c]",
        ),
        (
            {"field": "features.spend_90d", "op": ">", "value": {"field": "features.orders_90d"}},
            {"features__spend_90d": 1.0, "features__orders_90d": 4},
            "spend in 90 days: 1 → 4.01",
        ),
    ],
)
def test_the_nearest_change_of_one_condition(node: Any, values: dict[str, Any], expected: str) -> None:
    assert nearest(node, person(1, **values)) == [expected]


def test_the_line_of_a_comparison_with_everybody_is_the_cut() -> None:
    others = [person(n, features__spend_90d=float(n)) for n in range(2, 12)]
    top = {"field": "features.spend_90d", "op": "top_percent", "value": 20}
    assert nearest(top, person(1, features__spend_90d=1.0), others) == ["spend in 90 days: 1 → 9"]


def test_all_needs_every_false_part_and_is_undone_by_one() -> None:
    both = {"all": [GERMAN, SPENDS]}
    assert nearest(both, person(1, country="FR", features__spend_90d=1.0)) == [
        "spend in 90 days: 1 → 5.01",
        "country: FR → DE",
    ]
    assert nearest(both, person(1, country="DE", features__spend_90d=5.1)) == ["spend in 90 days: 5.1 → 5"]


def test_any_needs_its_nearest_part_and_is_undone_by_every_true_one() -> None:
    either = {"any": [GERMAN, SPENDS]}
    assert nearest(either, person(1, country="FR", features__spend_90d=4.9)) == ["spend in 90 days: 4.9 → 5.01"]
    assert len(nearest(either, person(1, country="DE", features__spend_90d=9.0))) == 2


def test_not_and_none_are_turned_by_what_they_forbid() -> None:
    assert nearest({"not": GERMAN}, person(1, country="DE")) == ["country: DE → something else"]
    neither = {"none": [GERMAN, SPENDS]}
    assert nearest(neither, person(1, country="FR", features__spend_90d=4.9)) == ["spend in 90 days: 4.9 → 5.01"]
    assert len(nearest(neither, person(1, country="DE", features__spend_90d=9.0))) == 2


def test_at_least_needs_only_as_many_as_are_missing() -> None:
    two = {"at_least": 2, "of": [GERMAN, SPENDS, ORDERS, {"field": "attributes.plan", "op": "is", "value": "gold"}]}
    one = person(1, country="FR", features__spend_90d=4.9, features__orders_90d=1, attributes__plan="x")
    assert nearest(two, one) == ["spend in 90 days: 4.9 → 5.01", "orders in 90 days: 1 → 2"]
    assert len(nearest(two, person(1, country="DE", features__spend_90d=4.9))) == 1


def test_one_value_that_serves_two_conditions_is_one_change() -> None:
    ages = {
        "all": [
            {"field": "features.spend_90d", "op": ">=", "value": 5},
            {"field": "features.spend_90d", "op": "!=", "value": 5},
        ]
    }
    assert nearest(ages, person(1, features__spend_90d=1.0)) == ["spend in 90 days: 1 → 5.01"]
    deep = {"all": [{"any": [GERMAN, {"field": "country", "op": "is", "value": "AT"}]}, {"not": GERMAN}]}
    assert nearest(deep, person(1, country="FR")) == ["country: FR → AT"]


def test_what_can_never_hold_has_no_nearest_change() -> None:
    never = {"all": [GERMAN, {"field": "country", "op": "is", "value": "AT"}]}
    assert nearest(never, person(1, country="FR")) == []
    assert nearest({"ids": ["c-9"]}, person(1)) == []


def test_so_many_more_events_turn_a_count() -> None:
    orders = [event(AS_OF - DAY)]
    assert nearest(BUYER, person(1, *orders)) == ["Order Completed in the last 30 days: 1 → 3"]
    world = World([person(1, *orders, *[event(AS_OF - 2 * DAY)] * 2)], AS_OF)
    assert mask(rule_of(BUYER), frame_of(world.people), context_of(world, BUYER)).to_list() == [True]
    many = person(1, *[event(AS_OF - DAY, value=40.0)] * 5)
    assert nearest(BUYER, many) == ["Order Completed in the last 30 days: 5 → 2"]
    spent = {"event": "Order Completed", "sum": "value", "compare": {"<": 100}}
    assert nearest(spent, many) == ["sum value of Order Completed ever: 200 → 99.99"]


def test_other_segments_and_lists_are_turned_as_they_are() -> None:
    rule = {"all": [{"segment": "vip", "op": "in"}, GERMAN]}
    assert nearest(rule, person(1, country="DE"), vip=SPENDS) == ["in segment vip"]
    rich = person(1, country="DE", features__spend_90d=9.0)
    assert nearest(rule, rich, vip=SPENDS) == ["country: DE → something else"]


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(worlds(ALONE), TREES, st.integers(0, 8))
def test_the_nearest_change_turns_the_mask(world: World, node: Any, number: int) -> None:
    one = frame_of([world.people[number % len(world.people)]])
    context = context_of(world, node)
    found = explain(rule_of(node), one, context)
    assert found.root.holds is bool(mask(rule_of(node), one, context)[0])
    if found.nearest and all(move.field for move in found.nearest):
        assert bool(mask(rule_of(node), changed(one, found), context)[0]) is not found.root.holds
