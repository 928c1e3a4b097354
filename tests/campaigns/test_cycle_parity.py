"""A full and a small cycle see the same customer alike: by bucket or by id, the frame is one."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from campaigns import cycle, stages
from campaigns.models import Cycle
from customers import history, snapshot
from customers.history import Scope
from customers.models import Customer, Event
from scoring import scores
from scoring.models import Score
from tests.campaigns.cycles import buy
from tests.campaigns.shops import live_model, open_shop

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_frame_by_ids_is_the_frame_by_buckets_to_the_last_digit() -> None:
    ids = open_shop(32)
    history.sync()
    for as_of in (AS_OF, AS_OF - timedelta(days=200), AS_OF - timedelta(days=500)):
        whole = snapshot.take(Scope(), as_of)
        by_bucket = pl.concat([snapshot.take(Scope(bucket=bucket), as_of) for bucket in range(4)])
        by_ids = snapshot.take(Scope(ids=tuple(ids)), as_of)
        few = pl.concat([snapshot.take(Scope(ids=(one,)), as_of) for one in ids[::7]])
        assert whole.width > 50
        assert_frame_equal(by_bucket.sort("customer_id"), whole, check_exact=True)
        assert_frame_equal(by_ids, whole, check_exact=True)
        assert_frame_equal(few, whole.filter(pl.col("customer_id").is_in(ids[::7])), check_exact=True)


def test_scores_by_ids_are_the_scores_of_the_full_cycle_to_the_last_digit() -> None:
    ids = open_shop(32)
    live_model(AS_OF)
    full = cycle.run(AS_OF)
    assert full.error == ""
    assert full.run is not None
    stored = snapshot.load(AS_OF).drop("is_held_out")
    assert stored["scores.spends"].n_unique() > 10
    before = sorted(Score.objects.values_list())
    for part in (tuple(ids), tuple(ids[3:9])):
        taken = snapshot.take(Scope(ids=part), AS_OF)
        scored = scores.score(taken, AS_OF, full.run)
        assert_frame_equal(scored, stored.filter(pl.col("customer_id").is_in(part)), check_exact=True)
    assert sorted(Score.objects.values_list()) == before, "and they store nothing that was not there"


def test_a_small_cycle_scores_a_customer_as_a_full_one_of_the_same_time_would() -> None:
    ids = open_shop(32)
    live_model(AS_OF)
    cycle.run(AS_OF)
    known = list(Customer.objects.filter(pk__in=ids[4:8]).order_by("pk"))
    for customer in known:
        buy(customer, AS_OF + timedelta(minutes=1))
    later = AS_OF + timedelta(minutes=2)
    small = cycle.run_small(later)
    assert small is not None
    assert small.summary["customers"] == len(known)
    values = dict(Score.objects.filter(customer__in=known, run__state="published").values_list("customer_id", "value"))
    full = cycle.run(later)
    assert full.error == ""
    assert full.run != small.run
    again = Score.objects.filter(customer__in=known, run=full.run).values_list("customer_id", "value")
    assert dict(again) == values
    assert Event.objects.filter(known_at__gt=AS_OF).count() >= len(known)
    assert stages.last_read() == Cycle.objects.latest("pk")
