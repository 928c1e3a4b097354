"""What Celery calls: one line each, ids only, safe to run twice. Messages are hints; the work is rows."""

import logging
from typing import Any

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from campaigns import cycle, deliver, schedule, stages
from customers import erasure

log = logging.getLogger(__name__)


def wake(cycle_id: int) -> None:
    """Hint at a cycle's work; where the broker does not answer, the next tick finds it."""
    try:
        work_on.apply_async((cycle_id,), retry=False)
    except OperationalError as error:
        log.warning("The broker does not answer; the scheduler finds cycle %s: %s", cycle_id, error)


@shared_task
def tick() -> None:
    """Claim what is due, and wake a worker for each."""
    for key in schedule.tick(timezone.now()):
        WOKEN[key].delay()


@shared_task
def work_on(cycle_id: int) -> None:
    """Do one piece of a cycle's work, and wake workers for what follows."""
    for _ in range(cycle.step(cycle_id)):
        work_on.delay(cycle_id)


@shared_task
@schedule.noted(schedule.RESUME)
def resume() -> None:
    """Wake workers for cycles that nobody works on."""
    for cycle_id in cycle.unattended():
        work_on.delay(cycle_id)


@shared_task
@schedule.noted(schedule.SMALL_CYCLE)
def small_cycle() -> None:
    cycle.run_small(timezone.now())


@shared_task
@schedule.noted(schedule.DELIVER)
def deliver_due() -> None:
    deliver.deliver(timezone.now(), limit=stages.DELIVERIES)


@shared_task
@schedule.noted(schedule.SWEEP)
def sweep() -> None:
    deliver.sweep(timezone.now())


@shared_task
@schedule.noted(schedule.REWRITE_ERASED)
def rewrite_erased() -> None:
    erasure.rewrite(timezone.now())


WOKEN: dict[str, Any] = {
    schedule.FULL_CYCLE: resume,
    schedule.SMALL_CYCLE: small_cycle,
    schedule.DELIVER: deliver_due,
    schedule.RESUME: resume,
    schedule.SWEEP: sweep,
    schedule.REWRITE_ERASED: rewrite_erased,
}
