"""What came of a call: written down once, told as an event, and what follows from it."""

import json
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns import offers
from campaigns.calls import queue
from campaigns.calls.queue import CallRefused
from campaigns.models import Call, CallTask, OfferCode
from campaigns.webhooks import notices
from customers import consent, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Suppression

SOURCE = "campaigns"
AGAIN_AFTER = (timedelta(hours=4), timedelta(days=1))  # nobody answered: later that day, then a day later, then never
KEPT = timedelta(days=1)  # how long after the agreed time a call back is worth making
State, Outcome = CallTask.State, CallTask.Outcome
NOTE_LENGTH = 2000
PHONES = (Channel.PHONE, Channel.SMS)


class Said(NamedTuple):
    """What an agent says of a call. `number` is which try it was: said twice, it is written once."""

    outcome: str
    note: str = ""
    call_again_at: datetime | None = None
    number: int | None = None


def close(task: CallTask, agent: AbstractBaseUser, said: Said, at: datetime) -> CallTask:
    """Write down what came of a call; one to be made again opens again when it is due.

    A claim that ran out meanwhile does not matter while nobody else has the call. Raises CallRefused.
    """
    _check(said, at)
    with transaction.atomic():
        found = queue.held(task)
        if _is_written(found, said):
            return found
        _check_owner(found, agent)
        _check_call_back(found, said)
        call = _noted(found, agent, said, at)
        CallTask.objects.filter(pk=found.pk).update(tries=call.number, **_next(found, call, at))
        _settle(found, call, at)
        events.record(_events(found, call), SOURCE, at)
        notices.tell(notices.Type.CALL_TASK_OUTCOME, _notice(found, call), at)
    task.refresh_from_db()
    return task


def follows(outcome: str, unanswered: int, at: datetime, call_again_at: datetime | None) -> datetime | None:
    """Give when a call is made again after an outcome, if it is; `unanswered` counts this one. Pure."""
    if outcome == Outcome.CALL_BACK:
        return call_again_at
    if outcome == Outcome.NO_ANSWER and unanswered <= len(AGAIN_AFTER):
        return at + AGAIN_AFTER[unanswered - 1]
    return None


def _check(said: Said, at: datetime) -> None:
    if said.outcome not in Outcome.values:
        raise CallRefused(f"The outcome must be one of {', '.join(Outcome.values)}, not {said.outcome!r}.")
    if said.outcome == Outcome.CALL_BACK and (said.call_again_at is None or said.call_again_at <= at):
        raise CallRefused("To call back, say when: a time after now.")
    if len(said.note) > NOTE_LENGTH:
        raise CallRefused(f"The note is longer than {NOTE_LENGTH:,} characters.")


def _check_owner(task: CallTask, agent: AbstractBaseUser) -> None:
    """Raise CallRefused unless the agent has the call, or had it until the claim ran out and nobody took it since."""
    if task.state not in (State.OPEN, State.CLAIMED):
        raise CallRefused("This call is done already.")
    if task.state == State.CLAIMED and task.agent_id != agent.pk:
        raise CallRefused("This call is not yours: somebody else has it now.")
    if task.state == State.OPEN and not queue.had(task, agent):
        raise CallRefused("This call is not yours. Take it first.")


def _check_call_back(task: CallTask, said: Said) -> None:
    if said.outcome != Outcome.CALL_BACK or said.call_again_at is None:
        return
    allowed = queue.Clock().next_allowed(task.customer, said.call_again_at)
    if allowed != said.call_again_at:
        raise CallRefused(f"Not then. {queue.outside_hours(allowed)}")


def _is_written(task: CallTask, said: Said) -> bool:
    """Say whether this try is written down already, so; raise CallRefused where it is written otherwise."""
    if said.number is None:
        return False
    call = task.calls.filter(number=said.number).first()
    if call is None and said.number != task.tries + 1:
        raise CallRefused(f"The next call of this task is number {task.tries + 1}, not {said.number}.")
    if call is not None and call.outcome != said.outcome:
        raise CallRefused(f"Call {said.number} is written down already, as: {call.get_outcome_display().lower()}.")
    return call is not None


def _noted(task: CallTask, agent: AbstractBaseUser, said: Said, at: datetime) -> Call:
    seconds = int((at - task.claimed_at).total_seconds()) if task.claimed_at and task.state == State.CLAIMED else None
    unanswered = task.calls.filter(outcome=Outcome.NO_ANSWER).count() + 1
    return Call.objects.create(
        task=task,
        number=task.tries + 1,
        agent_id=agent.pk,
        at=at,
        seconds=max(seconds, 0) if seconds is not None else None,
        outcome=said.outcome,
        call_again_at=follows(said.outcome, unanswered, at, said.call_again_at),
        note=said.note.strip(),
    )


def _next(task: CallTask, call: Call, at: datetime) -> dict[str, object]:
    """Give what becomes of the task."""
    note = "\n".join(part for part in (task.note, call.note) if part)
    if call.call_again_at is None:
        done = {"state": State.DONE, "outcome": call.outcome, "ended_at": at, "agent": call.agent_id}
        return {**done, "lease_until": None, "note": note}
    expires_at = max(task.expires_at, call.call_again_at + KEPT) if task.expires_at else None
    return {**queue.FREE, "due_at": call.call_again_at, "expires_at": expires_at, "note": note}


def _settle(task: CallTask, call: Call, at: datetime) -> None:
    """Give or release the code, and close the number of who does not want to be called."""
    if call.outcome == Outcome.REACHED:
        offers.tell(task.delivery, at)
    elif call.call_again_at is None:
        offers.release([task.delivery])
    phone = task.customer.phone
    if call.outcome == Outcome.DO_NOT_CALL and phone:
        for channel in PHONES:
            consent.suppress(channel, phone, Suppression.Reason.DO_NOT_CALL, at)
        others = CallTask.objects.filter(customer__phone=phone).exclude(pk=task.pk)
        queue.cancel(list(others), "The customer asked not to be called.", at)


def _notice(task: CallTask, call: Call) -> dict[str, object]:
    again = call.call_again_at.isoformat() if call.call_again_at else None
    came = {"outcome": call.outcome, "try": call.number, "call_again_at": again}
    return {"call_task": task.public_id, "customer": task.customer.external_id, "campaign": task.campaign.key, **came}


def _events(task: CallTask, call: Call) -> pl.DataFrame:
    told = task.delivery.decision.told
    rows: list[tuple[str, str, dict[str, object]]] = [
        ("Call Made", f"call-{task.public_id}-{call.number}", {**told, "outcome": call.outcome, "try": call.number})
    ]
    code = OfferCode.objects.filter(delivery=task.delivery_id).select_related("offer").first()
    if code is not None and call.outcome == Outcome.REACHED:
        given: dict[str, object] = {
            **told,
            "offer": code.offer.key,
            "code": code.code,
            "delivery": task.delivery.public_id,
        }
        rows.append(("Offer Given", f"given-{task.delivery.public_id}", given))
    return pl.DataFrame(
        {
            "customer_id": [task.customer_id] * len(rows),
            "message_id": [message_id for _, message_id, _ in rows],
            "name": [name for name, _, _ in rows],
            "occurred_at": [call.at] * len(rows),
            "properties": [json.dumps(properties) for _, _, properties in rows],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )
