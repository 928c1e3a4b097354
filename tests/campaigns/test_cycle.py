"""Any number of workers share a cycle; what one loses, another does; a failure stays where it is."""

import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from campaigns import control, cycle, cycle_tasks, deliver, schedule, stages, tasks
from campaigns.cycle_tasks import Outcome
from campaigns.models import Cycle, CycleTask, Schedule
from customers import snapshot
from customers.models import Customer
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.cycles import breaking, buy, claim_and_vanish, stored

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(hours=1)
Stage = Cycle.Stage


def test_every_stage_follows_the_one_before_and_every_bucket_is_done_once(done: list[tuple[str, int]]) -> None:
    turned = cycle.run(AS_OF)
    assert turned.state == Cycle.State.DONE
    assert done == [
        (Stage.SYNC, -1),
        *[(Stage.SCORE, bucket) for bucket in range(4)],
        (Stage.RANK, -1),
        *[(Stage.REFRESH, bucket) for bucket in range(4)],
        (Stage.COUNT, -1),
        (Stage.ALLOCATE, -1),
        (Stage.DELIVER, -1),
    ]


def test_buckets_with_few_customers_are_one_piece_of_work(
    done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 100, "postgresql": 100})
    ended = cycle.run(AS_OF)
    assert ended.state == Cycle.State.DONE
    assert [bucket for stage, bucket in done if stage == Stage.SCORE] == [0, 1, 2, 3]
    assert ended.summary["scored"] == 3, "counted once for the piece"
    assert CycleTask.objects.filter(stage=Stage.SCORE, state=CycleTask.State.DONE).count() == 4


def test_a_piece_that_fails_is_done_again_bucket_by_bucket(
    done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 100, "postgresql": 100})
    breaking(monkeypatch, Stage.SCORE, bucket=2, times=99)
    ended = cycle.run(AS_OF)
    assert ended.error == "Features and scores, bucket 2: ValueError: the disk is full"
    assert [bucket for stage, bucket in done if stage == Stage.SCORE] == [0, 1, 3]


def test_the_summary_adds_up_what_the_buckets_counted(done: list[tuple[str, int]]) -> None:
    summary = cycle.run(AS_OF).summary
    assert set(summary.pop("seconds")) == {"sync", "score", "rank", "refresh", "count", "allocate", "deliver"}
    assert summary == {
        "as_of": "2026-03-01T12:00:00+00:00",
        "customers": 8,
        "events": 7,
        "scored": 12,
        "entered": 4,
        "left": 0,
        "decisions": {"deliver": 4, "control": 8},
        "deliveries": {"sent": 4},
    }


def test_two_workers_share_a_stage_without_doing_anything_twice(done: list[tuple[str, int]]) -> None:
    turned = cycle.begin(AS_OF)
    assert cycle.work(turned)
    assert cycle.advance(turned)
    other = Cycle.objects.get(pk=turned.pk)
    first, second = cycle_tasks.claim(turned), cycle_tasks.claim(other)
    assert first is not None
    assert second is not None
    assert first.bucket != second.bucket
    assert not cycle.advance(other)


def test_a_lost_workers_task_is_claimed_again_when_its_lease_ends(done: list[tuple[str, int]]) -> None:
    turned = cycle.begin(AS_OF)
    lost = claim_and_vanish(turned)
    assert cycle.run(AS_OF).state == Cycle.State.DONE
    assert Counter(done)[(Stage.SYNC, -1)] == 1
    assert not cycle_tasks.close(lost, Outcome({"events": 100}), 0.0), "a lost claim was closed"
    turned.refresh_from_db()
    assert turned.summary["events"] == 7


def test_a_task_that_loses_three_workers_fails(done: list[tuple[str, int]]) -> None:
    turned = cycle.begin(AS_OF)
    for _ in range(3):
        claim_and_vanish(turned)
    ended = cycle.run(AS_OF)
    assert ended.state == Cycle.State.FAILED
    assert ended.error == "Reading new events: Its worker was lost 3 times."
    assert done == []


def test_a_failure_that_passes_is_forgotten(done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, Stage.SCORE, 2, times=2)
    assert cycle.run(AS_OF).state == Cycle.State.DONE
    assert Counter(done)[(Stage.SCORE, 2)] == 1


