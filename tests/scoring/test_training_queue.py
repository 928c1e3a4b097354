"""Trainings are rows: asked for once, taken by one worker, taken again when it is lost, and ended with a sentence."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from scoring import training, training_queue, training_work
from scoring.models import ModelVersion, Target, TrainingRun
from scoring.training_queue import TrainingLost
from scoring.training_set import TrainingRefused
from tests.scoring.worlds import AS_OF, DAY

pytestmark = [pytest.mark.door, pytest.mark.django_db]
Training = Callable[..., ModelVersion]


@pytest.fixture
def target() -> Target:
    return made("gone")


def made(key: str) -> Target:
    return Target.objects.create(
        key=key, label=key.title(), kind="attribute", attribute=key, equals="yes", retrain_days=30, created_at=AS_OF
    )


def version(target: Target, as_of: Any, seed: int = 0) -> ModelVersion:
    return ModelVersion.objects.create(
        target=target,
        number=target.versions.count() + 1,
        reason="It beats the rule.",
        learner="logistic",
        validated="in_folds",
        as_of=as_of,
        created_at=as_of,
        seed=seed,
        customers=600,
        positives=300,
    )


def trains(monkeypatch: pytest.MonkeyPatch, then: Training) -> None:
    """Let a training be this."""
    monkeypatch.setattr(training, "train", then)


def lapse() -> None:
    TrainingRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_training_is_asked_for_once_while_it_is_open(target: Target) -> None:
    ann = User.objects.create(username="ann")
    first = training_queue.ask(target, AS_OF, ann)
    assert training_queue.ask(target, AS_OF + DAY) == first
    assert (first.state, first.requested_by, first.as_of) == ("waiting", ann, AS_OF)


def test_a_worker_trains_what_waits_and_tells_how_far_it_is(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def train(target: Target, as_of: Any, seed: int, progress: Callable[[str, float], None]) -> ModelVersion:
        progress("Tests on later times", 0.3)
        run = TrainingRun.objects.get()
        told.append((run.state, run.stage, run.portion))
        return version(target, as_of, seed)

    trains(monkeypatch, train)
    training_queue.ask(target, AS_OF, seed=7)
    run = training_work.work()
    assert run is not None
    assert told == [("running", "Tests on later times", 0.3)]
    assert (run.state, run.portion, run.sentence) == ("done", 1.0, "It beats the rule.")
    assert run.version is not None
    assert (run.version.as_of, run.version.seed) == (AS_OF, 7)
    assert training_work.work() is None


def test_what_cannot_be_trained_is_refused_with_the_sentence(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*args: Any) -> ModelVersion:
        raise TrainingRefused("Training takes 500 customers; there are 3, 497 too few.")

    trains(monkeypatch, train)
    training_queue.ask(target, AS_OF)
    run = training_work.work()
    assert run is not None
    assert (run.state, run.sentence) == ("refused", "Training takes 500 customers; there are 3, 497 too few.")


def test_a_training_that_breaks_is_tried_three_times_and_says_why(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*args: Any) -> ModelVersion:
        raise MemoryError("no room")

    trains(monkeypatch, train)
    run = training_queue.ask(target, AS_OF)
    for state in ("waiting", "waiting", "failed"):
        with pytest.raises(MemoryError):
            training_work.work()
        run.refresh_from_db()
        assert (run.state, run.sentence) == (state, "MemoryError: no room")
    assert training_work.work() is None


def test_a_training_whose_worker_was_killed_is_taken_again_when_its_lease_is_over(target: Target) -> None:
    asked = training_queue.ask(target, AS_OF)
    assert training_queue.claim() == asked
    assert training_queue.claim() is None
    lapse()
    again = training_queue.claim()
    assert again is not None
    assert (again.pk, again.attempts) == (asked.pk, 2)


def test_a_training_whose_workers_were_lost_three_times_fails_with_a_sentence(target: Target) -> None:
    run = training_queue.ask(target, AS_OF)
    for _ in range(3):
        assert training_queue.claim() is not None
        lapse()
    assert training_queue.claim() is None
    run.refresh_from_db()
    assert run.state == TrainingRun.State.FAILED
    assert "lost 3 times" in run.sentence


def test_a_worker_whose_training_another_has_taken_stops_and_ends_nothing(target: Target) -> None:
    training_queue.ask(target, AS_OF)
    slow = training_queue.claim()
    lapse()
    quick = training_queue.claim()
    assert slow is not None
    assert quick is not None
    with pytest.raises(TrainingLost):
        training_queue.tell(slow, "Explains", 0.9)
    training_queue.refuse(slow, "late")
    quick.refresh_from_db()
    assert (quick.state, quick.sentence) == ("running", "")


def test_a_version_that_was_stored_before_its_worker_was_lost_is_not_made_twice(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_queue.ask(target, AS_OF)
    training_queue.claim()
    stored = version(target, AS_OF)
    lapse()
    trains(monkeypatch, lambda *args: version(target, AS_OF))
    run = training_work.work()
    assert run is not None
    assert (run.version, target.versions.count()) == (stored, 1)


def test_one_training_runs_at_a_time_and_the_oldest_goes_first(target: Target) -> None:
    later, first = training_queue.ask(target, AS_OF + DAY), training_queue.ask(made("lapse"), AS_OF)
    claimed = training_queue.claim()
    assert claimed == first
    assert training_queue.claim() is None
    training_queue.refuse(claimed, "no")
    assert training_queue.claim() == later


def test_a_target_is_trained_again_when_its_days_are_over_and_what_was_missed_comes_once(target: Target) -> None:
    assert training_queue.ask_due(AS_OF + 90 * DAY) == []
    version(target, AS_OF)
    assert training_queue.next_training(target) == AS_OF + 30 * DAY
    assert training_queue.ask_due(AS_OF + 29 * DAY) == []
    late = AS_OF + 95 * DAY
    run = training_queue.ask_due(late)[0]
    assert (run.target, run.as_of, run.is_scheduled, run.requested_by) == (target, late, True, None)
    assert training_queue.ask_due(late + DAY) == []


def test_a_refused_training_is_not_asked_for_again_before_the_next_time(target: Target) -> None:
    version(target, AS_OF)
    training_queue.ask_due(AS_OF + 30 * DAY)
    run = training_queue.claim()
    assert run is not None
    training_queue.refuse(run, "too few")
    assert training_queue.ask_due(AS_OF + 31 * DAY) == []
    assert training_queue.next_training(target) == AS_OF + 60 * DAY
    assert len(training_queue.ask_due(AS_OF + 60 * DAY)) == 1


def test_a_target_that_is_never_trained_again_or_not_in_use_is_left_alone(target: Target) -> None:
    version(target, AS_OF)
    for change in ({"retrain_days": 0, "is_active": True}, {"retrain_days": 30, "is_active": False}):
        Target.objects.update(**change)
        target.refresh_from_db()
        assert training_queue.next_training(target) is None
        assert training_queue.ask_due(AS_OF + 90 * DAY) == []


def test_a_process_that_is_the_only_one_to_work_takes_up_what_an_earlier_one_held(target: Target) -> None:
    training_queue.ask(target, AS_OF)
    training_queue.claim()
    training_queue.release()
    again = training_queue.claim()
    assert again is not None
    assert again.attempts == 2
