"""The leakage guard names what knows the outcome, and leaves alone what is merely strong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoring import guard, report
from scoring.report import Guarded, Suspect
from scoring.training_set import TrainingSet
from tests.scoring.leaks import World, shoppers, subscribers
from tests.scoring.worlds import AS_OF, DAY, attribute_set, people

COUNT = 1500
Made = tuple[np.random.Generator, Any, Any]


def kinds(suspects: list[Suspect]) -> dict[str, str]:
    return {one["field"]: one["kind"] for one in suspects}


def honest() -> Made:
    """Give a generator, two facts of customers, and who leaves."""
    rng = np.random.default_rng(5)
    one, two = rng.normal(size=COUNT), rng.normal(size=COUNT)
    return rng, np.array([one, two]), rng.random(COUNT) < 1 / (1 + np.exp(1 - one - two))


def with_field(values: Any, made: Made) -> TrainingSet:
    """Give a training set of two honest fields and one other."""
    _, facts, leaves = made
    columns = {"attributes.one": facts[0], "attributes.two": facts[1], "attributes.other": values}
    return attribute_set(people(COUNT, 1, columns).fill_nan(None), leaves)


def look(values: Any, made: Made) -> Guarded:
    return guard.look(with_field(values, made), 0)


@pytest.mark.parametrize("make", [subscribers, shoppers])
def test_every_planted_leak_is_found_and_no_honest_field_is_blocked(make: Callable[[int, int], World]) -> None:
    world = make(1200, 1)
    found = guard.look(world.examples, 0)
    leaks = {field for field, kind in world.planted.items() if kind != "time"}
    assert set(kinds(found["blocked"])) == leaks
    time_only = {field for field, kind in kinds(found["warned"]).items() if kind == report.TIME_ONLY}
    assert time_only == set(world.planted) - leaks


def test_a_field_that_alone_ranks_without_fault_is_named_with_what_to_do() -> None:
    made = honest()
    rng, _, leaves = made
    (suspect,) = look(leaves + rng.normal(0, 0.3, COUNT), made)["blocked"]
    assert suspect["kind"] == guard.TOO_GOOD
    assert suspect["figure"] > 0.95
    assert suspect["why"].startswith("other alone ranks customers nearly without fault")
    assert suspect["why"].endswith("It is not read. If it is known in time, vouch for it at the target.")


def test_a_field_that_is_emptied_for_those_who_leave_is_blocked() -> None:
    made = honest()
    rng, _, leaves = made
    renewal = np.where(leaves & (rng.random(COUNT) < 0.5), np.nan, rng.normal(size=COUNT))
    (suspect,) = look(renewal, made)["blocked"]
    assert suspect["kind"] == guard.FILLED_AFTER
    assert "of those of whom it came true and 100 % of the others" in suspect["why"]


def test_a_strong_field_a_rare_value_and_a_field_with_gaps_are_no_leaks() -> None:
    made = honest()
    rng, facts, leaves = made
    values = [
        facts.sum(axis=0) + rng.normal(0, 2, COUNT),
        np.where(leaves & (rng.random(COUNT) < 0.05), "four", rng.choice(["one", "two"], COUNT)),
        np.where(rng.random(COUNT) < 0.1 + 0.2 * leaves, np.nan, rng.normal(size=COUNT)),
    ]
    for one in values:
        assert look(one, made) == {"blocked": [], "warned": []}


def test_numbers_of_customers_are_blocked_where_their_order_tells_the_outcome_and_only_there() -> None:
    made = honest()
    rng, _, leaves = made
    place = np.argsort(np.argsort(leaves + rng.normal(0, 2, COUNT)))
    assert kinds(look(place, made)["blocked"]) == {"attributes.other": guard.ID}
    assert kinds(look(40_000_000 + 10_000 * place, made)["blocked"]) == {"attributes.other": guard.ID}
    assert look(rng.permutation(place), made)["blocked"] == []
    assert look(np.round(100 * np.exp(leaves + rng.normal(3, 2, COUNT))), made)["blocked"] == []


def test_dates_after_the_time_are_blocked_where_nothing_says_when_they_were_known() -> None:
    made = honest()
    rng, _, leaves = made
    days = np.where(leaves & (rng.random(COUNT) < 0.5), 20, -20) + rng.integers(0, 10, COUNT)
    examples = with_field([(AS_OF + int(day) * DAY).date() for day in days], made)
    told = guard.look(examples, 0)
    assert (kinds(told["blocked"]), kinds(told["warned"])) == ({}, {"attributes.other": guard.PLAN})
    undated = TrainingSet(examples.frame, examples.validated, timeless=frozenset({"attributes.other"}))
    assert kinds(guard.look(undated, 0)["blocked"]) == {"attributes.other": guard.FUTURE_DATE}


def test_what_is_vouched_for_is_read_and_still_named() -> None:
    made = honest()
    examples = with_field(made[2] + made[0].normal(0, 0.3, COUNT), made)
    found = guard.look(replace(examples, vouched=frozenset({"attributes.other"})), 0)
    assert found["blocked"] == []
    assert kinds(found["warned"]) == {"attributes.other": guard.ALLOWED}
    assert found["warned"][0]["why"].endswith("It is read, as you vouch for it.")
    assert guard.look(examples.but(["attributes.other"]), 0) == {"blocked": [], "warned": []}


def test_a_field_told_twice_is_blocked_twice() -> None:
    made = honest()
    rng, _, leaves = made
    seconds = np.exp(rng.normal(5.2 + 1.4 * leaves, 0.7))
    examples = with_field(seconds, made)
    twice = examples.frame.with_columns((pl.col("attributes.other") / 60).alias("attributes.minutes"))
    found = guard.look(TrainingSet(twice, examples.validated), 0)["blocked"]
    assert kinds(found) == dict.fromkeys(("attributes.minutes", "attributes.other"), guard.OUT_OF_PROPORTION)


def test_the_same_rows_in_another_order_are_judged_the_same() -> None:
    made = honest()
    examples = with_field(np.exp(made[0].normal(5.2 + 1.4 * made[2], 0.7)), made)
    shuffled = examples.frame.sample(fraction=1.0, shuffle=True, seed=3)
    shuffled = shuffled.select(sorted(shuffled.columns, reverse=True)).sort("as_of", "seed")
    found = guard.look(examples, 0)
    assert kinds(found["blocked"]) == {"attributes.other": guard.OUT_OF_PROPORTION}
    assert found == guard.look(TrainingSet(shuffled, examples.validated), 0)
