"""Deliveries on their way: claimed, past the gate, through the channel, and what came of it (DESIGN, law 4)."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from campaigns import gate, offers, programme
from campaigns.channels import Receipt, Result, call
from campaigns.channels.email import Mailer
from campaigns.models import Decision, Delivery, DeliveryAttempt, OfferCode, TriggerState
from customers import audit, consent, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Suppression, new_public_id

BATCH = 50
CLAIM_LEASE = timedelta(minutes=5)
BACKOFF = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
MOST_ATTEMPTS = len(BACKOFF) + 1
SOURCE = "campaigns"
HAND = "hand"  # the cause of a decision that somebody made

State = Delivery.State


class ResolveError(ValueError):
    """An uncertain delivery that cannot be settled so: the message says why."""


class Swept(NamedTuple):
    """How many expired deliveries were planned again, and how many are uncertain now."""

    planned: int
    uncertain: int


def deliver(until: datetime, limit: int | None = None) -> Counter[str]:
    """Carry everything that is due by `until`, at most `limit`; give how many ended in which state.

    Any number of workers may do this at once: a delivery is begun by one of them, once.
    """
    done: Counter[str] = Counter()
    left = limit
    with Mailer() as mailer:
        while (left is None or left > 0) and not programme.current().is_sending_stopped:
            token = new_public_id()
            claimed = _claim(token, until, BATCH if left is None else min(BATCH, left))
            if not claimed:
                break
            left = None if left is None else left - len(claimed)
            for delivery_id in claimed:
                done.update(_carry(delivery_id, token, until, mailer))
            _tell(Q(pk__in=claimed), until)
    return done


def sweep(now: datetime) -> Swept:
    """Plan expired claims again, and call expired `sending` uncertain, by the database's clock."""
    planned = {"state": State.PLANNED, "token": "", "lease_until": None, "began_at": None}
    with transaction.atomic():
        expired = Delivery.objects.filter(lease_until__lte=Now())
        claimed = expired.filter(state=State.CLAIMED).update(**planned)
        sending = expired.filter(state=State.SENDING)
        # A call task is a row of ours: making it again changes nothing, so there is no doubt to keep.
        claimed += sending.filter(action=Delivery.Action.CALL).update(**planned)
        doubtful = list(sending.select_for_update(skip_locked=True).values_list("pk", flat=True))
        uncertain = Delivery.objects.filter(pk__in=doubtful).update(
            state=State.UNCERTAIN, ended_at=now, reason="The worker stopped while it was sending; it may have arrived."
        )
        DeliveryAttempt.objects.filter(delivery__in=doubtful, result="").update(result=Result.UNCERTAIN, ended_at=now)
    _tell(Q(), now)
    return Swept(claimed, uncertain)


def confirm(delivery: Delivery, at: datetime) -> bool:
    """Note that an uncertain delivery did arrive. False: it was not uncertain."""
    with transaction.atomic():
        confirmed = Delivery.objects.filter(pk=delivery.pk, state=State.UNCERTAIN)
        if not confirmed.update(state=State.SENT, ended_at=at, reason="Confirmed by the receiving side."):
            return False
        offers.give(delivery)
    _tell(Q(pk=delivery.pk), at)
    return True


def resolve(delivery: Delivery, by: audit.Actor, at: datetime, reason: str, arrived: bool) -> Delivery:
    """Settle an uncertain delivery by somebody's word: it arrived, or it is planned once more as a round of its own.

    Give the delivery that stands now. Raises ResolveError when it is not uncertain, or no reason is given.
    """
    if not reason.strip():
        raise ResolveError("A reason is needed, so that others can follow it.")
    with transaction.atomic():
        doubtful = Delivery.objects.select_for_update(of=("self",)).select_related("decision__campaign")
        found = doubtful.filter(pk=delivery.pk, state=State.UNCERTAIN).first()
        if found is None:
            raise ResolveError("This delivery is not uncertain any more.")
        audit.note(at, by, "delivery resolved", found.public_id, arrived=arrived, reason=reason)
        stands = _arrived(found, at, reason) if arrived else _again(found, at, reason)
    _tell(Q(pk=delivery.pk), at)
    return stands


def _arrived(found: Delivery, at: datetime, reason: str) -> Delivery:
    found.state, found.ended_at, found.reason = State.SENT, at, "Somebody found that it arrived."
    found.resolution = reason[: gate.REASON_LENGTH]
    found.save(update_fields=["state", "ended_at", "reason", "resolution"])
    offers.give(found)
    return found


def _again(found: Delivery, at: datetime, reason: str) -> Delivery:
    """Plan the step again under a new decision, which the gate judges as any other; each names the other."""
    decision = found.decision
    rounds = Decision.objects.filter(campaign_id=decision.campaign_id, customer_id=decision.customer_id)
    number = (rounds.aggregate(last=Max("round"))["last"] or 0) + 1
    states = TriggerState.objects.filter(campaign_id=decision.campaign_id, customer_id=decision.customer_id)
    states.filter(round__lt=number).update(round=number)
    why = f"By hand, since {found.public_id} did not arrive: {reason}"[: gate.REASON_LENGTH]
    decision.pk, decision.public_id, decision.round = None, new_public_id(), number
    decision.outcome, decision.cause, decision.reason = Decision.Outcome.DELIVER, HAND, why
    decision.as_of = decision.due_at = at
    decision.expires_at = None
    decision.save(force_insert=True)
    again = Delivery.objects.create(
        decision=decision,
        customer_id=found.customer_id,
        step=found.step,
        action=found.action,
        channel=found.channel,
        priority=found.priority,
        due_at=at,
    )
    resolution = f"Planned again as {again.public_id}: {reason}"[: gate.REASON_LENGTH]
    changes = {"state": State.FAILED, "ended_at": at, "reason": "Somebody found that it did not arrive."}
    Delivery.objects.filter(pk=found.pk).update(resolution=resolution, **changes)
    offers.release(found)
    return again


def _claim(token: str, until: datetime, most: int) -> list[int]:
    """Take up to `most` due deliveries for CLAIM_LEASE by the database's clock; others are left to other workers."""
    with transaction.atomic():
        due = Delivery.objects.filter(state=State.PLANNED, due_at__lte=until).order_by("due_at")
        ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:most])
        mine = Delivery.objects.filter(pk__in=ids, state=State.PLANNED)
        mine.update(state=State.CLAIMED, token=token, lease_until=Now() + CLAIM_LEASE)
    return ids


def _carry(delivery_id: int, token: str, until: datetime, mailer: Mailer) -> list[str]:
    """Take one delivery through the gate and the channel; give the state it ended in, nothing if it was not ours."""
    passed = gate.pass_(delivery_id, token, until)
    if passed is None:
        return []
    if isinstance(passed, gate.Refused):
        return [str(passed.state)]
    send: Callable[[gate.Passed], Receipt] = call.make if passed.delivery.channel == Channel.PHONE else mailer.send
    receipt = send(passed)
    return [str(_record(passed, receipt, until))]


def _record(passed: gate.Passed, receipt: Receipt, until: datetime) -> Delivery.State:
    """Write down what the channel answered; a delivery that was swept meanwhile learns its answer too."""
    delivery = passed.delivery
    state = _state_after(receipt.result, delivery.attempts)
    changes: dict[str, object] = {"state": state, "ended_at": until, "lease_until": None, "reason": ""}
    if state != State.SENT:
        changes["reason"] = receipt.answer[: gate.REASON_LENGTH]
    if state == State.PLANNED:
        due_at = until + BACKOFF[delivery.attempts - 1]
        changes |= {"due_at": due_at, "ended_at": None, "began_at": None, "token": ""}
    with transaction.atomic():
        ours = Delivery.objects.filter(pk=delivery.pk, token=delivery.token, state__in=(State.SENDING, State.UNCERTAIN))
        if ours.update(**changes):
            _settle(passed, receipt, state, until)
    return state


def _state_after(result: Result, attempts: int) -> Delivery.State:
    match result:
        case Result.ACCEPTED:
            return State.SENT
        case Result.REFUSED:
            return State.FAILED
        case Result.LATER:
            return State.PLANNED if attempts < MOST_ATTEMPTS else State.FAILED
        case Result.UNCERTAIN:
            return State.UNCERTAIN


def _settle(passed: gate.Passed, receipt: Receipt, state: Delivery.State, until: datetime) -> None:
    """Finish the attempt, the code and, where the address does not exist, the address."""
    delivery, customer = passed.delivery, passed.customer
    DeliveryAttempt.objects.filter(delivery=delivery, number=delivery.attempts).update(
        ended_at=until, result=receipt.result, receipt=receipt.answer[: gate.REASON_LENGTH]
    )
    if passed.code and state == State.SENT:
        offers.give(delivery)
    if passed.code and state == State.FAILED:
        offers.release(delivery)
    if receipt.is_address_dead and customer.email:
        consent.suppress(Channel.EMAIL, customer.email, Suppression.Reason.BOUNCED, until)


def _tell(which: Q, known_at: datetime) -> None:
    """Record the events of sent mails that have none yet."""
    with transaction.atomic():
        sent = Delivery.objects.filter(which, state=State.SENT, channel=Channel.EMAIL, is_told=False)
        rows = list(sent.select_related("decision__campaign"))
        if not rows:
            return
        events.record(_sent_events(rows), SOURCE, known_at)
        codes = OfferCode.objects.filter(delivery__in=rows).select_related("offer")
        given = _given_events(codes, {row.pk: row for row in rows})
        if given.height:
            events.record(given, SOURCE, known_at)
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(is_told=True)


def _sent_events(rows: list[Delivery]) -> pl.DataFrame:
    return _events("Email Sent", [(row, f"sent-{row.public_id}", {}) for row in rows])


def _given_events(codes: QuerySet[OfferCode], rows: dict[int, Delivery]) -> pl.DataFrame:
    told = [(rows[code.delivery_id], {"offer": code.offer.key, "code": code.code}) for code in codes]
    return _events("Offer Given", [(row, f"given-{row.public_id}", more) for row, more in told])


def _events(name: str, told: list[tuple[Delivery, str, dict[str, str]]]) -> pl.DataFrame:
    properties = [
        json.dumps({"campaign": row.decision.campaign.key, "delivery": row.public_id, **more}) for row, _, more in told
    ]
    return pl.DataFrame(
        {
            "customer_id": [row.customer_id for row, _, _ in told],
            "message_id": [message_id for _, message_id, _ in told],
            "name": [name] * len(told),
            "occurred_at": [row.began_at for row, _, _ in told],
            "properties": properties,
        },
        schema={
            "customer_id": pl.Int64,
            "message_id": pl.String,
            "name": pl.String,
            "occurred_at": UTC_MICROSECONDS,
            "properties": pl.String,
        },
    )
