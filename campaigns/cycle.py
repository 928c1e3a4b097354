"""One turn of the loop: sync, score, rank, refresh and decide, count, allocate, deliver.

The work of each stage is rows (campaigns/cycle_tasks.py), so that any number of workers share one cycle; a stage
begins when all work of the stage before it has ended. campaigns/stages.py says what each stage does.
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from campaigns import cycle_tasks, news, stages
from campaigns.control import CycleBehind as CycleBehind
from campaigns.control import CycleEnded as CycleEnded
from campaigns.control import CycleRunning as CycleRunning
from campaigns.control import begin as begin
from campaigns.control import cancel as cancel
from campaigns.control import summary
from campaigns.cycle_tasks import ALL, LEASE, Outcome
from campaigns.models import Cycle, CycleTask, Schedule
from customers import alerts
from customers.alerts import Cause
from customers.models import Alert
from scoring import versions

PAUSE_SECONDS = 0.1
WAIT_SECONDS = 2 * LEASE.total_seconds()
LEFT_OUT = "cycle.left_out"
SMALL_KEPT = timedelta(days=1)
SMALL_REST = timedelta(minutes=1)
log = logging.getLogger(__name__)


def run(as_of: datetime, kind: str = Cycle.Kind.FULL) -> Cycle:
    """Turn the loop once as of a time, and give the ended cycle with its summary. Raises CycleRunning, CycleBehind."""
    cycle = begin(as_of, kind)
    for _ in turn(cycle):
        pass
    return cycle


def turn(cycle: Cycle) -> Iterator[Cycle]:
    """Work on a cycle until it has ended, with whoever else does; give it after every piece of work.

    Raises CycleRunning when others hold its work for longer than two leases.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while cycle.state == Cycle.State.RUNNING:
        has_worked = work(cycle)
        is_whole_stage = has_worked and cycle.kind == Cycle.Kind.SMALL  # each of its stages is one piece
        has_moved = (is_whole_stage or not has_worked) and advance(cycle)
        if has_worked or has_moved:
            deadline = time.monotonic() + WAIT_SECONDS
            yield cycle
        elif time.monotonic() > deadline:
            raise CycleRunning(f"The {cycle} waits for work that other workers hold.")
        else:
            time.sleep(PAUSE_SECONDS)
            cycle.refresh_from_db()


def work(cycle: Cycle) -> bool:
    """Claim a free piece of the cycle's work, or some small ones together, and do it. Give whether there was one.

    Where others moved the cycle on, or ended it, nothing is free of the stage that is known here.
    """
    tasks = cycle_tasks.claim_together(cycle, cycle.portion)
    if not tasks:
        return False
    began, buckets, stage = time.perf_counter(), [task.bucket for task in tasks], tasks[0].stage
    try:
        outcome = stages.OF_KIND[Cycle.Kind(cycle.kind)][stage](cycle, buckets)
    except Exception as error:
        log.exception("%s: %s of bucket %s failed", cycle, tasks[0].get_stage_display(), buckets)
        with transaction.atomic():
            for task in tasks:
                cycle_tasks.fail(task, f"{type(error).__name__}: {error}", began, len(tasks))
    else:
        with transaction.atomic():
            for n, task in enumerate(tasks):
                cycle_tasks.close(task, outcome if n == 0 else Outcome({}), began, len(tasks))
    return True


def advance(cycle: Cycle) -> bool:
    """Move the cycle to its next stage if all work of this one has ended. Give whether it moved, here or elsewhere."""
    cycle.refresh_from_db()
    stage = cycle.stage
    if cycle.state != Cycle.State.RUNNING or cycle_tasks.is_open(cycle):
        return False
    with transaction.atomic():
        following, buckets = stages.following(cycle)
        is_ours = Cycle.objects.filter(pk=cycle.pk, state=Cycle.State.RUNNING, stage=stage).update(stage=following)
        if is_ours:
            cycle_tasks.plan(cycle, following, buckets)
            if following == Cycle.Stage.DONE:
                _finish(cycle)
    if is_ours and following != Cycle.Stage.DONE:
        cycle.stage = following
    else:
        cycle.refresh_from_db()
    return True


def step(cycle_id: int) -> int:
    """Do one piece of a cycle's work, or move it on. Give how many workers could go on with it."""
    cycle = Cycle.objects.filter(pk=cycle_id, state=Cycle.State.RUNNING).first()
    if cycle is None:
        return 0
    if work(cycle):
        return 1
    return max(1, cycle_tasks.free(cycle).count()) if advance(cycle) else 0


def unattended() -> list[int]:
    """Give the running cycles with work that nobody does."""
    running = Cycle.objects.filter(state=Cycle.State.RUNNING)
    return [each.pk for each in running if cycle_tasks.free(each).exists() or not cycle_tasks.is_open(each)]


def run_small(as_of: datetime) -> Cycle | None:
    """Turn a small cycle if there is news and none is running; give it.

    News of more than SMALL_MOST customers is left to a full cycle, which is then due at once, as it is when the scores
    come from other versions than the live ones. After a small cycle that failed there is none for a minute.
    """
    if not versions.are_served():
        _hasten(as_of)
    small = Cycle.objects.filter(kind=Cycle.Kind.SMALL)
    failed = Q(state=Cycle.State.FAILED, as_of__gt=as_of - SMALL_REST)
    if small.filter(Q(state=Cycle.State.RUNNING) | failed).exists():
        return None
    found = stages.count_news(stages.last_read(), news.newest())
    if found > stages.SMALL_MOST:
        _hasten(as_of)
        return None
    try:
        return run(as_of, Cycle.Kind.SMALL) if found else None
    except CycleRunning:  # somebody else began one just now
        return None


def _hasten(as_of: datetime) -> None:
    """Make the next full cycle due, unless one is about to read the news."""
    full = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.RUNNING, marks__isnull=True)
    if not full.exists():
        planned = Schedule.objects.filter(key=Schedule.Key.FULL_CYCLE, next_at__gt=as_of)
        planned.update(next_at=as_of)


def _finish(cycle: Cycle) -> None:
    """Sum up what the cycle did; forget small cycles of days past."""
    tasks = list(cycle.tasks.order_by("id"))
    failed = [task for task in tasks if task.state == CycleTask.State.FAILED]
    Cycle.objects.filter(pk=cycle.pk).update(
        state=Cycle.State.FAILED if failed else Cycle.State.DONE,
        finished_at=Now(),
        summary=summary(cycle, tasks),
        error="\n".join(_sentence(task) for task in failed),
    )
    if cycle.kind == Cycle.Kind.FULL:
        _tell(cycle, failed)
    old = Cycle.objects.filter(kind=Cycle.Kind.SMALL, as_of__lt=cycle.as_of - SMALL_KEPT)
    old.exclude(state=Cycle.State.RUNNING).delete()


def _tell(cycle: Cycle, failed: list[CycleTask]) -> None:
    """Let the inbox say whom a full cycle left out, until one leaves nobody out."""
    if not failed:
        alerts.settle(LEFT_OUT, cycle.as_of)
        return
    more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
    link = reverse("admin:campaigns_cycle_change", args=[cycle.pk])
    sentence = f"The {cycle} left customers out. {_sentence(failed[0])}{more}"
    alerts.raise_(Cause(LEFT_OUT, Alert.Kind.CYCLE, sentence, link), cycle.as_of)


def _sentence(task: CycleTask) -> str:
    where = "" if task.bucket == ALL else f", bucket {task.bucket}"
    return f"{task.get_stage_display()}{where}: {task.error}"
