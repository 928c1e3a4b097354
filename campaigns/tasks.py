"""What Celery calls: one line each, ids only, safe to run twice. Messages are hints; the work is rows."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from campaigns import (
    alert_mails,
    brakes,
    cycle,
    deliver,
    experiments,
    kept_sums,
    save_rates,
    schedule,
    slots,
    stages,
    tracking,
    uncertain,
)
from campaigns.backtest import work as backtest_work
from campaigns.calls import watch as call_watch
from campaigns.offers import lapse
from campaigns.webhooks import outbox, sender
from customers import erasure, import_work, once, uploads
from customers.feeds import looking
from scoring import training_work, watch
from segments import field_alerts

SOON = 2  # seconds: whoever is busy that long lets the hint go, so that no more go round than there are free workers


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
    began = timezone.now()
    if cycle.run_small(began):
        deliver_due.apply_async(expires=SOON)
        if schedule.came_again(schedule.SMALL_CYCLE, began):
            small_cycle.apply_async(expires=SOON)


@shared_task
@schedule.noted(schedule.DELIVER)
def deliver_due() -> None:
    if deliver.has_more(deliver.deliver(timezone.now(), limit=stages.DELIVERIES)):
        deliver_due.apply_async(expires=SOON)


@shared_task
@schedule.noted(schedule.SWEEP)
def sweep() -> None:
    uncertain.sweep(timezone.now())


@shared_task
@schedule.noted(schedule.REWRITE_ERASED)
def rewrite_erased() -> None:
    erasure.rewrite(timezone.now())
    outbox.tidy(timezone.now())
    once.tidy(timezone.now())
    uploads.tidy(timezone.now())


@shared_task
@schedule.noted(schedule.TRAIN)
def train() -> None:
    training_work.work()


@shared_task
@schedule.noted(schedule.WATCH)
def watch_models() -> None:
    watch.watch(timezone.now())
    save_rates.watch(timezone.now())
    field_alerts.watch(timezone.now())


@shared_task
@schedule.noted(schedule.BRAKES)
def watch_sending() -> None:
    brakes.watch(timezone.now())


@shared_task
@schedule.noted(schedule.TELL)
def tell_alerts() -> None:
    alert_mails.tell(timezone.now())


@shared_task
@schedule.noted(schedule.SLOTS)
def act_at_slots() -> None:
    slots.act(timezone.now())


@shared_task
@schedule.noted(schedule.TOUCHES)
def settle_touches() -> None:
    tracking.settle(timezone.now())


@shared_task
@schedule.noted(schedule.CALLS)
def watch_calls() -> None:
    call_watch.watch(timezone.now())


@shared_task
@schedule.noted(schedule.WEBHOOKS)
def tell_webhooks() -> None:
    sender.send_due(timezone.now)


@shared_task
@schedule.noted(schedule.CODES)
def release_codes() -> None:
    lapse.lapse(timezone.now())
    lapse.watch(timezone.now())


@shared_task
@schedule.noted(schedule.EXPERIMENTS)
def compare_variants() -> None:
    experiments.look(timezone.now())


@shared_task
@schedule.noted(schedule.REPORTS)
def count_reports() -> None:
    kept_sums.keep(timezone.now())


@shared_task
@schedule.noted(schedule.BACKTESTS)
def act_out() -> None:
    backtest_work.work(timezone.now)


@shared_task
@schedule.noted(schedule.IMPORTS)
def store_uploads() -> None:
    import_work.work(timezone.now)


@shared_task
@schedule.noted(schedule.FEEDS)
def look_for_files() -> None:
    looking.look_due(timezone.now)


WOKEN: dict[str, Any] = {
    schedule.FULL_CYCLE: resume,
    schedule.SMALL_CYCLE: small_cycle,
    schedule.DELIVER: deliver_due,
    schedule.RESUME: resume,
    schedule.SWEEP: sweep,
    schedule.REWRITE_ERASED: rewrite_erased,
    schedule.TRAIN: train,
    schedule.WATCH: watch_models,
    schedule.SLOTS: act_at_slots,
    schedule.TOUCHES: settle_touches,
    schedule.BRAKES: watch_sending,
    schedule.TELL: tell_alerts,
    schedule.CALLS: watch_calls,
    schedule.WEBHOOKS: tell_webhooks,
    schedule.CODES: release_codes,
    schedule.BACKTESTS: act_out,
    schedule.IMPORTS: store_uploads,
    schedule.FEEDS: look_for_files,
    schedule.REPORTS: count_reports,
    schedule.EXPERIMENTS: compare_variants,
}
