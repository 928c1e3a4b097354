"""The agents' queue: who is called next, by whom; claims are leases, and what nobody keeps up goes back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from campaigns import last_look, offers, programme, quiet, sending
from campaigns.calls import called, hours
from campaigns.calls.hours import Place
from campaigns.models import Agent, Call, CallTask, Campaign, Delivery, Programme
from customers import audit
from customers.models import AuditEntry, Customer
from customers.panels import when

LEASE = timedelta(minutes=15)  # the page keeps it up each minute; without scripts it is as long as most calls
SCANNED = 5_000  # open calls that are looked at for those who may be called now
ABANDONED = "call abandoned"
State, Outcome = CallTask.State, CallTask.Outcome


class CallRefused(ValueError):
    """Something that cannot be done with a call task now, with the reason as a sentence."""


class Later(NamedTuple):
    """A call that may not be made now, and from when on it may."""

    task: CallTask
    at: datetime | None


class Waiting(NamedTuple):
    """The open calls that may be made now, in their order, and those passed over."""

    now: list[CallTask]
    later: list[Later]


class Clock:
    """Whether customers may be called, read once for many."""

    def __init__(self, rules: Programme | None = None) -> None:
        self.own = called.own_hours(rules or programme.current())
        self._elsewhere: frozenset[str] | None = None
        self._found: dict[tuple[Place, datetime], datetime | None] = {}

    def place(self, customer: Customer) -> Place:
        """Give where a customer may be."""
        return called.place_of(called.told_of(customer), self._others)

    def next_allowed(self, customer: Customer, at: datetime) -> datetime | None:
        """Give from when on she may be called: `at` where she may at once."""
        key = (self.place(customer), at)
        if key not in self._found:
            self._found[key] = hours.next_allowed(at, key[0], self.own)
        return self._found[key]

    def _others(self) -> frozenset[str]:
        if self._elsewhere is None:
            self._elsewhere = quiet.elsewhere()
        return self._elsewhere


def queue(agent: AbstractBaseUser, at: datetime | None = None) -> QuerySet[CallTask]:
    """Give the agent's own calls first, then the open ones: highest expected gain, then longest due.

    With `at`, open calls that are not due yet, or due no more, are left out.
    """
    is_open = Q(state=State.OPEN)
    if at is not None:
        is_open &= Q(due_at__lte=at) & (Q(expires_at=None) | Q(expires_at__gt=at))
    tasks = CallTask.objects.filter(is_open | Q(state=State.CLAIMED, agent=agent.pk))
    ordered = tasks.order_by("state", F("expected_gain").desc(nulls_last=True), "due_at", "pk")
    return ordered.select_related("customer", "campaign", "delivery")


def mine(agent: AbstractBaseUser) -> list[CallTask]:
    """Give the calls that an agent has, the first taken first."""
    held = CallTask.objects.filter(state=State.CLAIMED, agent=agent.pk).order_by("claimed_at", "pk")
    return list(held.select_related("customer", "campaign", "delivery__decision"))


def waiting(agent: AbstractBaseUser, at: datetime, most: int, clock: Clock | None = None) -> Waiting:
    """Give the best calls that may be made now, and the best of those that may be made later, at most so many each."""
    found, clock = Waiting([], []), clock or Clock()
    for task, allowed in _looked_at(agent, at, clock):
        if allowed == at:
            found.now.append(task)
            if len(found.now) >= most:
                break
        elif len(found.later) < most:
            found.later.append(Later(task, allowed))
    return found


def claim(task: CallTask, agent: AbstractBaseUser, at: datetime) -> CallTask:
    """Give the call to the agent for a while; one that is the agent's already is kept up.

    Raises CallRefused when somebody has it, or her, when the agent has enough, or outside the calling hours. Who may
    not be called any more is called no more: the task is cancelled, and the refusal says why.
    """
    with transaction.atomic():
        list(Agent.objects.select_for_update().filter(user=agent.pk).values_list("pk"))  # one claim at a time
        found = held(task)
        barred = _barred(found, at)
        if barred:
            cancel([found], barred, at)
        else:
            _check(found, agent, at)
            since = found.claimed_at if found.agent_id == agent.pk else at
            changes = {"state": State.CLAIMED, "agent": agent.pk, "claimed_at": since, "lease_until": at + LEASE}
            free = Q(state=State.OPEN) | Q(state=State.CLAIMED, agent=agent.pk)
            if not CallTask.objects.filter(free, pk=task.pk).update(**changes):
                raise CallRefused("Somebody else has this call, or it is done.")
    if barred:
        raise CallRefused(f"This customer may not be called any more. {barred}")
    task.refresh_from_db()
    return task


def take_next(agent: AbstractBaseUser, at: datetime) -> CallTask:
    """Give the agent the best call that may be made now; raise CallRefused where there is none."""
    clock = Clock()
    for task, allowed in _looked_at(agent, at, clock):
        if allowed != at:
            continue
        try:
            return claim(task, agent, at)
        except CallRefused:
            _check_capacity(agent, at)  # where that is what is full, no other call can be had either
    raise CallRefused("Nobody is waiting who may be called now.")


def keep(task: CallTask, agent: AbstractBaseUser, at: datetime) -> bool:
    """Keep a claim up. False: it is not the agent's any more."""
    held = CallTask.objects.filter(pk=task.pk, state=State.CLAIMED, agent=agent.pk)
    return held.update(lease_until=at + LEASE) == 1


