"""The agents' queue: who is called next, by whom, and what came of it."""

import json
from datetime import datetime

import polars as pl
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q, QuerySet

from campaigns.models import CallTask
from customers import consent, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Suppression

SOURCE = "campaigns"
State, Outcome = CallTask.State, CallTask.Outcome


class CallRefused(ValueError):
    """Something that cannot be done with a call task now, with the reason as a sentence."""


def queue(agent: AbstractBaseUser, at: datetime | None = None) -> QuerySet[CallTask]:
    """Give the agent's own calls first, then the open ones: highest expected gain, then longest due.

    With `at`, open calls that are not due yet are left out.
    """
    is_open = Q(state=State.OPEN) if at is None else Q(state=State.OPEN, due_at__lte=at)
    tasks = CallTask.objects.filter(is_open | Q(state=State.CLAIMED, agent=agent.pk)).select_related("customer")
    return tasks.order_by("state", F("expected_gain").desc(nulls_last=True), "due_at", "pk")


def claim(task: CallTask, agent: AbstractBaseUser, at: datetime) -> CallTask:
    """Give the call to the agent; raise CallRefused when somebody has it, or when she may not be called any more."""
    customer = task.customer
    delivery = task.delivery
    if not consent.is_allowed(customer.pk, Channel.PHONE, delivery.decision.campaign.topic):
        raise CallRefused("This customer may not be called any more.")
    mine = CallTask.objects.filter(Q(state=State.OPEN) | Q(state=State.CLAIMED, agent=agent.pk), pk=task.pk)
    if not mine.update(state=State.CLAIMED, agent=agent.pk, claimed_at=at):
        raise CallRefused("Somebody else has this call, or it is done.")
    task.refresh_from_db()
    return task


def give_back(task: CallTask, agent: AbstractBaseUser) -> CallTask:
    """Put the agent's call back into the queue."""
    mine = CallTask.objects.filter(pk=task.pk, state=State.CLAIMED, agent=agent.pk)
    if not mine.update(state=State.OPEN, agent=None, claimed_at=None):
        raise CallRefused("This call is not yours to give back.")
    task.refresh_from_db()
    return task


def close(task: CallTask, outcome: str, note: str, at: datetime, call_again_at: datetime | None = None) -> CallTask:
    """Write down what came of a call; one to be called back opens again at `call_again_at`."""
    if outcome not in Outcome.values:
        raise CallRefused(f"The outcome must be one of {', '.join(Outcome.values)}, not {outcome!r}.")
    if outcome == Outcome.CALL_BACK and (call_again_at is None or call_again_at <= at):
        raise CallRefused("To call back, say when: a time after now.")
    said = "\n".join(part for part in (task.note, note.strip()) if part)
    changes: dict[str, object] = {"state": State.DONE, "outcome": outcome, "ended_at": at, "note": said}
    if outcome == Outcome.CALL_BACK:
        again = {"state": State.OPEN, "outcome": "", "ended_at": None, "agent": None, "claimed_at": None}
        changes |= {**again, "due_at": call_again_at}
    with transaction.atomic():
        if not CallTask.objects.filter(pk=task.pk, state__in=(State.OPEN, State.CLAIMED)).update(**changes):
            raise CallRefused("This call is done already.")
        if outcome == Outcome.DO_NOT_CALL and task.customer.phone:
            consent.suppress(Channel.PHONE, task.customer.phone, Suppression.Reason.DO_NOT_CALL, at)
        events.record(_event(task, outcome, at), SOURCE, at)
    task.refresh_from_db()
    return task


def _event(task: CallTask, outcome: str, at: datetime) -> pl.DataFrame:
    properties = {**task.delivery.decision.told, "outcome": outcome}
    return pl.DataFrame(
        {
            "customer_id": [task.customer_id],
            "message_id": [f"call-{task.delivery.public_id}-{at:%Y%m%dT%H%M%S%f}"],
            "name": ["Call Made"],
            "occurred_at": [at],
            "properties": [json.dumps(properties)],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )
