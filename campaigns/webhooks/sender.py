"""Messages to other programs, sent: claimed in the order of their due times, called, and what came of it written down.

Calls wait on threads of their own while this thread alone speaks with the database: one receiver that hangs delays no
other. A worker that is killed may have called: its messages are claimed again when their leases end, so a receiver may
get a message twice, and goes by its id.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q
from django.db.models.functions import Now

from campaigns.models import Webhook, WebhookAttempt, WebhookMessage
from campaigns.webhooks import hooks, retries, signing
from customers.calling import Answer, Caller, call
from customers.models import new_public_id

LEASE = timedelta(minutes=2)  # much longer than a call takes
THREADS = 32
AT_ONCE = 2  # calls of one webhook; one of a webhook that fails
LONGEST = 30.0  # seconds in which new calls are begun
PAUSE = 0.05  # seconds
GIVEN_UP_AFTER = timedelta(days=5)
WHOLE_SCHEDULE = sum(retries.SCHEDULE, timedelta())
GONE = 410
TEXT = 500  # characters of an answer that are kept
PLANNED = {"state": WebhookMessage.State.PLANNED, "token": "", "lease_until": None}
State = WebhookMessage.State
_sending = threading.Lock()
log = logging.getLogger(__name__)


class Claimed(NamedTuple):
    """One message that this worker sends."""

    webhook: Webhook
    message: WebhookMessage
    token: str


Flights = dict["Future[Answer]", Claimed]


def send_due(clock: Callable[[], datetime]) -> Counter[str]:
    """Send what is due, unless another thread of this process does."""
    if not _sending.acquire(blocking=False):
        return Counter()
    try:
        return send(clock)
    finally:
        _sending.release()


def send(
    clock: Callable[[], datetime],
    *,
    caller: Caller = call,
    seconds: float = LONGEST,
    pause: Callable[[float], None] = time.sleep,
) -> Counter[str]:
    """Send what is due; give how many calls were taken and how many failed.

    Any number of workers may do this at once. New calls are begun for so many seconds; then those under way end.
    """
    take_back()
    done: Counter[str] = Counter()
    flights: Flights = {}
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks") as pool:
        while True:
            is_open = time.monotonic() < until
            rest = _begin(pool, flights, clock, caller) if is_open else None
            if flights:
                for ended in wait(flights, timeout=PAUSE, return_when=FIRST_COMPLETED).done:
                    done[_write(flights.pop(ended), _answer(ended), clock())] += 1
            elif rest is not None:
                pause(max(rest, PAUSE))
            else:
                return done


def _answer(ended: "Future[Answer]") -> Answer:
    """Give what a call came to; a fault of our own in one is a call that failed, and is logged."""
    fault = ended.exception()
    if fault is None:
        return ended.result()
    log.error("A call of a webhook failed here", exc_info=fault)
    return Answer(None, error=f"The call failed here: {type(fault).__name__}.")


def take_back() -> int:
    """Plan again what a worker claimed and never ended, by the database's clock."""
    lost = WebhookMessage.objects.filter(state=State.CLAIMED, lease_until__lte=Now())
    return lost.update(**PLANNED)


def _begin(pool: ThreadPoolExecutor, flights: Flights, clock: Callable[[], datetime], caller: Caller) -> float | None:
    """Begin a call of every webhook that may have one more; give in how many seconds another one may, if soon."""
    now = clock()
    rests: list[float] = []
    for webhook in _waiting(now):
        if webhook.retry_at and webhook.retry_at > now:
            rests.append((webhook.retry_at - now).total_seconds())
        elif len(flights) < THREADS and not _is_crowded(webhook, flights) and (claimed := _claim(webhook.pk, now)):
            body = claimed.message.body.encode()
            headers = signing.headers(claimed.webhook, claimed.message, now)
            flights[pool.submit(caller, claimed.webhook.url, body, headers)] = claimed
    return min(rests, default=None)


