"""What is set aside, lost or old never harms what is right: the next cycle makes up for it."""

import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail
from django.db import IntegrityError, transaction

from campaigns import cycle, feedback, schedule, stages
from campaigns.cycle_tasks import ALL
from campaigns.models import Cycle, CycleTask, Decision, Delivery, Schedule, TriggerState
from customers import snapshot
from customers.history import Scope
from customers.models import Alert, Customer
from scoring import ranking
from scoring.models import BandChange, Score, ScoreRun
from segments import definition
from segments.models import Membership, MembershipChange, Segment
from tests.campaigns import people
from tests.campaigns.cycles import breaking, buy, claim_and_vanish, stored
from tests.campaigns.shops import live_model, open_shop
from tests.campaigns.test_cycle_control import turned_to
from tests.campaigns.test_gate import in_threads, one_writer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = AS_OF + timedelta(minutes=1)
LATER = AS_OF + timedelta(hours=1)
LATEST = AS_OF + timedelta(hours=2)
Stage = Cycle.Stage
Noted = list[tuple[str, int]]
FULL_STAGES = (Stage.SYNC, Stage.SCORE, Stage.RANK, Stage.REFRESH, Stage.COUNT, Stage.ALLOCATE, Stage.DELIVER)


@pytest.fixture
def shop() -> list[Customer]:
    """Give the customers of a shop with a live model, two segments of its scores, and a first cycle that is done."""
    ids = open_shop(32)
    live_model(AS_OF)
    for key, op, value in (("top", "top_percent", 30), ("high", ">=", 0.5)):
        rule = {"version": 1, "rule": {"field": "scores.spends", "op": op, "value": value}}
        definition.save(Segment(key=key, name=key, rule=rule, created_at=AS_OF), None, AS_OF)
    assert cycle.run(AS_OF).error == ""
    assert Membership.objects.count() > 10
    return list(Customer.objects.filter(pk__in=ids).order_by("pk"))


def members(bucket: int) -> list[tuple[object, ...]]:
    return sorted(Membership.objects.filter(bucket=bucket).values_list())


def published(**scope: object) -> dict[int, tuple[float, datetime]]:
    rows = Score.objects.filter(run__state=ScoreRun.State.PUBLISHED, **scope)
    return {row.customer_id: (row.value, row.as_of) for row in rows}


