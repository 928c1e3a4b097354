"""Messages that wait until they may begin: how a delivery that wants to begin is judged again, one at a time.

A decision that waits says so in its reason: why the customer is due, " Waits until ", the time, and what limits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from campaigns.caps import MOMENT, Cap
from campaigns.eligibility import COUNTED, IS_CONTACT, WAITING
from campaigns.models import Campaign, Decision, Delivery
from customers.statements import Reading

WAITS, WAITED, GIVEN_UP = " Waits until ", " Waited until ", " Given up: "
QUIET = "Quiet hours where the customer is, or may be."
NEVER = "No hour is outside the quiet hours wherever the customer may be."
REASON_LENGTH = 300
Outcome = Decision.Outcome


def _counted(customer_ids: Sequence[int], since: datetime) -> "QuerySet[Delivery, tuple[Any, ...]]":
    counted = Q(state__in=COUNTED, began_at__gt=since) | Q(state__in=WAITING, decision__outcome=Outcome.DELIVER)
    rows = Delivery.objects.filter(counted, IS_CONTACT, customer_id__in=customer_ids)
    columns = ("customer_id", "pk", "priority", "state", "began_at", "due_at", "channel", "decision__campaign__topic")
    return rows.values_list(*columns)


MESSAGES = Reading(_counted)


class Ruling(NamedTuple):
    """What becomes of a delivery that wants to begin.

    DELIVER: it may. DEFERRED: it waits until `due_at`. CAPPED or INELIGIBLE: it is cancelled. `limit` says why.
    """

    outcome: Decision.Outcome
    limit: str = ""
    due_at: datetime | None = None


class Message(NamedTuple):
    """Another message to the same customer, and when it began or begins."""

    delivery_id: int
    priority: int
    is_begun: bool
    at: datetime
    channel: str
    topic: str


class Limits(NamedTuple):
    """What limits the messages to one customer: the caps, her messages, and her quiet hours."""

    caps: Sequence[Cap]
    messages: Sequence[Message]
    allowed_at: Callable[[datetime], datetime | None]


def judge(delivery: Delivery, limits: Limits, at: datetime) -> Ruling:
    """Say whether a claimed delivery may begin now, by all caps and quiet hours, read under the customer's lock.

    A decision that was deferred leaves room for what is planned by campaigns that do not go after its own.
    """
    decision = delivery.decision
    expires_at = expiry(decision)
    is_deferred = decision.outcome == Outcome.DEFERRED
    found = _limited(delivery, limits, at)
    if found.outcome == Outcome.DELIVER:
        is_over = is_deferred and expires_at <= at
        return Ruling(Outcome.INELIGIBLE, f"It could not go before {expires_at:{MOMENT}}.") if is_over else found
    may_wait = is_deferred or decision.campaign.when_limited == Campaign.Limited.DELAY
    if may_wait and found.due_at is not None and found.due_at < expires_at:
        return found._replace(outcome=Outcome.DEFERRED)
    return found


def messages(customer_ids: Iterable[int], at: datetime, all_caps: Iterable[Cap]) -> dict[int, list[Message]]:
    """Give what was begun lately or is planned for some customers. What a clock ahead of ours began counts too."""
    since = at - max(cap.window for cap in all_caps)
    found: dict[int, list[Message]] = defaultdict(list)
    for customer_id, pk, priority, state, began_at, due_at, channel, topic in MESSAGES.rows(list(customer_ids), since):
        is_begun = state in COUNTED
        moment = began_at if is_begun and began_at else max(due_at, at)
        found[customer_id].append(Message(pk, priority, is_begun, moment, channel, topic))
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


def _limited(delivery: Delivery, limits: Limits, at: datetime) -> Ruling:
    """Give what is against a message now and, as `due_at`, from when on nothing is; DELIVER where nothing is."""
    found = Ruling(Outcome.DELIVER, due_at=at)
    others = _others(delivery, limits)
    for cap in limits.caps:
        if not cap.covers(delivery.channel, delivery.decision.campaign.topic):
            continue
        times = [one.at for one in others if cap.covers(one.channel, one.topic) and one.at > at - cap.window]
        free_at = cap.free_at(times)
        if free_at is not None and found.due_at is not None and free_at > found.due_at:
            found = Ruling(Outcome.CAPPED, cap.sentence(len(times), free_at), free_at)
    allowed = limits.allowed_at(found.due_at or at)
    if allowed is None:
        return Ruling(Outcome.INELIGIBLE, NEVER)
    if found.outcome == Outcome.DELIVER and allowed > at:
        return Ruling(Outcome.INELIGIBLE, QUIET, allowed)
    return found._replace(due_at=allowed)


def _others(delivery: Delivery, limits: Limits) -> list[Message]:
    """Give the customer's other messages that stand in the way of one."""
    waits = delivery.decision.outcome == Outcome.DEFERRED
    return [
        one
        for one in limits.messages
        if one.delivery_id != delivery.pk and (one.is_begun or (waits and one.priority <= delivery.priority))
    ]