def _waiting(now: datetime) -> list[Webhook]:
    """Give the live webhooks with messages that are due, but for those that are to be left alone for a while."""
    due = WebhookMessage.objects.filter(webhook=OuterRef("pk"), state=State.PLANNED, due_at__lte=now)
    rested = Q(retry_at=None) | Q(retry_at__lte=now + timedelta(seconds=1))
    return list(Webhook.objects.filter(rested, Exists(due), state=Webhook.State.LIVE).order_by("pk"))


def _is_crowded(webhook: Webhook, flights: Flights) -> bool:
    """Say whether webhooks that fail hold half of the threads: the others are for those that work."""
    if webhook.failing_since is None:
        return False
    return 2 * sum(one.webhook.failing_since is not None for one in flights.values()) >= THREADS


def _claim(webhook_id: int, now: datetime) -> Claimed | None:
    """Claim the message of a webhook that is due first, unless as many as may be are under way."""
    with transaction.atomic():
        live = Webhook.objects.select_for_update(skip_locked=True).filter(pk=webhook_id, state=Webhook.State.LIVE)
        webhook = live.first()
        if webhook is None or (webhook.retry_at and webhook.retry_at > now):
            return None
        messages = WebhookMessage.objects.filter(webhook=webhook)
        most = AT_ONCE if webhook.failing_since is None else 1
        if messages.filter(state=State.CLAIMED).count() >= most:
            return None
        message = messages.filter(state=State.PLANNED, due_at__lte=now).order_by("due_at", "pk").first()
        if message is None:
            return None
        token = new_public_id()
        mine = messages.filter(pk=message.pk, state=State.PLANNED)
        mine.update(state=State.CLAIMED, token=token, lease_until=Now() + LEASE)
        live.update(retry_at=now + timedelta(minutes=1) / webhook.per_minute)
        return Claimed(webhook, message, token)


def _write(claimed: Claimed, answer: Answer, at: datetime) -> str:
    """Write down what came of a call, unless its lease ended and somebody else has the message."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(pk=claimed.webhook.pk).first()
        mine = WebhookMessage.objects.filter(pk=claimed.message.pk, token=claimed.token, state=State.CLAIMED)
        message = mine.select_for_update().first()
        if webhook is None or message is None:
            return "lost"
        _note(message, answer, at)
        if answer.is_taken:
            mine.update(state=State.TAKEN, token="", lease_until=None, attempts=F("attempts") + 1, ended_at=at)
            if webhook.failing_since:
                Webhook.objects.filter(pk=webhook.pk).update(failing_since=None)
                hooks.settle(webhook, at)
            return "taken"
        _fail(webhook, message, answer, at)
        return "failed"


def _note(message: WebhookMessage, answer: Answer, at: datetime) -> None:
    last = message.tries.aggregate(last=Max("number"))["last"] or 0
    told = answer.error or answer.body[: 4 * TEXT].decode("utf-8", "replace").replace("\x00", "")
    WebhookAttempt.objects.create(
        message=message, number=last + 1, at=at, seconds=answer.seconds, status=answer.status, answer=told[:TEXT]
    )


def _fail(webhook: Webhook, message: WebhookMessage, answer: Answer, at: datetime) -> None:
    """Plan the next try, or give the message up; disable a webhook that is gone or takes nothing for days."""
    attempts = message.attempts + 1
    since = webhook.failing_since or at
    rest = retries.rest(answer.status, answer.retry_after, at)
    again = retries.next_try(attempts, at, message.public_id)
    changes: dict[str, object] = {**PLANNED, "attempts": attempts}
    if again is None:
        changes |= {"state": State.FAILED, "ended_at": at}
    else:
        changes["due_at"] = max(again, rest or again)
    WebhookMessage.objects.filter(pk=message.pk).update(**changes)
    values: dict[str, object] = {"failing_since": since}
    if rest:
        values["retry_at"] = max(rest, webhook.retry_at or rest)
    Webhook.objects.filter(pk=webhook.pk).update(**values)
    if answer.status == GONE:
        hooks.disable(webhook, "It answered 410, Gone.", None, at)
    elif at - since >= (WHOLE_SCHEDULE if again is None else GIVEN_UP_AFTER):
        hooks.disable(webhook, f"It has taken nothing since {since:%Y-%m-%d %H:%M} UTC.", None, at)