def give_back(task: CallTask, agent: AbstractBaseUser) -> CallTask:
    """Put the agent's call back into the queue."""
    held = CallTask.objects.filter(pk=task.pk, state=State.CLAIMED, agent=agent.pk)
    if not held.update(**FREE):
        raise CallRefused("This call is not yours to give back.")
    task.refresh_from_db()
    return task


def had(task: CallTask, agent: AbstractBaseUser) -> bool:
    """Say whether the agent had this call when the claim ran out."""
    return AuditEntry.objects.filter(what=ABANDONED, about=task.public_id, by=agent.pk).exists()


def take_back(task: CallTask, by: audit.Actor, at: datetime) -> CallTask:
    """Put a call that any agent has back into the queue, by the word of who looks after them."""
    with transaction.atomic():
        found = CallTask.objects.select_for_update(of=("self",)).select_related("agent").get(pk=task.pk)
        if found.state != State.CLAIMED:
            raise CallRefused("Nobody has this call.")
        audit.note(at, by, "call taken back", found.public_id, agent=str(found.agent))
        CallTask.objects.filter(pk=found.pk).update(**FREE)
    task.refresh_from_db()
    return task


def cancel(tasks: list[CallTask], reason: str, at: datetime) -> int:
    """Cancel calls that are not to be made any more; their deliveries say why, and their codes are free again."""
    ids = [one.pk for one in tasks]
    still = CallTask.objects.filter(pk__in=ids, state__in=(State.OPEN, State.CLAIMED))
    ids = list(still.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    CallTask.objects.filter(pk__in=ids).update(state=State.CANCELLED, ended_at=at, lease_until=None)
    deliveries = Delivery.objects.filter(call_task__in=ids)
    deliveries.update(reason=reason[:300])
    # Who was called without an answer was contacted: that counts for the caps.
    deliveries.filter(call_task__tries=0).update(state=Delivery.State.CANCELLED, ended_at=at)
    offers.release(list(deliveries))
    return len(ids)


def abandoned(at: datetime) -> int:
    """Open the calls again whose agents went away; give how many. Each is noted, and counted where it is shown."""
    with transaction.atomic():
        expired = CallTask.objects.filter(state=State.CLAIMED, lease_until__lte=at)
        tasks = list(expired.select_for_update(of=("self",), skip_locked=True).select_related("agent").order_by("pk"))
        for task in tasks:
            audit.note(at, task.agent, ABANDONED, task.public_id)
        CallTask.objects.filter(pk__in=[one.pk for one in tasks]).update(**FREE)
    return len(tasks)


def expire(at: datetime) -> int:
    """Cancel the open calls that waited too long; give how many."""
    with transaction.atomic():
        return cancel(list(CallTask.objects.filter(state=State.OPEN, expires_at__lte=at)), EXPIRED, at)


EXPIRED = "Nobody called before the call expired."
FREE: dict[str, object] = {"state": State.OPEN, "agent": None, "claimed_at": None, "lease_until": None}


def _looked_at(agent: AbstractBaseUser, at: datetime, clock: Clock) -> Iterator[tuple[CallTask, datetime | None]]:
    """Give the open calls in their order, each with from when on it may be made."""
    for task in queue(agent, at).filter(state=State.OPEN)[:SCANNED].iterator(chunk_size=200):
        yield task, clock.next_allowed(task.customer, at)


def held(task: CallTask) -> CallTask:
    """Give the task, locked until the end of the transaction, behind its customer."""
    list(Customer.objects.select_for_update(no_key=True).filter(pk=task.customer_id).values_list("pk"))
    rows = CallTask.objects.select_for_update(of=("self",))
    found = rows.select_related("customer", "delivery__decision__campaign").filter(pk=task.pk).first()
    if found is None:
        raise CallRefused("This call is gone: its customer was erased.")
    return found


def _barred(task: CallTask, at: datetime) -> str:
    """Give why a customer is not called any more, or nothing; a task that is not open says so when it is claimed."""
    if task.state not in (State.OPEN, State.CLAIMED):
        return ""
    campaign = task.delivery.decision.campaign
    if campaign.state == Campaign.State.STOPPED:
        return "The campaign is stopped."
    if task.expires_at is not None and task.expires_at <= at and task.state == State.OPEN:
        return EXPIRED
    people = {task.customer_id: task.customer}
    look = last_look.take([task.delivery], people, programme.current(), at, last_look.Run())
    return last_look.barred(task.delivery, look)


def _check(task: CallTask, agent: AbstractBaseUser, at: datetime) -> None:
    """Raise CallRefused for what is against this call now and may be otherwise later."""
    is_mine = task.state == State.CLAIMED and task.agent_id == agent.pk
    if task.state != State.OPEN and not is_mine:
        raise CallRefused("Somebody else has this call, or it is done.")
    if is_mine:
        return
    if sending.rules().is_sending_stopped:
        raise CallRefused("All sending is stopped, calls too.")
    campaign = task.delivery.decision.campaign
    if campaign.state != Campaign.State.LIVE:
        raise CallRefused(f"The campaign “{campaign}” is {campaign.get_state_display().lower()}.")
    if task.due_at > at:
        raise CallRefused(f"This call is not due before {when(task.due_at)}.")
    allowed = Clock().next_allowed(task.customer, at)
    if allowed != at:
        raise CallRefused(outside_hours(allowed))
    others = CallTask.objects.filter(customer=task.customer_id, state=State.CLAIMED).exclude(pk=task.pk)
    if others.exists():
        raise CallRefused("This customer is being called about something else just now.")
    _check_capacity(agent, at)


def outside_hours(allowed: datetime | None) -> str:
    """Say from when on somebody may be called."""
    if allowed is None:
        return "This customer may not be called: no hour is allowed in every place where the customer may be."
    return f"This customer may not be called at this hour of the customer’s: the next time is {when(allowed)}."


def _check_capacity(agent: AbstractBaseUser, at: datetime) -> None:
    """Raise CallRefused where the agent has all that is to be taken at once, or on one day."""
    limits = Agent.objects.filter(user=agent.pk).first()
    if limits is None:
        return
    held = CallTask.objects.filter(state=State.CLAIMED, agent=agent.pk).count()
    if held >= limits.at_once:
        calls = "one call" if held == 1 else f"{held} calls"
        raise CallRefused(f"You have {calls} already; write down what came of it first.")
    midnight = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    made = Call.objects.filter(agent=agent.pk, at__gte=midnight, at__lte=at).count()
    if limits.calls_a_day is not None and made + held >= limits.calls_a_day:
        raise CallRefused(f"These were your {limits.calls_a_day} calls of today.")
