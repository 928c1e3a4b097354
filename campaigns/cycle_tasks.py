"""A cycle's pieces of work as rows that any worker may claim: by a token and a lease, on the database's clock."""

import secrets
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from campaigns.models import Cycle, CycleTask

ALL = -1  # the bucket of a step over all buckets
LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 3
CLOSED = (CycleTask.State.DONE, CycleTask.State.FAILED)


class Outcome(NamedTuple):
    """What a piece of work counted, and whether the same piece has more to do."""

    counts: dict[str, Any]
    has_more: bool = False


def plan(cycle: Cycle, stage: str, buckets: Iterable[int]) -> None:
    """Write the rows of a stage's work."""
    CycleTask.objects.bulk_create(
        [CycleTask(cycle=cycle, stage=stage, bucket=bucket) for bucket in buckets], ignore_conflicts=True
    )


def free(cycle: Cycle) -> "QuerySet[CycleTask]":
    """Give the tasks of the running cycle's stage that nobody works on; a claim ends with its lease."""
    expired = Q(state=CycleTask.State.CLAIMED, lease_until__lt=Now())
    running = Cycle.objects.filter(pk=OuterRef("cycle_id"), state=Cycle.State.RUNNING)
    return cycle.tasks.filter(Exists(running), expired | Q(state=CycleTask.State.PLANNED), stage=cycle.stage)


def is_open(cycle: Cycle) -> bool:
    """Give whether the cycle's stage has work that is neither done nor failed."""
    return cycle.tasks.filter(stage=cycle.stage).exclude(state__in=CLOSED).exists()


def claim(cycle: Cycle) -> CycleTask | None:
    """Claim one free task of the cycle's stage; None when there is none."""
    return next(iter(claim_together(cycle, 1)), None)


def claim_together(cycle: Cycle, most: int) -> list[CycleTask]:
    """Claim up to `most` free tasks of the cycle's stage, to be done as one. What was tried before is claimed alone."""
    with transaction.atomic():
        tasks = _lockable(cycle, most)
        if any(task.attempts >= MAX_ATTEMPTS for task in tasks):
            _give_up(cycle)
            tasks = _lockable(cycle, most)
        tasks = tasks[:1] if tasks and tasks[0].attempts else [task for task in tasks if not task.attempts]
        token = secrets.token_hex(16)
        for task in tasks:
            task.state, task.token, task.attempts = CycleTask.State.CLAIMED, token, task.attempts + 1
        if tasks:
            claimed = CycleTask.objects.filter(pk__in=[task.pk for task in tasks])
            claimed.update(
                state=CycleTask.State.CLAIMED, token=token, lease_until=Now() + LEASE, attempts=F("attempts") + 1
            )
        return tasks


def _lockable(cycle: Cycle, most: int) -> list[CycleTask]:
    """Give free tasks, held until the commit: SQLite's transaction holds them all, PostgreSQL's locks their rows."""
    return list(free(cycle).select_for_update(of=("self",), skip_locked=True).order_by("bucket")[:most])


def release() -> None:
    """End all claims: for the start of a process that is the only one to work. Work done twice stays the same."""
    CycleTask.objects.filter(state=CycleTask.State.CLAIMED).update(lease_until=Now())


def _give_up(cycle: Cycle) -> None:
    """Fail the tasks whose last worker never came back."""
    free(cycle).filter(attempts__gte=MAX_ATTEMPTS).update(
        state=CycleTask.State.FAILED, error=f"Its worker was lost {MAX_ATTEMPTS} times."
    )


def close(task: CycleTask, outcome: Outcome, began: float, of: int = 1) -> bool:
    """Record what a claimed task counted, and its part of the seconds since `began`, as one of some done together.
    Give whether the claim still held.

    A task with more to do is planned again, with its counts so far.
    """
    state = CycleTask.State.PLANNED if outcome.has_more else CycleTask.State.DONE
    attempts = 0 if outcome.has_more else task.attempts
    counts = added(task.counts, outcome.counts)
    seconds = task.seconds + (time.perf_counter() - began) / of
    return _end(task, state=state, counts=counts, seconds=seconds, attempts=attempts, error="")


def fail(task: CycleTask, error: str, began: float, of: int = 1) -> bool:
    """Plan a claimed task again after an error, or fail it after the third. Give whether the claim still held."""
    state = CycleTask.State.FAILED if task.attempts >= MAX_ATTEMPTS else CycleTask.State.PLANNED
    return _end(task, state=state, error=error, seconds=task.seconds + (time.perf_counter() - began) / of)


def _end(task: CycleTask, **fields: Any) -> bool:
    held = CycleTask.objects.filter(pk=task.pk, state=CycleTask.State.CLAIMED, token=task.token)
    return held.update(token="", lease_until=None, **fields) == 1


def added(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Give the sum of two sets of counts, key by key, also within counts of counts."""
    total = dict(left)
    for key, value in right.items():
        before = total.get(key)
        if isinstance(value, dict):
            total[key] = added(before or {}, value)
        else:
            total[key] = value if before is None else before + value
    return total