def test_a_bucket_that_fails_three_times_fails_alone(
    done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, Stage.SCORE, 2, times=3)
    ended = cycle.run(AS_OF)
    assert ended.state == Cycle.State.FAILED
    assert ended.error == "Features and scores, bucket 2: ValueError: the disk is full"
    assert [bucket for stage, bucket in done if stage == Stage.REFRESH] == [0, 1, 3]
    assert (Stage.DELIVER, -1) in done


def test_nothing_follows_a_failed_step_over_all_buckets(
    done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, Stage.RANK, -1, times=3)
    assert cycle.run(AS_OF).state == Cycle.State.FAILED
    assert {stage for stage, _ in done} == {Stage.SYNC, Stage.SCORE}


def test_a_cycle_of_another_time_waits_until_the_running_one_has_ended(done: list[tuple[str, int]]) -> None:
    turned = cycle.begin(AS_OF)
    with pytest.raises(cycle.CycleRunning, match="full cycle as of 2026-03-01 12:00 has not ended"):
        cycle.begin(LATER)
    assert cycle.begin(AS_OF) == turned
    cycle.run(AS_OF)
    assert cycle.run(LATER).state == Cycle.State.DONE


def test_work_with_more_to_do_is_planned_again(done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    left = [3]

    def some(turned: Cycle, buckets: Sequence[int]) -> Outcome:
        left[0] -= 1
        return Outcome({"deliveries": {"sent": 10}}, has_more=left[0] > 0)

    monkeypatch.setitem(stages.OF_KIND[Cycle.Kind.FULL], Stage.DELIVER, some)
    assert cycle.run(AS_OF).summary["deliveries"] == {"sent": 30}


def test_a_step_says_how_many_workers_can_go_on(done: list[tuple[str, int]]) -> None:
    turned = cycle.begin(AS_OF)
    assert cycle.step(turned.pk) == 1
    assert cycle.step(turned.pk) == 4, "the buckets to score"
    hints = 1
    while hints:
        hints = cycle.step(turned.pk)
    assert Cycle.objects.get().state == Cycle.State.DONE
    assert cycle.step(turned.pk) == 0


def test_a_cycle_without_workers_is_found(done: list[tuple[str, int]]) -> None:
    turned = cycle.begin(AS_OF)
    assert cycle.unattended() == [turned.pk]
    assert cycle_tasks.claim(turned)
    assert cycle.unattended() == []
    cycle_tasks.free(turned)
    CycleTask.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert cycle.unattended() == [turned.pk]
    cycle.run(AS_OF)
    assert cycle.unattended() == []


def test_the_command_refuses_a_time_that_is_none(done: list[tuple[str, int]]) -> None:
    with pytest.raises(CommandError, match='--as-of is "yesterday", which is no time'):
        call_command("cycle", "--as-of", "yesterday")


def test_the_command_says_what_came_of_it(done: list[tuple[str, int]]) -> None:
    out = io.StringIO()
    call_command("cycle", "--as-of", "2026-03-01T13:00:00+01:00", stdout=out)
    text = out.getvalue()
    assert "As of 2026-03-01 12:00 UTC: 8 customers, 7 new events, 12 scores." in text
    assert "Segments: 4 entered, 0 left." in text
    assert "Decisions: 4 deliver, 8 control. Deliveries: 4 sent." in text


def test_the_command_fails_with_the_cycles_error(done: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, Stage.SYNC, -1, times=3)
    with pytest.raises(CommandError, match="the disk is full"):
        call_command("cycle", "--as-of", "2026-03-01", stdout=io.StringIO())


def test_explain_names_what_is_unknown() -> None:
    with pytest.raises(CommandError, match='There is no customer "nobody"'):
        call_command("explain", "nobody", "win-back")
    Customer.objects.create(external_id="c1", bucket=0, seed=0, known_since=AS_OF)
    with pytest.raises(CommandError, match='There is no campaign "win-back"; there are: none'):
        call_command("explain", "c1", "win-back")


def test_a_purchase_becomes_a_mail_and_the_same_cycle_again_writes_nothing(buyers: list[Customer]) -> None:
    first = cycle.run(AS_OF)
    assert first.error == ""
    assert first.summary["entered"] == 1
    assert first.summary["decisions"] == {}, "whoever was in before the campaign began is no news"
    buy(buyers[1], AS_OF + timedelta(minutes=1))
    second = cycle.run(LATER)
    assert second.summary["events"] == 1
    assert second.summary["entered"] == 1
    assert second.summary["decisions"] == {"deliver": 1}
    assert second.summary["deliveries"] == {"sent": 1}
    assert [each.to for each in mail.outbox] == [["c1@example.test"]]
    assert Segment.objects.get().size == 2
    before = stored()
    again = cycle.run(LATER)
    assert again.state == Cycle.State.DONE
    assert stored() == before
    assert len(mail.outbox) == 1
    counted = {key: again.summary[key] for key in ("events", "scored", "entered", "left", "decisions", "deliveries")}
    assert not any(counted.values())


def test_news_of_a_customer_is_acted_upon_between_full_cycles(buyers: list[Customer]) -> None:
    assert cycle.run_small(AS_OF) is None, "there is no full cycle to build on"
    cycle.run(AS_OF)
    assert cycle.run_small(AS_OF + timedelta(seconds=1)) is None, "there is no news"
    buy(buyers[2], AS_OF + timedelta(minutes=1))
    small = cycle.run_small(AS_OF + timedelta(minutes=2))
    assert small is not None
    assert small.error == ""
    assert small.summary["customers"] == 1
    assert small.summary["decisions"] == {"deliver": 1}
    assert not mail.outbox, "mails go beside small cycles, so that the next one begins"
    deliver.deliver(AS_OF + timedelta(minutes=2))
    assert [each.to for each in mail.outbox] == [["c2@example.test"]]
    full = cycle.run(LATER)
    assert full.summary["entered"] == 0
    assert full.summary["decisions"] == {}


def test_a_worker_is_woken_at_once_to_send_what_a_small_cycle_planned(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[dict[str, int]] = []
    monkeypatch.setattr(tasks.deliver_due, "apply_async", lambda **options: woken.append(options))
    cycle.run(AS_OF)
    buy(buyers[2], AS_OF + timedelta(minutes=1))
    tasks.small_cycle()
    tasks.small_cycle()
    assert woken == [{"expires": 2}], "the second one had no news"
    tasks.deliver_due()
    assert len(woken) == 1 + len(mail.outbox), "after a mail there may be more to send"
    tasks.deliver_due()
    assert len(woken) == 2


def test_a_slot_that_came_while_a_small_cycle_ran_is_caught_up_with_once(
    buyers: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[dict[str, int]] = []
    monkeypatch.setattr(tasks.deliver_due, "apply_async", lambda **_: None)
    monkeypatch.setattr(tasks.small_cycle, "apply_async", lambda **options: woken.append(options))
    honest = cycle.run_small

    def long(as_of: datetime) -> Cycle | None:
        schedule.ensure(as_of)
        Schedule.objects.filter(key=schedule.SMALL_CYCLE).update(last_at=as_of + timedelta(seconds=2))
        return honest(as_of)

    cycle.run(AS_OF)
    buy(buyers[2], AS_OF + timedelta(minutes=1))
    monkeypatch.setattr(cycle, "run_small", long)
    tasks.small_cycle()
    assert woken == [{"expires": 2}]
    tasks.small_cycle()
    assert len(woken) == 1, "there was no news"
    monkeypatch.setattr(cycle, "run_small", honest)
    buy(buyers[3], AS_OF + timedelta(minutes=2))
    Schedule.objects.filter(key=schedule.SMALL_CYCLE).update(last_at=AS_OF)
    tasks.small_cycle()
    assert len(woken) == 1, "no slot came meanwhile"


def test_explain_tells_why_a_customer_got_a_mail_and_another_did_not(buyers: list[Customer]) -> None:
    cycle.run(AS_OF)
    buy(buyers[1], AS_OF + timedelta(minutes=1))
    cycle.run(LATER)
    got, not_got = explained("c1"), explained("c3")
    assert "c1 is inside the line of “Thanks” since 2026-03-01 13:00 UTC" in got
    assert "2026-03-01 13:00 UTC, crossing 1: deliver. Entered the segment buyers." in got
    assert "E-mail: sent on" in got
    assert "c3 has been outside the line of “Thanks” ever since its launch." in not_got
    assert "“Thanks” has decided nothing about c3." in not_got


def explained(customer: str) -> str:
    out = io.StringIO()
    call_command("explain", customer, "thanks", stdout=out)
    return out.getvalue()


def test_a_full_cycle_removes_the_snapshots_that_had_their_time() -> None:
    people.customers(3)
    for hours in range(4):
        cycle.run(AS_OF + timedelta(hours=hours))
    folders = snapshot._snapshots().glob("*")
    assert sorted(folder.name[:13] for folder in folders) == ["2026-03-01T14", "2026-03-01T15"]
