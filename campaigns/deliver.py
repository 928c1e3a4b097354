"""Deliveries on their way: claimed, past the gate, through the channel, and what came of it (DESIGN, law 4)."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import datetime
from typing import NamedTuple, Protocol

import polars as pl
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now

from campaigns import answers, changing, claims, gate, offers, outages, restore, sending
from campaigns.answers import Answer, Record
from campaigns.channels import Receipt, Result, call, email, gateway, provider
from campaigns.last_look import Run
from campaigns.models import Decision, Delivery, DeliveryAttempt, OfferCode, TriggerState, Way
from campaigns.webhooks import notices
from customers import audit, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, new_public_id

BATCH = 100
GROUP = 20  # messages that pass the gate together: what a killed worker can leave in doubt
GROUP_SECONDS = 1.0  # a slow channel gets smaller groups, so that what has begun is soon handed over
HANDED_WITHIN = 5.0  # seconds after which what has begun and is not handed over goes back
STOP_SEEN_WITHIN = 0.2  # seconds
SOURCE = "campaigns"
HAND = "hand"  # the cause of a decision that somebody made
CHANNELS = (Channel.PHONE, Channel.EMAIL, Channel.SMS, Channel.PUSH)
SENT = {Way.EMAIL: "Email Sent", Way.SMS: "SMS Sent", Way.PUSH: "Push Sent"}

State = Delivery.State


class ResolveError(ValueError):
    """An uncertain delivery that cannot be settled so: the message says why."""


class Swept(NamedTuple):
    """How many expired deliveries were planned again, and how many are uncertain now."""

    planned: int
    uncertain: int


class Told(NamedTuple):
    """What the events of a sent message tell of it."""

    pk: int
    public_id: str
    customer_id: int
    channel: str
    began_at: datetime | None
    campaign: str
    variant: str

    @property
    def of(self) -> dict[str, str]:
        """Its campaign, and its variant where it has one."""
        return {"campaign": self.campaign, **({"variant": self.variant} if self.variant else {})}


TOLD = ("pk", "public_id", "customer_id", "channel", "began_at", "decision__campaign__key", "decision__variant")


class Carrier(Protocol):
    """A way out that stands open during a run."""

    def open(self) -> str:
        """Give why nothing can be handed over now, or nothing."""

    def send_all(self, messages: Sequence[gate.Passed], is_over: Callable[[], bool]) -> Iterator[Receipt]:
        """Hand messages over in turn, each answer as it comes; what has none in the end was certainly not handed over.

        Where it ends in an error, the first without an answer may have been.
        """

    def trouble(self) -> str:
        """Give why nothing more can be handed over, or nothing."""


def deliver(until: datetime, limit: int | None = None) -> Counter[str]:
    """Carry all that is due by `until`, at most `limit` of each channel; give how many ended in which state.

    Any number of workers may do this at once: a delivery is begun by one of them, once. A channel that is in trouble
    holds up no other.
    """
    answers.write_kept()
    done: Counter[str] = Counter()
    if not restore.check(until):
        return done
    done += changing.change(until, limit)
    for channel in CHANNELS:
        done += _drain(channel, until, limit)
    if done:
        restore.note(is_last=True)
    return done


def _drain(channel: Channel, until: datetime, limit: int | None) -> Counter[str]:
    done: Counter[str] = Counter()
    left = limit
    with ExitStack() as stack:
        carrier: Carrier | None = None
        pace = Pace()
        while (left is None or left > 0) and not sending.is_stopped():
            if carrier is None and outages.is_closed(channel, until):
                break
            token = new_public_id()
            ids = claims.take(channel, token, until, BATCH if left is None else min(BATCH, left))
            if not ids:
                break
            carrier = carrier or stack.enter_context(_carrier(channel))
            left = None if left is None else left - len(ids)
            came = _carry_all(ids, token, until, carrier, pace)
            done += came
            claims.unused(channel, len(ids) - pace.taken())
            restore.note()
            _tell(Q(pk__in=ids), until)
            if trouble := carrier.trouble():
                outages.begin(channel, trouble, until)
                break
            outages.end(channel, until)
    return done


def has_more(states: Counter[str]) -> bool:
    """Say whether there may be more to deliver at once: something came to its end, and was not planned again."""
    return any(count for state, count in states.items() if state != State.PLANNED)


def sweep(now: datetime) -> Swept:
    """Plan expired claims again, and call expired `sending` uncertain, by the database's clock."""
    answers.write_kept()
    with transaction.atomic():
        expired = Delivery.objects.filter(lease_until__lte=Now()).select_for_update(skip_locked=True)
        # Rows of ours: making them again changes nothing, so there is no doubt to keep.
        harmless = Q(state=State.CLAIMED) | Q(state=State.SENDING, channel__in=(Way.PHONE, Way.DATA))
        lost = list(expired.filter(harmless).values_list("pk", flat=True))
        claimed = Delivery.objects.filter(pk__in=lost).update(**claims.PLANNED)
        doubtful = list(expired.filter(~harmless, state=State.SENDING).values_list("pk", flat=True))
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
        offers.give([delivery])
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
    offers.give([found])
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
    notices.decisions([decision.pk], at)
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
    offers.release([found])
    return again


