"""A cycle is watched, cancelled, taken up after a loss, and never undoes what is newer."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from campaigns import cycle, cycle_tasks, progress, stages
from campaigns.cycle_tasks import ALL, Outcome
from campaigns.models import Cycle, CycleTask, Decision
from customers.models import AuditEntry, Customer
from scoring.models import ScoreRun
from segments.models import Membership
from tests.campaigns.cycles import buy

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(hours=1)
LATEST = AS_OF + timedelta(hours=2)
Stage = Cycle.Stage
Noted = list[tuple[str, int]]


def turned_to(stage: str, as_of: datetime = AS_OF, *, pieces: int = 0) -> Cycle:
    """Give a cycle that has come to a stage and has done so many pieces of it."""
    turned = cycle.begin(as_of)
    while turned.stage != stage:
        assert cycle.work(turned) or cycle.advance(turned)
    for _ in range(pieces):
        assert cycle.work(turned)
    return turned


def test_a_cancelled_cycle_ends_at_once_and_says_who_ended_it(done: Noted) -> None:
    boss = User.objects.create_user("boss")
    turned = turned_to(Stage.SCORE, pieces=1)
    cycle.cancel(turned, boss, LATER)
    assert turned.state == Cycle.State.CANCELLED
    assert turned.finished_at is not None
    assert turned.summary["scored"] == 3, "what was done is summed up"
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.what, entry.about) == (boss, "cycle cancelled", str(turned))
    with pytest.raises(cycle.CycleEnded, match="full cycle as of 2026-03-01 12:00 has ended already"):
        cycle.cancel(turned, boss, LATER)


def test_after_a_cancel_only_the_piece_in_hand_is_finished(done: Noted) -> None:
    turned = turned_to(Stage.SCORE)
    in_hand = cycle_tasks.claim(turned)
    assert in_hand is not None
    cycle.cancel(Cycle.objects.get(pk=turned.pk), None, LATER)
    assert cycle_tasks.close(in_hand, Outcome({"scored": 3}), 0.0)
    assert cycle_tasks.claim(turned) is None
    assert cycle.step(turned.pk) == 0
    assert not cycle.work(turned)
    assert not cycle.advance(turned)
    assert cycle.unattended() == []
    assert (Stage.SCORE, in_hand.bucket) not in done
    assert Cycle.objects.get().state == Cycle.State.CANCELLED


def test_the_next_cycle_begins_at_once_after_a_cancel(done: Noted) -> None:
    cycle.cancel(turned_to(Stage.REFRESH, pieces=2), None, LATER)
    again = cycle.run(AS_OF)
    assert again.state == Cycle.State.DONE
    assert [bucket for stage, bucket in done if stage == Stage.REFRESH] == [0, 1, 0, 1, 2, 3]


@pytest.mark.parametrize("stage", [Stage.SCORE, Stage.RANK])
def test_the_scores_of_a_cancelled_cycle_are_never_published(buyers: list[Customer], stage: str) -> None:
    before = cycle.run(AS_OF).run
    turned = turned_to(stage, LATER)
    in_hand = Cycle.objects.get(pk=turned.pk)
    cycle.cancel(turned, None, LATER)
    stages.rank(in_hand, [ALL])  # a worker had claimed it
    assert ScoreRun.objects.get(state=ScoreRun.State.PUBLISHED) == before
    again = cycle.run(LATER)
    assert ScoreRun.objects.get(state=ScoreRun.State.PUBLISHED) == again.run


def test_edges_that_a_cancelled_cycle_did_not_reach_are_found_by_the_next(buyers: list[Customer]) -> None:
    cycle.run(AS_OF)
    for customer in buyers[1:]:
        buy(customer, AS_OF + timedelta(minutes=1))
    cycle.cancel(turned_to(Stage.REFRESH, LATER, pieces=2), None, LATER)
    reached = set(Decision.objects.values_list("customer__external_id", flat=True))
    assert reached < {"c1", "c2", "c3", "c4"}
    following = cycle.run(LATEST)
    assert following.state == Cycle.State.DONE
    assert following.summary["decisions"] == {"deliver": 4 - len(reached)}
    decided = Decision.objects.order_by("customer__external_id").values_list("customer__external_id", "round")
    assert list(decided) == [("c1", 1), ("c2", 1), ("c3", 1), ("c4", 1)]
    assert Membership.objects.count() == 5


def test_news_that_a_cancelled_cycle_had_read_is_left_to_a_small_one(buyers: list[Customer]) -> None:
    cycle.run(AS_OF)
    buy(buyers[2], AS_OF + timedelta(minutes=1))
    cycle.cancel(turned_to(Stage.SCORE, LATER), None, LATER)
    small = cycle.run_small(LATER + timedelta(seconds=2))
    assert small is not None
    assert small.summary["decisions"] == {"deliver": 1}


def test_the_command_cancels_what_runs(done: Noted) -> None:
    turned = turned_to(Stage.SCORE)
    out = io.StringIO()
    call_command("cycle", "--cancel", stdout=out)
    turned.refresh_from_db()
    assert turned.state == Cycle.State.CANCELLED
    assert "The full cycle as of 2026-03-01 12:00 is cancelled." in out.getvalue()
    assert AuditEntry.objects.get().by is None
    with pytest.raises(CommandError, match="No cycle is running"):
        call_command("cycle", "--cancel", stdout=out)


def test_the_command_that_turns_a_cycle_ends_when_it_is_cancelled(done: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancelled(turned: Cycle, buckets: Sequence[int]) -> Outcome:
        cycle.cancel(Cycle.objects.get(pk=turned.pk), None, LATER)
        return Outcome({})

    monkeypatch.setitem(stages.OF_KIND[Cycle.Kind.FULL], Stage.RANK, cancelled)
    with pytest.raises(CommandError, match="The cycle was cancelled"):
        call_command("cycle", "--as-of", "2026-03-01", stdout=io.StringIO())
    assert not [stage for stage, _ in done if stage in (Stage.REFRESH, Stage.DELIVER)]


def test_a_full_cycle_never_goes_back_behind_one_that_is_done(done: Noted) -> None:
    cycle.run(LATER)
    with pytest.raises(cycle.CycleBehind, match="full cycle as of 2026-03-01 13:00 is done"):
        cycle.begin(AS_OF)
    assert cycle.run(LATER).state == Cycle.State.DONE


def test_progress_counts_the_pieces_of_all_stages(done: Noted) -> None:
    turned = turned_to(Stage.SCORE, pieces=3)
    seen = progress.of(turned, turned.started_at + timedelta(seconds=8))
    assert (seen.stage, seen.done, seen.total) == ("Features and scores", 4, 13)
    assert seen.percent == 30
    assert seen.seconds_left == pytest.approx(18), "its own pace: 8 seconds for 4 of 13"
    assert seen.sentence() == "Features and scores: 4 of 13 pieces done, about 18 s left"


def test_the_time_left_follows_the_last_cycle_that_was_done(done: Noted) -> None:
    last = cycle.run(AS_OF)
    seconds = {"sync": 10.0, "score": 60.0, "rank": 10.0, "refresh": 20.0}
    finished = last.started_at + timedelta(seconds=50)  # two workers
    Cycle.objects.update(summary={"seconds": seconds}, finished_at=finished)
    turned = turned_to(Stage.SCORE, LATER, pieces=2)
    seen = progress.of(turned, turned.started_at + timedelta(hours=3))
    assert seen.seconds_left == pytest.approx(50 * (30 + 10 + 20) / 100)
    assert progress.of(last, LATER).percent == 100


def test_a_cycle_that_has_done_nothing_does_not_know_the_time_left(done: Noted) -> None:
    turned = cycle.begin(AS_OF)
    assert "the time left is not known yet" in progress.of(turned, LATER).sentence()


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_the_command_shows_its_progress_on_a_terminal_only(done: Noted) -> None:
    shown, file = Terminal(), io.StringIO()
    call_command("cycle", "--as-of", "2026-03-01", stdout=io.StringIO(), stderr=shown)
    assert "Features and scores: 4 of 13 pieces done" in shown.getvalue()
    assert "Segments and decisions: 9 of 13 pieces done" in shown.getvalue()
    call_command("cycle", "--as-of", "2026-03-02", stdout=io.StringIO(), stderr=file)
    assert file.getvalue() == ""
    assert CycleTask.objects.exclude(state=CycleTask.State.DONE).count() == 0
