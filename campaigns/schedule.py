"""What happens again and again: rows with a due time, claimed by whoever ticks first."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import wraps
from itertools import islice

from django.conf import settings
from django.db import transaction

from campaigns import control
from campaigns.control import User
from campaigns.models import Cycle, Schedule
from customers import audit

FULL_CYCLE, SMALL_CYCLE = Schedule.Key.FULL_CYCLE, Schedule.Key.SMALL_CYCLE
DELIVER, RESUME, SWEEP = Schedule.Key.DELIVER, Schedule.Key.RESUME, Schedule.Key.SWEEP
REWRITE_ERASED = Schedule.Key.REWRITE_ERASED
TRAIN, WATCH = Schedule.Key.TRAIN, Schedule.Key.WATCH
BRAKES, TELL = Schedule.Key.BRAKES, Schedule.Key.TELL
SLOTS, TOUCHES = Schedule.Key.SLOTS, Schedule.Key.TOUCHES
CALLS, CODES = Schedule.Key.CALLS, Schedule.Key.CODES
REPORTS = Schedule.Key.REPORTS
WEBHOOKS, EXPERIMENTS = Schedule.Key.WEBHOOKS, Schedule.Key.EXPERIMENTS
BACKTESTS, IMPORTS, FEEDS = Schedule.Key.BACKTESTS, Schedule.Key.IMPORTS, Schedule.Key.FEEDS
Work = Callable[[], None]


def periods() -> dict[Schedule.Key, int]:
    """Give how often each thing happens, in seconds."""
    return {
        FULL_CYCLE: int(settings.CYCLE_EVERY.total_seconds()),
        SMALL_CYCLE: 2,
        DELIVER: 5,
        RESUME: 15,
        SWEEP: 30,
        REWRITE_ERASED: 6 * 3600,  # files are without the erased within a day, also where a reader holds some back
        TRAIN: 5,
        WATCH: 900,
        SLOTS: 5,
        TOUCHES: 5,
        BRAKES: 60,
        TELL: 60,
        CALLS: 30,
        WEBHOOKS: 5,
        CODES: 60,
        BACKTESTS: 5,
        IMPORTS: 5,
        FEEDS: 10,
        REPORTS: 300,
        EXPERIMENTS: 3600,
    }


def ensure(now: datetime) -> None:
    """Make the rows that are missing, due now, and bring their periods up to date."""
    for key, seconds in periods().items():
        row, _ = Schedule.objects.get_or_create(key=key, defaults={"every_seconds": seconds, "next_at": now})
        if row.every_seconds != seconds:
            next_at = min(row.next_at, now + timedelta(seconds=seconds))
            Schedule.objects.filter(pk=row.pk).update(every_seconds=seconds, next_at=next_at)


def switch_off(keys: Iterable[Schedule.Key], now: datetime) -> None:
    """Let these things not happen until somebody switches them on again."""
    ensure(now)
    Schedule.objects.filter(key__in=list(keys)).update(is_enabled=False)


def tick(now: datetime, most: int | None = None) -> list[str]:
    """Claim what is due, `most` of it; begin a full cycle if it is its time. Give what a worker should be woken for.

    What was missed happens once. A full cycle that is due while one runs stays due until that one has ended.
    """
    rows = list(Schedule.objects.all())
    if {row.key: row.every_seconds for row in rows} != periods():
        ensure(now)
        rows = list(Schedule.objects.all())
    due = (row.key for row in rows if row.is_enabled and row.next_at <= now and _claimed(row, now))
    return list(islice(due, most))


def run_now(by: User, now: datetime) -> Cycle:
    """Begin a full cycle besides its slots, and note who asked for it. Raises CycleRunning, CycleBehind."""
    with transaction.atomic():
        begun = control.begin(now)
        Schedule.objects.filter(key=FULL_CYCLE).update(last_at=now)
        audit.note(now, by, "cycle begun", str(begun))
    return begun


def noted(key: Schedule.Key) -> Callable[[Work], Work]:
    """Let work note on its schedule how long it took, and why it failed."""

    def noting(work: Work) -> Work:
        @wraps(work)
        def run() -> None:
            began, error = time.perf_counter(), ""
            try:
                work()
            except Exception as fault:
                error = f"{type(fault).__name__}: {fault}"
                raise
            finally:
                Schedule.objects.filter(key=key).update(seconds=time.perf_counter() - began, error=error)

        return run

    return noting


def came_again(key: str, since: datetime) -> bool:
    """Say whether a slot came since then; whoever was woken for it found the work of the slot before going on."""
    return Schedule.objects.filter(key=key, last_at__gt=since).exists()


def _claimed(row: Schedule, now: datetime) -> bool:
    try:
        with transaction.atomic():
            free = Schedule.objects.filter(pk=row.pk, next_at=row.next_at, is_enabled=True)
            is_mine = free.update(next_at=following(row, now), last_at=now) == 1
            if is_mine and row.key == FULL_CYCLE:
                control.begin(now)
            return is_mine
    except (control.CycleRunning, control.CycleBehind):
        return False


def following(row: Schedule, now: datetime) -> datetime:
    """Give the first of the row's slots after `now`."""
    every = timedelta(seconds=row.every_seconds)
    return row.next_at + every * ((now - row.next_at) // every + 1)
