"""Why customers entered and left is told by the values that turned the rule's answer."""

from datetime import timedelta

import polars as pl
import pytest

from segments import definition, movement
from segments.models import MembershipChange, Segment
from tests.segments.crowd import AS_OF, GERMAN, HOUR, cycle, people, saved

pytestmark = [pytest.mark.django_db]
DAY = timedelta(days=1)
BUYS = {"field": "features.orders_90d", "op": ">=", "value": 3}


def told(segment: Segment, *, has_values: bool = True) -> dict[str, str]:
    """Give what is said of each move after the first cycle."""
    changes = list(MembershipChange.objects.filter(segment=segment, as_of__gt=AS_OF).order_by("customer_id"))
    said = movement.reasons(segment, changes, has_values=has_values)
    return {f"{one.customer.external_id} {one.kind}": text for one, text in zip(changes, said, strict=True)}


def test_the_value_that_changed_is_told() -> None:
    segment = saved("german")
    cycle(frame := people("DE", "FR", "DE"))
    cycle(frame.with_columns(pl.Series("country", ["AT", "DE", "DE"])), AS_OF + DAY)
    assert told(segment) == {"c-0 left": "country: DE → AT", "c-1 entered": "country: FR → DE"}
    assert {*told(segment, has_values=False).values()} == {movement.DATA}


def test_only_conditions_whose_answer_turned_are_told() -> None:
    segment = saved("german-buyers", {"all": [GERMAN, {"not": {"any": [BUYS]}}]})
    cycle(frame := people("DE", "FR").with_columns(pl.Series("features.orders_90d", [2, 9])))
    cycle(frame.with_columns(pl.Series("features.orders_90d", [4, 8])), AS_OF + DAY)
    assert told(segment) == {"c-0 left": "Orders in 90 days: 2 → 4"}


def test_who_fell_below_a_cut_that_moved_is_told_so() -> None:
    segment = saved("most", {"field": "features.orders_90d", "op": "top_n", "value": 1})
    cycle(frame := people("DE", "FR").with_columns(pl.Series("features.orders_90d", [5, 2])))
    cycle(frame.with_columns(pl.Series("features.orders_90d", [5, 7])), AS_OF + DAY)
    assert told(segment) == {
        "c-0 left": "no longer: Orders in 90 days is among the 1 highest",
        "c-1 entered": "Orders in 90 days: 2 → 7",
    }


def test_a_move_between_two_snapshots_is_told_by_those_around_it() -> None:
    segment = saved("german")
    cycle(frame := people("DE", "FR"))
    moved = frame.with_columns(pl.Series("country", ["DE", "DE"]))
    cycle(moved, AS_OF + DAY)
    MembershipChange.objects.filter(as_of=AS_OF + DAY).update(as_of=AS_OF + HOUR)
    assert told(segment) == {"c-1 entered": "country: FR → DE"}


def test_what_an_earlier_rule_did_is_not_told_by_the_rule_of_now() -> None:
    segment = saved("german")
    cycle(frame := people("DE", "FR"))
    cycle(frame.with_columns(pl.Series("country", ["DE", "DE"])), AS_OF + DAY)
    segment.rule = {"version": 1, "rule": {"not": GERMAN}}
    definition.save(segment, None, AS_OF + 2 * DAY)
    assert told(segment) == {"c-1 entered": movement.DATA}
