"""Labels look only forward, populations only back, and nothing known later counts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from customers import bulk
from scoring import labels, populations
from scoring.conditions import Events
from scoring.models import Target
from scoring.populations import NO_CHANGES, RECENCY, History
from tests.scoring import slow_labels
from tests.scoring.slow_labels import Event, Person
from tests.scoring.worlds import AS_OF, DAY, people

T = AS_OF - 100 * DAY
SECOND = timedelta(seconds=1)
NAMES = ("buy", "mail")
PLANS = ("basic", "gold")
TARGETS = [
    {"kind": "event", "event": "buy"},
    {"kind": "no_event", "event": "buy"},
    {"kind": "event", "event": "buy", "who": [{"did": "mail", "days": 90}]},
    {"kind": "event", "event": "buy", "who": [{"did": "mail", "days": 365}, {"not_yet_days": 30}]},
    {"kind": "event", "event": "mail", "who": [{"attribute": "plan", "equals": "gold"}]},
    {"kind": "becomes", "attribute": "plan", "equals": "gold"},
    {"kind": "becomes", "attribute": "plan", "equals": "gold", "who": [{"did": "buy", "days": 200}]},
    {"kind": "spend", "event": "buy"},
    {"kind": "next", "event": "buy"},
    {"kind": "high_value", "event": "buy"},
    {"kind": "high_value", "event": "buy", "who": [{"below_spend_percentile": 50}]},
]
ages = some.integers(-80, 500)
events_of_one = some.tuples(
    some.sampled_from(NAMES), ages, some.sampled_from((0, 0, 0, 40)), some.sampled_from((0, 5, 5, 8, 20))
)
plans_of_one = some.tuples(ages, some.sampled_from(PLANS))
persons = some.tuples(some.lists(events_of_one, max_size=6), some.lists(plans_of_one, max_size=3))


def person(events: list[tuple[str, int, int, int]], plans: list[tuple[int, str]]) -> Person:
    made = [Event(name, T - age * DAY, T - (age - late) * DAY, float(value)) for name, age, late, value in events]
    return Person(made, sorted({T - age * DAY: plan for age, plan in plans}.items()))


def told(of_people: Mapping[int, Person]) -> History:
    rows = [(i, e.name, e.occurred_at, e.known_at, e.value) for i, one in of_people.items() for e in one.events]
    times = {"occurred_at": bulk.UTC_MICROSECONDS, "known_at": bulk.UTC_MICROSECONDS}
    schema: bulk.Schema = {"customer_id": pl.Int64, "name": pl.String, **times, "value": pl.Float64}
    events = pl.DataFrame(rows, schema=schema, orient="row")
    changes = [(i, plan, at) for i, one in of_people.items() for at, plan in one.plans]
    return History(
        {Events(name): events.filter(pl.col("name") == name).drop("name") for name in NAMES},
        pl.DataFrame(changes, schema=dict(NO_CHANGES.schema), orient="row"),
    )


def labelled(target: Target, of_people: Mapping[int, Person], t: datetime = T) -> dict[int, Any]:
    frame = people(len(of_people)).with_columns(
        pl.Series("attributes.plan", [one.plan(t) for one in of_people.values()], dtype=pl.String)
    )
    found = labels.label(target, frame, told(of_people), t)
    assert found["as_of"].unique().to_list() in ([t], [])
    return dict(found.select("customer_id", "label").iter_rows())


@settings(max_examples=25, deadline=None)
@given(some.lists(persons, min_size=1, max_size=8), some.sampled_from(TARGETS), some.sampled_from((1, 30, 365)))
def test_labels_agree_with_the_slow_reference(drawn: list[Any], meant: dict[str, Any], days: int) -> None:
    of_people = {i: person(*one) for i, one in enumerate(drawn, start=1)}
    target = Target(**{"event": "", **meant}, horizon_days=days)
    found, expected = labelled(target, of_people), slow_labels.labels(target, of_people, T)
    assert found.keys() == expected.keys()
    assert [found[i] for i in sorted(found)] == pytest.approx([expected[i] for i in sorted(expected)])


def test_a_label_is_what_happened_after_t_up_to_the_horizon() -> None:
    ends = [T, T + SECOND, T + 30 * DAY, T + 30 * DAY + SECOND]
    before = Event("buy", T - DAY, T - DAY, 1.0)
    of_people = {i: Person([before, Event("buy", at, at, 1.0)]) for i, at in enumerate(ends, start=1)} | {5: Person()}
    target = Target(kind="event", event="buy", horizon_days=30)
    assert labelled(target, of_people) == {1: False, 2: True, 3: True, 4: False}


def test_the_population_did_it_in_the_year_before_as_known_then_and_recency_says_when() -> None:
    ages = {1: (364, 364), 2: (365, 365), 3: (1, -1), 4: (-1, -1)}
    of_people = {i: Person([Event("buy", T - a * DAY, T - k * DAY, 1.0)]) for i, (a, k) in ages.items()}
    found = labels.label(Target(kind="event", event="buy", horizon_days=30), people(5), told(of_people), T)
    assert found.select("customer_id", RECENCY).rows() == [(1, 364.0)]


def test_who_never_did_it_has_no_recency_and_who_did_not_do_it_again_is_censored() -> None:
    of_people = {
        1: Person([Event("mail", T - DAY, T, 0.0), Event("buy", T + 6 * DAY, T + 6 * DAY, 9.0)]),
        2: Person([Event("mail", T - DAY, T, 0.0)]),
    }
    target = Target(kind="next", event="buy", who=[{"did": "mail", "days": 30}], horizon_days=30)
    found = labels.label(target, people(2), told(of_people), T)
    assert found.select("label", "censored", RECENCY).rows() == [(6.0, False, None), (None, True, None)]


def test_anything_that_customers_do_counts_as_active_and_what_we_do_does_not() -> None:
    rows = {"buy": 1, "Email Sent": 2, "Control Assigned": 3, "Email Opened": 4}
    events = pl.DataFrame(
        [(number, name, T - DAY, T - DAY, None) for name, number in rows.items()],
        schema={
            "customer_id": pl.Int64,
            "name": pl.String,
            "occurred_at": bulk.UTC_MICROSECONDS,
            "known_at": bulk.UTC_MICROSECONDS,
            "value": pl.Float64,
        },
        orient="row",
    )

    class OneLake:
        def events(self, _scope: object) -> pl.LazyFrame:
            return events.lazy()

    found = populations.read_events([Events("*"), Events("buy")], OneLake(), None, T)  # type: ignore[arg-type]
    assert found[Events("*")]["customer_id"].to_list() == [1, 4]
    assert found[Events("buy")]["value"].to_list() == [0.0]