def _carrier(channel: Channel) -> AbstractContextManager[Carrier]:
    if channel == Channel.PHONE:
        return nullcontext(call.Queue())
    if channel in (Channel.SMS, Channel.PUSH):
        return nullcontext(gateway.Connection(channel))
    return provider.Provider() if settings.EMAIL_BACKEND.startswith("anymail.") else email.Mailer()


class Pace:
    """How many messages pass the gate together: fewer of a slow channel."""

    def __init__(self) -> None:
        self.size = GROUP
        self.run = Run()
        self._handed = 0
        self._began = self._looked = 0.0
        self._is_over = False

    def begin(self) -> None:
        """Start the clock of a group."""
        self._began = self._looked = time.monotonic()
        self._is_over = False

    def taken(self) -> int:
        """Give how many were handed over since this was last asked."""
        handed, self._handed = self._handed, 0
        return handed

    def is_over(self) -> bool:
        """Give whether the rest of the group goes back: it began too long ago, or all sending was stopped meanwhile."""
        now = time.monotonic()
        if not self._is_over and now - self._looked >= STOP_SEEN_WITHIN:
            self._looked = now
            self._is_over = sending.is_stopped()
        return self._is_over or now - self._began > HANDED_WITHIN

    def end(self, count: int) -> None:
        """Size the next group by how long this one took."""
        self._handed += count
        if count:
            seconds = max(time.monotonic() - self._began, 0.001)
            self.size = max(1, min(GROUP, int(GROUP_SECONDS * count / seconds)))


def _carry_all(ids: list[int], token: str, until: datetime, carrier: Carrier, pace: Pace) -> Counter[str]:
    """Carry what was claimed, group by group; once the channel is in trouble the rest is planned again."""
    done: Counter[str] = Counter()
    rest = ids
    while rest and not carrier.open():
        group, rest = rest[: pace.size], rest[pace.size :]
        done += _carry(group, token, until, carrier, pace)
    if rest:
        done[str(State.PLANNED)] += claims.give_back(rest, token, carrier.trouble())
    return done


def _carry(ids: list[int], token: str, until: datetime, carrier: Carrier, pace: Pace) -> Counter[str]:
    """Take a group through the gate, hand over what passed, and write down what came of it."""
    record = Record(token, until)
    try:
        gated = gate.pass_(ids, token, until, pace.run)
    except (InterfaceError, OperationalError):
        record.unhanded = list(ids)  # the commit may have been made, and nothing was handed over
        answers.keep(record)
        raise
    done = Counter(str(refused.state) for _, refused in gated.refused)
    pace.begin()
    doubtful = 1  # where it ends in an error, nobody knows how far the one in hand came
    try:
        for receipt in carrier.send_all(gated.passed, pace.is_over):
            record.answers.append(Answer(gated.passed[len(record.answers)], receipt))
        doubtful = 0
    finally:
        record.unhanded = [one.delivery.pk for one in gated.passed[len(record.answers) + doubtful :]]
        record.trouble = carrier.trouble()
        done += answers.write(record)
    pace.end(len(record.answers))
    return done


def _tell(which: Q, known_at: datetime) -> None:
    """Record the events of sent messages that have none yet."""
    with transaction.atomic():
        sent = Delivery.objects.filter(which, state=State.SENT, channel__in=("email", "sms", "push"), is_told=False)
        rows = [Told(*row) for row in sent.values_list(*TOLD)]
        if not rows:
            return
        events.record(_sent_events(rows), SOURCE, known_at)
        codes = OfferCode.objects.filter(delivery__in=[row.pk for row in rows]).select_related("offer")
        given = _given_events(codes, {row.pk: row for row in rows})
        if given.height:
            events.record(given, SOURCE, known_at)
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(is_told=True)


def _sent_events(rows: list[Told]) -> pl.DataFrame:
    names = [SENT[Way(row.channel)] for row in rows]
    return _events(names, [(row, f"sent-{row.public_id}", {}) for row in rows])


def _given_events(codes: QuerySet[OfferCode], rows: dict[int, Told]) -> pl.DataFrame:
    told = [
        (rows[code.delivery_id], {"offer": code.offer.key, "code": code.code}) for code in codes if code.delivery_id
    ]
    return _events(["Offer Given"] * len(told), [(row, f"given-{row.public_id}", more) for row, more in told])


def _events(names: list[str], told: list[tuple[Told, str, dict[str, str]]]) -> pl.DataFrame:
    properties = [json.dumps({**row.of, "delivery": row.public_id, **more}) for row, _, more in told]
    return pl.DataFrame(
        {
            "customer_id": [row.customer_id for row, _, _ in told],
            "message_id": [message_id for _, message_id, _ in told],
            "name": names,
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
