"""Trainings that were asked for, as rows, claimed by a token and a lease on the database's clock.

What pages and REST need of trainings, without what the training itself needs (scoring/training_work.py).
"""

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from customers.audit import User
from scoring.models import ModelVersion, Target, TrainingRun

State = TrainingRun.State
OPEN = (State.WAITING, State.RUNNING)
LEASE = timedelta(minutes=20)  # longer than a task may take: what is held is worked on
MAX_ATTEMPTS = 3
LONGEST_SENTENCE = 600
LOST = f"Its worker was lost {MAX_ATTEMPTS} times. Is there enough memory? Ask for it again, or train by the command."


class TrainingLost(Exception):
    """Somebody else holds the training by now: what was done of it is dropped."""


def ask(target: Target, at: datetime, by: User = None, seed: int = 0, *, is_scheduled: bool = False) -> TrainingRun:
    """Give the training of the target that waits or runs, or a new one as of the time."""
    try:
        with transaction.atomic():
            return TrainingRun.objects.create(
                target=target,
                as_of=at,
                seed=seed,
                requested_by_id=by.pk if by else None,
                is_scheduled=is_scheduled,
                asked_at=at,
            )
    except IntegrityError:
        return TrainingRun.objects.get(target=target, state__in=OPEN)


def ask_due(at: datetime) -> list[TrainingRun]:
    """Ask for the trainings whose day has come; what was missed comes once. Give those that are new."""
    asked = []
    for target in Target.objects.filter(is_active=True, retrain_days__gt=0).order_by("pk"):
        due = next_training(target)
        if due is not None and due <= at and not target.training_runs.filter(state__in=OPEN).exists():
            asked.append(ask(target, at, is_scheduled=True))
    return asked


def next_training(target: Target) -> datetime | None:
    """Give when the target is trained again by itself; None where it never is, or was never trained."""
    if not target.is_active or not target.retrain_days:
        return None
    versions = target.versions.order_by("-as_of").values_list("as_of", flat=True)
    runs = target.training_runs.order_by("-as_of").values_list("as_of", flat=True)
    times = [found for found in (versions.first(), runs.first()) if found is not None]
    return max(times) + timedelta(days=target.retrain_days) if times else None


def claim() -> TrainingRun | None:
    """Claim the oldest training that nobody holds; None where there is none, or one is worked on.

    One runs at a time, so that trainings never take all workers from the cycles.
    """
    lapsed = Q(state=State.RUNNING, lease_until__lte=Now())
    with transaction.atomic():
        TrainingRun.objects.filter(lapsed, attempts__gte=MAX_ATTEMPTS).update(
            state=State.FAILED, sentence=LOST, token="", lease_until=None, finished_at=Now()
        )
        if TrainingRun.objects.filter(state=State.RUNNING, lease_until__gt=Now()).exists():
            return None
        free = TrainingRun.objects.filter(lapsed | Q(state=State.WAITING)).order_by("asked_at", "pk")
        run = free.select_for_update(skip_locked=True).first()
        if run is None:
            return None
        TrainingRun.objects.filter(pk=run.pk).update(
            state=State.RUNNING,
            token=secrets.token_hex(16),
            lease_until=Now() + LEASE,
            attempts=F("attempts") + 1,
            started_at=Now(),
            stage="",
            portion=0.0,
        )
    run.refresh_from_db()
    return run


def tell(run: TrainingRun, stage: str, portion: float) -> None:
    """Store how far a claimed training is, and hold it longer. Raises TrainingLost."""
    if not _held(run).update(stage=stage[:80], portion=min(max(portion, 0.0), 1.0), lease_until=Now() + LEASE):
        raise TrainingLost(f"The {run} is held by somebody else.")


def finish(run: TrainingRun, version: ModelVersion) -> None:
    """Store what a claimed training made."""
    _end(run, State.DONE, version.reason, version)


def refuse(run: TrainingRun, sentence: str) -> None:
    """Store why a claimed training cannot be; the versions there are stay as they were."""
    _end(run, State.REFUSED, sentence)


def fail(run: TrainingRun, sentence: str) -> None:
    """Let a claimed training that broke be tried again, or give it up after the third time."""
    if run.attempts >= MAX_ATTEMPTS:
        _end(run, State.FAILED, sentence)
    else:
        _held(run).update(state=State.WAITING, sentence=sentence[:LONGEST_SENTENCE], token="", lease_until=None)
        run.refresh_from_db()


def release() -> None:
    """End all claims: for the start of a process that is the only one to work."""
    TrainingRun.objects.filter(state=State.RUNNING).update(lease_until=Now())


def _held(run: TrainingRun) -> "QuerySet[TrainingRun]":
    return TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING, token=run.token)


def _end(run: TrainingRun, state: str, sentence: str, version: ModelVersion | None = None) -> None:
    done = {"stage": "", "portion": 1.0} if state == State.DONE else {}
    _held(run).update(
        state=state,
        sentence=sentence[:LONGEST_SENTENCE],
        version=version,
        token="",
        lease_until=None,
        finished_at=Now(),
        **done,
    )
    run.refresh_from_db()