def test_a_bucket_that_cannot_be_scored_keeps_its_members_and_scores(
    shop: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for customer in shop:
        buy(customer, SOON)
    kept, were = members(2), published(bucket=2)
    breaking(monkeypatch, Stage.SCORE, 2, times=3)
    ended = cycle.run(LATER)
    assert ended.state == Cycle.State.FAILED
    assert ended.error == "Features and scores, bucket 2: ValueError: the disk is full"
    assert members(2) == kept
    assert published(bucket=2) == were
    now = published()
    assert len(now) == len(shop)
    assert {as_of for _, as_of in (now[one.pk] for one in shop if one.bucket != 2)} == {LATER}
    placed = ranking.attach(snapshot.take(Scope(bucket=2), LATER))
    assert placed["scores.spends.percentile"].null_count() == 0, "they are ranked among the others"
    alert = Alert.objects.get()
    assert alert.sentence.endswith("left customers out. Features and scores, bucket 2: ValueError: the disk is full")
    following = cycle.run(LATEST)
    assert following.state == Cycle.State.DONE
    alert.refresh_from_db()
    assert alert.state == Alert.State.DONE
    assert {as_of for _, as_of in published(bucket=2).values()} == {LATEST}


def test_a_bucket_that_was_set_aside_is_done_again_as_of_the_same_time(
    shop: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(shop[2], SOON)
    breaking(monkeypatch, Stage.SCORE, 2, times=3)
    assert cycle.run(LATER).state == Cycle.State.FAILED
    again = cycle.run(LATER)
    assert again.error == ""
    assert published(bucket=2)[shop[2].pk][1] == LATER
    refreshed = again.tasks.filter(stage=Stage.REFRESH, state=CycleTask.State.DONE)
    assert sorted(refreshed.values_list("bucket", flat=True)) == [0, 1, 2, 3]


def test_a_small_cycle_goes_on_in_a_bucket_that_was_set_aside(
    shop: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, Stage.SCORE, 2, times=3)
    cycle.run(LATER)
    one = next(each for each in shop if each.bucket == 2 and Membership.objects.filter(customer=each).count() == 2)
    buy(one, LATER + timedelta(seconds=1))
    small = cycle.run_small(LATER + timedelta(seconds=2))
    assert small is not None
    assert small.error == ""
    assert small.summary["customers"] == 1
    assert Membership.objects.filter(customer=one).count() == 2, "her percentile is known"


def test_a_bucket_that_cannot_be_decided_is_decided_once_by_the_next_cycle(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle.run(AS_OF)
    for customer in buyers[1:]:
        buy(customer, SOON)
    bucket = buyers[1].bucket
    set_aside = {one.pk for one in buyers[1:] if one.bucket == bucket}
    breaking(monkeypatch, Stage.REFRESH, bucket, times=3)
    ended = cycle.run(LATER)
    assert ended.error == f"Segments and decisions, bucket {bucket}: ValueError: the disk is full"
    assert set(Decision.objects.values_list("customer_id", flat=True)) == {one.pk for one in buyers[1:]} - set_aside
    assert not Membership.objects.filter(customer__in=set_aside).exists()
    assert cycle.run(LATEST).error == ""
    assert Counter(Decision.objects.values_list("customer_id", flat=True)) == {one.pk: 1 for one in buyers[1:]}
    assert len(mail.outbox) == 4


@pytest.mark.parametrize("stage", FULL_STAGES)
def test_a_cycle_whose_worker_is_lost_at_a_stage_is_taken_up(done: Noted, stage: str) -> None:
    turned = turned_to(stage)
    lost = claim_and_vanish(turned)
    while cycle.work(turned):  # the others do what is free, and it, once its lease has ended
        pass
    assert lost.stage == stage
    hints = cycle.unattended()
    assert hints == [turned.pk]
    while hints:
        hints = [turned.pk] * cycle.step(turned.pk)
    turned.refresh_from_db()
    assert turned.state == Cycle.State.DONE
    assert set(Counter(done).values()) == {1}
    assert len(done) == 13


@pytest.mark.parametrize("stage", FULL_STAGES)
def test_what_a_lost_worker_had_committed_is_done_again_and_changes_nothing(buyers: list[Customer], stage: str) -> None:
    cycle.run(AS_OF)
    for customer in buyers[1:]:
        buy(customer, SOON)
    turned = turned_to(stage, LATER)
    task = claim_and_vanish(turned)
    stages.FULL[stage](turned, [task.bucket])
    between = stored()
    cycle.work(turned)
    assert stored() == between
    ended = cycle.run(LATER)
    assert ended.error == ""
    assert Counter(Decision.objects.values_list("customer_id", flat=True)) == {one.pk: 1 for one in buyers[1:]}
    assert len(mail.outbox) == 4


def test_a_score_in_the_published_run_never_gives_way_to_an_older_one(shop: list[Customer]) -> None:
    full = turned_to(Stage.REFRESH, LATER)
    one = shop[5]
    buy(one, LATER + timedelta(seconds=1))
    small = cycle.run_small(LATER + timedelta(seconds=2))
    assert small is not None
    assert small.run == full.run
    newer, bands = published(customer=one), sorted(BandChange.objects.values_list())
    assert newer[one.pk][1] == LATER + timedelta(seconds=2)
    stages.score(full, [one.bucket])  # a worker that was thought lost
    assert published(customer=one) == newer
    assert sorted(BandChange.objects.values_list()) == bands


def test_a_newer_score_goes_over_into_the_run_that_is_published_after_it(shop: list[Customer]) -> None:
    full = turned_to(Stage.SCORE, LATER, pieces=4)
    one = shop[5]
    buy(one, LATER + timedelta(seconds=1))
    small = cycle.run_small(LATER + timedelta(seconds=2))
    assert small is not None
    assert small.run != full.run
    newer = published(customer=one)
    assert cycle.run(LATER).error == ""
    assert ScoreRun.objects.get(state=ScoreRun.State.PUBLISHED) == full.run
    assert published(customer=one) == newer
    others = [as_of for customer, (_, as_of) in published().items() if customer != one.pk]
    assert set(others) == {LATER}


def test_memberships_and_edges_of_a_later_small_cycle_stay(buyers: list[Customer]) -> None:
    cycle.run(AS_OF)
    turned_to(Stage.REFRESH, LATER)
    buy(buyers[2], LATER + timedelta(seconds=1))
    small = cycle.run_small(LATER + timedelta(seconds=2))
    assert small is not None
    assert small.summary["decisions"] == {"deliver": 1}
    before = stored()
    ended = cycle.run(LATER)
    assert ended.error == ""
    assert ended.summary["left"] == 0
    assert {name: rows for name, rows in stored().items() if name not in ("Event", "Delivery")} == {
        name: rows for name, rows in before.items() if name not in ("Event", "Delivery")
    }
    assert TriggerState.objects.get(customer=buyers[2]).as_of == small.as_of
    assert Membership.objects.get(customer=buyers[2]).as_of == small.as_of
    assert Decision.objects.get().as_of == small.as_of


def test_what_was_true_before_a_purchase_fires_nothing_after_it(buyers: list[Customer]) -> None:
    rule = {"event": "Order Completed", "count": {"=": 0}, "within": {"last": 30, "unit": "days"}}
    quiet = {"version": 1, "rule": {"all": [rule, {"event": "Order Completed", "count": {">=": 1}}]}}
    definition.save(Segment(key="quiet", name="Quiet", rule=quiet, created_at=people.T0), None, people.T0)
    people.campaign("miss-you", trigger=people.segment_trigger("quiet"))
    start = AS_OF + timedelta(days=30) - timedelta(minutes=30)
    assert cycle.run(start).summary["decisions"] == {}
    as_of = start + timedelta(hours=1)  # c0, who bought thirty days ago at noon, is quiet by then
    turned_to(Stage.REFRESH, as_of)
    buy(buyers[0], as_of + timedelta(seconds=1))
    assert cycle.run_small(as_of + timedelta(seconds=2)) is not None
    ended = cycle.run(as_of)
    assert ended.error == ""
    assert not Membership.objects.filter(segment__key="quiet").exists()
    assert not MembershipChange.objects.filter(segment__key="quiet").exists()
    assert not Decision.objects.exists()


def test_news_of_too_many_customers_is_left_to_a_full_cycle_that_is_due_at_once(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SMALL_MOST", 2)
    schedule.ensure(LATEST)
    cycle.run(AS_OF)
    for customer in buyers[1:4]:
        buy(customer, SOON)
    assert cycle.run_small(LATER) is None
    assert not Cycle.objects.filter(kind=Cycle.Kind.SMALL).exists()
    assert Schedule.objects.get(key=schedule.FULL_CYCLE).next_at == LATER
    assert schedule.FULL_CYCLE in schedule.tick(LATER)
    full = cycle.run(LATER)
    assert full.summary["decisions"] == {"deliver": 3}
    assert Schedule.objects.get(key=schedule.FULL_CYCLE).next_at > LATER
    buy(buyers[4], LATER + timedelta(seconds=1))
    small = cycle.run_small(LATER + timedelta(seconds=2))
    assert small is not None
    assert small.summary["customers"] == 1


def test_what_a_cycle_itself_did_is_no_news(buyers: list[Customer]) -> None:
    cycle.run(AS_OF)
    for customer in buyers[1:]:
        buy(customer, SOON)
    full = cycle.run(LATER)
    assert full.summary["deliveries"] == {"sent": 4}
    assert cycle.run_small(LATER + timedelta(seconds=2)) is None
    sent = Delivery.objects.earliest("pk")
    payload = {"event_type": "clicked", "message_id": sent.public_id, "timestamp": "2026-03-01T13:00:01+00:00"}
    assert feedback.receive("email", payload) == "Email Link Clicked"
    small = cycle.run_small(LATER + timedelta(seconds=4))
    assert small is not None
    assert small.summary["customers"] == 1, "what she does with it is"


def test_news_that_a_running_cycle_is_about_to_read_makes_no_other_due(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SMALL_MOST", 2)
    schedule.ensure(LATEST)
    cycle.run(AS_OF)
    for customer in buyers[1:4]:
        buy(customer, SOON)
    cycle.begin(LATER)
    assert cycle.run_small(LATER) is None
    assert Schedule.objects.get(key=schedule.FULL_CYCLE).next_at == LATEST


def test_news_that_comes_in_while_a_small_cycle_begins_is_bounded_too(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SMALL_MOST", 2)
    cycle.run(AS_OF)
    for customer in buyers[1:4]:
        buy(customer, SOON)
    small = cycle.run(LATER, Cycle.Kind.SMALL)
    assert small.summary["customers"] == 0
    assert cycle.run(LATEST).summary["decisions"] == {"deliver": 3}


def test_after_a_small_cycle_that_failed_there_is_none_for_a_minute(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle.run(AS_OF)
    buy(buyers[1], SOON)
    real = stages.SMALL[Stage.REFRESH]
    monkeypatch.setitem(stages.SMALL, Stage.REFRESH, lambda turned, bucket: 1 / 0)
    failed = cycle.run_small(LATER)
    assert failed is not None
    assert failed.state == Cycle.State.FAILED
    assert cycle.run_small(LATER + timedelta(seconds=58)) is None
    monkeypatch.setitem(stages.SMALL, Stage.REFRESH, real)
    small = cycle.run_small(LATER + timedelta(seconds=61))
    assert small is not None
    assert small.summary["decisions"] == {"deliver": 1}, "its news was not lost"


def test_the_database_lets_one_cycle_of_a_kind_run() -> None:
    for kind in Cycle.Kind:
        Cycle.objects.create(kind=kind, as_of=AS_OF, started_at=AS_OF)
        with pytest.raises(IntegrityError), transaction.atomic():
            Cycle.objects.create(kind=kind, as_of=LATER, started_at=LATER)
    Cycle.objects.update(state=Cycle.State.CANCELLED)
    assert cycle.begin(LATER).state == Cycle.State.RUNNING


@one_writer
@pytest.mark.django_db(transaction=True)
def test_of_several_processes_that_begin_a_cycle_one_does() -> None:
    times = iter([AS_OF + timedelta(seconds=n) for n in range(8)])

    def begin() -> str:
        try:
            return str(cycle.begin(next(times)).pk)
        except cycle.CycleRunning:
            return "refused"

    for _ in range(2):
        results = in_threads(4, begin)
        assert results.count("refused") == 3
        running = Cycle.objects.get(state=Cycle.State.RUNNING)
        assert CycleTask.objects.get(cycle=running).bucket == ALL
        cycle.cancel(running, None, AS_OF)


def test_snapshots_that_were_lost_are_taken_again_by_a_cycle_as_of_the_same_time(buyers: list[Customer]) -> None:
    cycle.run(AS_OF)
    shutil.rmtree(Path(settings.LAKE_URL) / "snapshots")
    ended = cycle.run(AS_OF)
    assert (ended.state, ended.error) == (Cycle.State.DONE, "")
    assert snapshot.latest() == AS_OF
