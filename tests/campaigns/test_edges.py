"""Every cause of an edge, through whole cycles: data and time fire; all that we ourselves change does not."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.models import F
from pytest_django import Settings

from campaigns import control, cycle, decide, launch
from campaigns.models import Campaign, Cycle, Decision, Delivery, Programme, TriggerState
from customers import attributes
from customers.models import Customer, Merge
from scoring import training
from scoring.learners import LOGISTIC
from scoring.models import ModelVersion, Target
from scoring.training import Trained
from segments.models import Membership, Segment
from tests.campaigns.people import (
    T0,
    campaign,
    customers,
    frame,
    no_changes,
    score_trigger,
    segment_trigger,
)
from tests.campaigns.turns import buy, decided, inside, load, load_orders, save, tell, turn, watch
from tests.scoring.worlds import attribute_set
from tests.scoring.worlds import people as seeded

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUYERS = {"event": "Order Completed", "count": {">=": 1}}
LOYAL = {"event": "Order Completed", "count": {">=": 3}}
QUIET = {"not": {"event": "Order Completed", "count": {">=": 1}, "within": {"last": 7, "unit": "days"}}}


@pytest.fixture(autouse=True)
def two_buckets(settings: Settings, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cycles short: two buckets that are one piece of work."""
    settings.BUCKETS = 2
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 100, "postgresql": 100})


def test_what_a_customer_does_fires_and_is_data(people: list[Customer]) -> None:
    watch("buyers", BUYERS)
    assert turn(0) == {}
    buy(people[0], 0.5)
    assert turn(1) == {"deliver": 1}
    assert decided() == [("c0", "data")]


def test_time_that_passes_fires_and_is_time(people: list[Customer]) -> None:
    for one in people:
        buy(one, 24.5 - 7 * 24)
    buy(people[0], -1)
    watch("quiet", QUIET)
    assert turn(0) == turn(24) == {}
    assert turn(25) == {"deliver": 5}
    assert {cause for _, cause in decided()} == {"time"}


def test_an_edited_rule_fires_for_nobody_and_the_next_customer_who_enters_fires(people: list[Customer]) -> None:
    buy(people[0], -3, times=2)
    on_loyal = watch("loyal", LOYAL)
    turn(0)
    save(Segment.objects.get(key="loyal"), BUYERS)
    assert turn(1) == {}
    assert inside(on_loyal) == {"c0"}
    buy(people[1], 1.5)
    assert turn(2) == {"deliver": 1}
    assert decided() == [("c1", "data")]


def test_the_rule_of_a_segment_that_the_triggers_segment_refers_to_is_edited_in_silence(people: list[Customer]) -> None:
    buy(people[0], -3, times=2)
    base = save(Segment(key="base", name="Base", created_at=T0), LOYAL)
    save(Segment(key="middle", name="Middle", created_at=T0), {"segment": "base", "op": "in"})
    on_top = watch("top", {"all": [{"segment": "middle", "op": "in"}, BUYERS]})
    turn(0)
    save(base, BUYERS)
    assert turn(1) == {}
    assert inside(on_top) == {"c0"}
    buy(people[1], 1.5)
    assert turn(2) == {"deliver": 1}


