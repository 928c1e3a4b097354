"""A cycle is begun, cancelled and summed up: what pages need of it, without what the work itself needs."""

import logging
from datetime import datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from campaigns import cycle_tasks
from campaigns.cycle_tasks import ALL, added
from campaigns.models import Cycle, CycleTask
from customers import audit
from customers.models import Customer

NOTHING: dict[str, Any] = {
    "customers": 0,
    "events": 0,
    "scored": 0,
    "entered": 0,
    "left": 0,
    "decisions": {},
    "deliveries": {},
}
TOGETHER = {"sqlite": 5_000, "postgresql": 70_000}  # customers that are worked on as one piece, at most
ALONE = 20_000  # customers that one worker is done with before another has begun
PIECES = 4
log = logging.getLogger(__name__)
User = AbstractBaseUser | None


class CycleRunning(ValueError):
    """A cycle of this kind has not ended yet; the message says which."""


class CycleBehind(ValueError):
    """A full cycle as of an earlier time than one that is done would undo newer facts; the message says which."""


class CycleEnded(ValueError):
    """A cycle that has ended cannot be cancelled; the message says which."""


def begin(as_of: datetime, kind: str = Cycle.Kind.FULL) -> Cycle:
    """Give a new cycle with its first work, or the running one with the same `as_of`.

    Raises CycleRunning, and CycleBehind when a full cycle as of a later time is done.
    """
    later = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE, as_of__gt=as_of).order_by("-as_of")
    if kind == Cycle.Kind.FULL and (done := later.first()):
        raise CycleBehind(f"The {done} is done; one as of an earlier time would undo newer facts.")
    running = Cycle.objects.filter(kind=kind, state=Cycle.State.RUNNING).first()
    if running is None:
        try:
            with transaction.atomic():
                cycle = Cycle.objects.create(
                    kind=kind, as_of=as_of, started_at=Now(), portion=_portion() if kind == Cycle.Kind.FULL else 1
                )
                cycle_tasks.plan(cycle, Cycle.Stage.SYNC, [ALL])
        except IntegrityError:
            running = Cycle.objects.get(kind=kind, state=Cycle.State.RUNNING)
        else:
            cycle.refresh_from_db()
            return cycle
    if running.as_of != as_of:
        raise CycleRunning(f"The {running} has not ended; the next one can begin after it.")
    return running


def _portion() -> int:
    """Give how many buckets to work on together: each piece costs half a second, whoever is in it.

    On SQLite a piece is small, because nobody else writes while it commits. Where there are many customers, there are
    some pieces for several workers to share.
    """
    buckets, customers = int(settings.BUCKETS), max(1, Customer.objects.count())
    most = buckets if customers <= ALONE else buckets // PIECES
    return max(1, min(most, TOGETHER[connection.vendor] * buckets // customers))


def cancel(cycle: Cycle, by: User, at: datetime) -> None:
    """End a running cycle: workers finish the piece in hand, and its scores are never published. Raises CycleEnded.

    Another may begin at once. What was committed stands; what was not reached, the next one finds.
    """
    with transaction.atomic():
        running = Cycle.objects.filter(pk=cycle.pk, state=Cycle.State.RUNNING)
        if not running.update(state=Cycle.State.CANCELLED, finished_at=Now()):
            raise CycleEnded(f"The {cycle} has ended already.")
        cycle.refresh_from_db()
        cycle.summary = summary(cycle, list(cycle.tasks.order_by("id")))
        cycle.save(update_fields=["summary"])
        audit.note(at, by, "cycle cancelled", str(cycle), stage=cycle.stage)


def wake(cycle_id: int) -> None:
    """Hint at a cycle's work; where the broker does not answer, the next tick finds it."""
    try:
        current_app.send_task("campaigns.tasks.work_on", (cycle_id,), retry=False)
    except OperationalError as error:
        log.warning("The broker does not answer; the scheduler finds cycle %s: %s", cycle_id, error)


def summary(cycle: Cycle, tasks: list[CycleTask]) -> dict[str, Any]:
    """Add up what the pieces of work counted, and their seconds by stage."""
    counts = NOTHING
    seconds: dict[str, float] = {}
    for task in tasks:
        counts = added(counts, task.counts)
        seconds[task.stage] = round(seconds.get(task.stage, 0.0) + task.seconds, 3)
    return {"as_of": cycle.as_of.isoformat(), **counts, "seconds": seconds}
