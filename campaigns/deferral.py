"""Messages that wait until they may begin: how a delivery that wants to begin is judged again, one at a time.

A decision that waits says so in its reason: why the customer is due, " Waits until ", the time, and what limits.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from campaigns import caps, quiet
from campaigns.caps import MOMENT
from campaigns.eligibility import COUNTED, WAITING
from campaigns.models import Campaign, Decision, Delivery, Programme
from customers.models import Customer

WAITS, WAITED, GIVEN_UP = " Waits until ", " Waited until ", " Given up: "
QUIET = "Quiet hours where the customer is, or may be."
NEVER = "No hour is outside the quiet hours wherever the customer may be."
REASON_LENGTH = 300
Outcome = Decision.Outcome


class Ruling(NamedTuple):
    """What becomes of a delivery that wants to begin.

    DELIVER: it may. DEFERRED: it waits until `due_at`. CAPPED or INELIGIBLE: it is cancelled. `limit` says why.
    """

    outcome: Decision.Outcome
    limit: str = ""
    due_at: datetime | None = None


class Message(NamedTuple):
    """Another message to the same customer, and when it began or begins."""

    at: datetime
    channel: str
    topic: str


def judge_one(delivery: Delivery, customer: Customer, programme: Programme, at: datetime) -> Ruling:
    """Say whether a claimed delivery may begin now, by all caps and quiet hours. To be asked under the customer's lock.

    A decision that was deferred leaves room for what is planned by campaigns that do not go after its own.
    """
    decision = delivery.decision
    expires_at = expiry(decision)
    is_deferred = decision.outcome == Outcome.DEFERRED
    found = _limited(delivery, customer, programme, at)
    if found.outcome == Outcome.DELIVER:
        is_over = is_deferred and expires_at <= at
        return Ruling(Outcome.INELIGIBLE, f"It could not go before {expires_at:{MOMENT}}.") if is_over else found
    may_wait = is_deferred or decision.campaign.when_limited == Campaign.Limited.DELAY
    if may_wait and found.due_at is not None and found.due_at < expires_at:
        return found._replace(outcome=Outcome.DEFERRED)
    return found


def settle(delivery: Delivery, ruling: Ruling) -> None:
    """Write to its decision what became of a delivery. The delivery itself is moved, or cancelled, by its owner.

    What was decided and never deferred stays decided: where it is refused now, the delivery says why.
    """
    decision = delivery.decision
    if ruling.outcome == Outcome.DEFERRED and ruling.due_at:
        decision.due_at, decision.expires_at = ruling.due_at, expiry(decision)
        tail = f"{WAITS}{ruling.due_at:{MOMENT}}: {ruling.limit}"
    elif decision.outcome != Outcome.DEFERRED:
        return
    elif ruling.outcome == Outcome.DELIVER:
        waited = decision.reason.partition(WAITS)[2]
        tail = f"{WAITED}{waited}" if waited else ""
    else:
        tail = f"{GIVEN_UP}{ruling.limit}"
    head = decision.reason.partition(WAITS)[0]
    decision.reason = f"{head[: REASON_LENGTH - len(tail)]}{tail}"[:REASON_LENGTH]
    decision.outcome = ruling.outcome
    decision.save(update_fields=["outcome", "reason", "due_at", "expires_at"])


def expiry(decision: Decision) -> datetime:
    """Give from when on a decision that waits is given up."""
    return decision.expires_at or decision.as_of + timedelta(hours=decision.campaign.delay_hours)


def _limited(delivery: Delivery, customer: Customer, programme: Programme, at: datetime) -> Ruling:
    """Give what is against a message now and, as `due_at`, from when on nothing is; DELIVER where nothing is."""
    found = Ruling(Outcome.DELIVER, due_at=at)
    topic = delivery.decision.campaign.topic
    covering = [cap for cap in caps.current(programme) if cap.covers(delivery.channel, topic)]
    others = _others(delivery, at, at - max(cap.window for cap in covering))
    for cap in covering:
        times = [one.at for one in others if cap.covers(one.channel, one.topic) and one.at > at - cap.window]
        free_at = cap.free_at(times)
        if free_at is not None and found.due_at is not None and free_at > found.due_at:
            found = Ruling(Outcome.CAPPED, cap.sentence(len(times), free_at), free_at)
    allowed = quiet.allowed_at(customer, found.due_at or at, programme)
    if allowed is None:
        return Ruling(Outcome.INELIGIBLE, NEVER)
    if found.outcome == Outcome.DELIVER and allowed > at:
        return Ruling(Outcome.INELIGIBLE, QUIET, allowed)
    return found._replace(due_at=allowed)


def _others(delivery: Delivery, at: datetime, since: datetime) -> list[Message]:
    """Give the customer's other messages. No upper end: what began by a clock ahead of ours counts too."""
    began = Q(state__in=COUNTED, began_at__gt=since)
    if delivery.decision.outcome == Outcome.DEFERRED:
        began |= Q(state__in=WAITING, decision__outcome=Outcome.DELIVER, priority__lte=delivery.priority)
    rows = Delivery.objects.filter(began, customer_id=delivery.customer_id).exclude(pk=delivery.pk)
    columns = ("state", "began_at", "due_at", "channel", "decision__campaign__topic")
    return [
        Message(began_at if state in COUNTED and began_at else max(due_at, at), channel, topic)
        for state, began_at, due_at, channel, topic in rows.values_list(*columns)
    ]