def test_a_rule_that_is_edited_between_full_cycles_waits_in_the_small_ones(people: list[Customer]) -> None:
    on_loyal = watch("loyal", LOYAL)
    turn(0)
    save(Segment.objects.get(key="loyal"), BUYERS)
    buy(people[0], 0.5)
    small = cycle.run_small(T0 + 0.6 * HOUR)
    assert small is not None
    assert small.summary["decisions"] == {}
    assert turn(1) == {}
    assert inside(on_loyal) == {"c0"}


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Give a model by which a high load mostly means yes."""
    load, noise = np.random.default_rng(1).normal(size=(2, 500))
    examples = attribute_set(seeded(500, 1, {"attributes.load": load}), load + noise / 2 > 0)
    return training.learn(replace(examples, vouched=frozenset({"attributes.load"})), 0, names=(LOGISTIC,))


def test_promoting_another_version_fires_for_nobody(people: list[Customer], trained: Trained) -> None:
    attributes.declare({"load": "number"}, ())
    for one, value in zip(people, ("2", "2", "2", "-2", "-2", "-2"), strict=True):
        tell(one, -1, load=value)
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="attribute", attribute="gone", equals="yes", created_at=T0
    )
    training.keep(trained, target, T0, 0)
    on_score = campaign(trigger=score_trigger())
    turn(0)
    assert inside(on_score) == {"c0", "c1", "c2"}
    usual = trained.model.calibration
    flipped = replace(trained.model, calibration=replace(usual, slope=-usual.slope, shift=-usual.shift))
    second = training.keep(replace(trained, model=flipped), target, T0, 1)
    assert second.state == ModelVersion.State.LIVE
    assert turn(1) == {}
    assert inside(on_score) == {"c3", "c4", "c5"}
    tell(people[0], 1.5, load="-2")
    assert turn(2) == {"deliver": 1}
    assert decided() == [("c0", "data")]


def test_a_launch_fires_for_nobody_who_matches_already(people: list[Customer]) -> None:
    buy(people[0], -1)
    watch("buyers", BUYERS, state=Campaign.State.DRAFT, launched_at=None)
    turn(0)
    launch.launch(Campaign.objects.get(), None, T0)
    buy(people[1], 0.5)
    assert turn(1) == {}, "who matches at the first look matched already"
    buy(people[2], 1.5)
    assert turn(2) == {"deliver": 1}


def test_a_launch_that_asks_for_it_fires_for_those_who_match_already(people: list[Customer]) -> None:
    buy(people[0], -1)
    watch("buyers", BUYERS, state=Campaign.State.DRAFT, launched_at=None)
    turn(0)
    assert launch.waiting(Campaign.objects.get()) == 1
    launch.launch(Campaign.objects.get(), None, T0, fires_on_start=True)
    assert turn(1) == {"deliver": 1}
    assert decided() == [("c0", "start")]
    assert turn(2) == {}


def test_what_happened_during_a_pause_fires_for_nobody(people: list[Customer]) -> None:
    on_buyers = watch("buyers", BUYERS)
    turn(0)
    launch.pause(on_buyers, None, T0)
    buy(people[0], 0.5)
    assert turn(1) == {}
    buy(people[1], 1.5)
    launch.resume(on_buyers, None, T0)
    assert turn(2) == {}
    assert inside(on_buyers) == {"c0", "c1"}
    buy(people[2], 2.5)
    assert turn(3) == {"deliver": 1}


@pytest.mark.parametrize("fires_on_import", [False, True])
def test_imported_events_of_long_ago_fire_only_where_that_is_asked_for(
    people: list[Customer], tmp_path: Path, fires_on_import: bool
) -> None:
    on_buyers = watch("buyers", BUYERS, fires_on_import=fires_on_import)
    turn(0)
    load_orders(tmp_path, "c0", "c1")
    buy(people[2], 0.5)
    turn(1)
    assert inside(on_buyers) == {"c0", "c1", "c2"}
    imported = [("c0", "import"), ("c1", "import")] if fires_on_import else []
    assert sorted(decided()) == [*imported, ("c2", "data")]
    buy(people[3], 1.5)
    assert turn(2) == {"deliver": 1}


@pytest.mark.parametrize("known_since", [None, "2026-01-01", "always"])
def test_imported_attributes_fire_for_nobody_however_they_are_dated(
    people: list[Customer], tmp_path: Path, known_since: str | None
) -> None:
    attributes.declare({"plan": "text"}, ())
    on_gold = watch("gold", {"field": "attributes.plan", "op": "is", "value": "gold"})
    late = (datetime.now(UTC) - T0) / HOUR  # what is not dated is known from its import
    turn(late)
    load(tmp_path, "import_customers", "id,plan\nc0,gold\nc1,gold\n", id="id", known_since=known_since)
    tell(people[2], late + 0.5, plan='"gold"')
    turn(late + 1)
    assert inside(on_gold) == {"c0", "c1", "c2"}
    assert decided() == [("c2", "data")]


def test_customers_whom_an_import_makes_fire_for_nobody(people: list[Customer], tmp_path: Path) -> None:
    for one in people:
        buy(one, -1)
    on_quiet = watch("quiet", QUIET)
    turn(0)
    load(tmp_path, "import_customers", "id,mail\nn1,n1@x.test\n", id="id", email="mail", known_since="always")
    assert turn(1) == {}
    assert inside(on_quiet) == {"n1"}


def test_a_permission_that_an_import_brings_fires_for_nobody(people: list[Customer], tmp_path: Path) -> None:
    agreed = {"consent": ["email:club=ok"], "consent_source": "form", "known_since": "always"}
    load(tmp_path, "import_customers", "id,ok\nc5,no\n", id="id", **agreed)
    on_club = watch("club", {"field": "consent.email.club", "op": "is_true"})
    turn(0)
    load(tmp_path, "import_customers", "id,ok\nc0,yes\n", id="id", **agreed)
    assert turn(1) == {}
    assert inside(on_club) == {"c0"}


def test_an_import_between_full_cycles_is_silent_in_the_small_ones_too(people: list[Customer], tmp_path: Path) -> None:
    on_buyers = watch("buyers", BUYERS)
    turn(0)
    load_orders(tmp_path, "c0")
    small = cycle.run_small(T0 + 0.5 * HOUR)
    assert small is not None
    assert small.summary["decisions"] == {}
    assert inside(on_buyers) == {"c0"}
    assert turn(1) == {}


def test_a_merge_fires_for_nobody_until_a_full_cycle_has_looked(people: list[Customer]) -> None:
    buy(people[1], -2)
    buy(people[0], -3)
    on_both = watch("both", {"event": "Order Completed", "count": {">=": 2}})
    assert turn(0) == {}
    call_command("merge", "c0", "c1", stdout=StringIO())
    small = cycle.run_small(T0 + 0.5 * HOUR)
    assert small is not None
    assert small.summary["decisions"] == {}
    assert turn(1) == {}
    assert inside(on_both) == {"c0"}
    assert not Membership.objects.filter(customer=people[1].pk).exists()
    assert decided() == []


def test_after_that_look_the_kept_one_fires_like_anybody(people: list[Customer]) -> None:
    buy(people[1], -2)
    watch("loyal", LOYAL)
    turn(0)
    call_command("merge", "c0", "c1", stdout=StringIO())
    buy(people[0], 0.4)
    assert turn(1) == {}
    Merge.objects.update(at=F("at") - DAY)  # the clock runs on: the last cycle began long after it
    buy(people[0], 1.5)
    assert turn(2) == {"deliver": 1}
    assert decided() == [("c0", "data")]


def test_a_cycle_goes_on_when_two_are_merged_after_their_features_were_taken(people: list[Customer]) -> None:
    watch("buyers", BUYERS)
    buy(people[1], -1)
    turned = cycle.begin(T0)
    for _ in cycle.turn(turned):
        if turned.stage == Cycle.Stage.REFRESH and not Merge.objects.exists():
            call_command("merge", "c0", "c1", stdout=StringIO())
    assert (turned.state, turned.error) == (Cycle.State.DONE, "")
    assert not Membership.objects.filter(customer=people[1].pk).exists()


@pytest.fixture
def target() -> Target:
    Programme.objects.create(holdout_share=0.0, cap_messages=1000)
    return Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )


def test_a_score_that_crosses_both_lines_a_hundred_times_within_the_cooldown_fires_once(target: Target) -> None:
    people = customers(3)
    campaign(cooldown_days=30)
    decide.decide(frame(people, 0.1, "start"), no_changes(), T0)
    for i in range(1, 101):
        high = i % 2 == 1
        decide.decide(frame(people, [0.9 if high else 0.1, 0.7 if high else 0.61, 0.69]), no_changes(), T0 + i * HOUR)
        assert TriggerState.objects.get(customer=people[0]).is_inside == high
    rounds = Decision.objects.values_list("customer", "round", "as_of")
    assert set(rounds) == {(one.pk, 1, T0 + HOUR) for one in people[:2]}
    assert decide.decide(frame(people, [0.9, 0.9, 0.69]), no_changes(), T0 + 30 * DAY + HOUR) == {"deliver": 1}
    assert sorted(Decision.objects.filter(customer=people[0]).values_list("round", flat=True)) == [1, 2]


def test_a_segment_that_is_entered_and_left_a_hundred_times_within_the_cooldown_fires_once(target: Target) -> None:
    people = customers(2)
    vip = save(Segment(key="vip", name="VIP", created_at=T0), {"field": "country", "op": "has_value"})
    campaign(trigger=segment_trigger("vip"), cooldown_days=30)
    decide.decide(frame(people, 0.1), no_changes(), T0)
    for i in range(1, 101):
        kind = "entered" if i % 2 else "left"
        rows = [(vip.pk, people[0].pk, people[0].bucket, kind)]
        changes = pl.DataFrame(rows, schema=no_changes().schema, orient="row")
        decide.decide(frame(people, 0.1), changes, T0 + i * HOUR)
    assert list(Decision.objects.values_list("customer", "round")) == [(people[0].pk, 1)]


def test_the_same_pass_again_after_its_states_were_lost_decides_nothing_twice(target: Target) -> None:
    people = customers(5)
    campaign()
    decide.decide(frame(people, 0.1, "start"), no_changes(), T0)
    assert decide.decide(frame(people, 0.9), no_changes(), T0 + HOUR) == {"deliver": 5}
    assert not decide.decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    TriggerState.objects.all().delete()
    assert not decide.decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    assert Decision.objects.count() == Delivery.objects.count() == 5


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a SQLite test database lives in memory")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("apart", [timedelta(0), HOUR])
def test_of_passes_that_race_one_decides(target: Target, monkeypatch: pytest.MonkeyPatch, apart: timedelta) -> None:
    """All have found the same edges before any of them writes."""
    people = customers(40)
    campaign(control_share=0.3)
    decide.decide(frame(people, 0.1, "start"), no_changes(), T0)
    found, write = threading.Barrier(3, timeout=60), decide._write

    def write_together(*args: Any) -> Any:
        found.wait()
        return write(*args)

    monkeypatch.setattr(decide, "_write", write_together)
    counts: list[dict[str, int]] = []
    in_threads(3, lambda i: counts.append(decide.decide(frame(people, 0.9), no_changes(), T0 + HOUR + i * apart)))
    assert len(counts) == 3
    assert sum(sum(one.values()) for one in counts) == Decision.objects.count() == 40
    assert set(Decision.objects.values_list("round", flat=True)) == {1}
    assert Delivery.objects.count() == Decision.objects.filter(outcome="deliver").count() > 0


def in_threads(count: int, work: Callable[[int], object]) -> None:
    def run(number: int) -> None:
        try:
            work(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
