"""What happens to calls by themselves: claims that ran out, calls that waited too long, and what the inbox tells."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse

from campaigns.calls import lists, queue
from campaigns.calls.queue import Clock
from campaigns.models import CallTask
from customers import alerts
from customers.alerts import Cause
from customers.models import Alert

WAITING, OLD_LIST = "calls.waiting", "calls.list"
TOO_LONG = timedelta(days=1)
RECENT = timedelta(days=31)
LOOKED_AT = 1_000


def watch(at: datetime) -> None:
    """Open what was abandoned, cancel what expired, and bring the inbox up to date. Safe to do twice."""
    queue.abandoned(at)
    queue.expire(at)
    _tell_waiting(at)
    _tell_list(at)


def _tell_waiting(at: datetime) -> None:
    """Let the inbox tell of calls that could be made and wait longer than a day."""
    late = CallTask.objects.filter(state=CallTask.State.OPEN, due_at__lte=at - TOO_LONG)
    late = late.filter(Q(expires_at=None) | Q(expires_at__gt=at)).order_by("due_at", "pk").select_related("customer")
    clock = Clock()
    waited = [one for one in late[:LOOKED_AT] if _could_be_made(one, clock, at)]
    if not waited:
        alerts.settle(WAITING, at)
        return
    many = f"{len(waited):,} calls wait" if len(waited) > 1 else "One call waits"
    days = (at - waited[0].due_at) // timedelta(days=1)
    longest = "a day" if days == 1 else f"{days} days"
    sentence = f"{many} longer than a day, the oldest for {longest}: there are more calls than the agents make."
    alerts.raise_(Cause(WAITING, Alert.Kind.CALLS, sentence, reverse("admin:campaigns_calltask_load")), at)


def _could_be_made(task: CallTask, clock: Clock, at: datetime) -> bool:
    """Say whether there were calling hours of the customer a day ago or since."""
    allowed = clock.next_allowed(task.customer, task.due_at)
    return allowed is not None and allowed <= at - TOO_LONG


def _tell_list(at: datetime) -> None:
    """Let the inbox tell of a list of numbers that is too old, where calls are made by it."""
    last = lists.last()
    calls = CallTask.objects.filter(state__in=(CallTask.State.OPEN, CallTask.State.CLAIMED)).exists()
    if last is None or not calls or at - last.at <= RECENT:
        alerts.settle(OLD_LIST, at)
        return
    sentence = f"The do-not-call list is of {last.at:%d %B %Y}: after {RECENT.days} days it is to be uploaded anew."
    alerts.raise_(Cause(OLD_LIST, Alert.Kind.CALLS, sentence, reverse("admin:campaigns_calltask_list")), at)
