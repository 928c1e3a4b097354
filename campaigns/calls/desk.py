"""What an agent has in front of her: one call with all that is to be known for it, or a line of the queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone

from campaigns import customer_story
from campaigns.calls import called, moments, queue, why
from campaigns.calls.moments import NoTime
from campaigns.calls.queue import Clock
from campaigns.models import Call, CallTask, OfferCode
from customers.models import Customer
from customers.panels import Cell, moment, number, when

HISTORY = ("events", "deliveries", "calls")
MOST_HISTORY = 8


class Lines(NamedTuple):
    """What happened when."""

    at: Cell
    words: str
    detail: str


class Desk(NamedTuple):
    """One call: when it is where she is, the code, the estimate, what happened with her, and earlier tries."""

    task: CallTask
    name: str
    number: int
    local: str
    zone: str
    code: OfferCode | None
    gain: str
    history: list[Lines]
    tries: list[Call]


def name_of(customer: Customer) -> str:
    """Give how an agent speaks of a customer."""
    return f"{customer.first_name or ''} {customer.last_name or ''}".strip() or customer.external_id


def lay(tasks: Sequence[CallTask], clock: Clock, at: datetime) -> list[Desk]:
    """Give all that is to be known for some calls."""
    codes = {
        one.delivery_id: one for one in OfferCode.objects.filter(delivery__in=[task.delivery_id for task in tasks])
    }
    return [
        Desk(
            task,
            name_of(task.customer),
            task.tries + 1,
            called.local_time(at, clock.place(task.customer)),
            zone_of(task.customer, clock, at).key,
            codes.get(task.delivery_id),
            gain_words(task),
            history(task),
            list(task.calls.select_related("agent").order_by("number")),
        )
        for task in tasks
    ]


def gain_words(task: CallTask) -> str:
    """Say what a call is expected to gain, and that it is an estimate, or why there is none."""
    if task.expected_gain is not None:
        return f"Expected gain {number(task.expected_gain, 2)} (an estimate)"
    return why.gain(task.campaign, task.delivery.decision.score).words.rstrip(".")


def history(task: CallTask) -> list[Lines]:
    """Give what happened with a customer lately: what she did, what she was sent, and earlier calls."""
    own = (task, task.delivery)
    found = [one for kind in HISTORY for one in customer_story.story(task.customer, kind) if one.item not in own]
    latest = sorted(found, key=lambda one: one.at, reverse=True)[:MOST_HISTORY]
    return [Lines(moment(one.at), one.words, one.detail) for one in latest]


def zone_of(customer: Customer, clock: Clock, at: datetime) -> ZoneInfo:
    """Give the zone that a customer speaks in, or ours where the clocks differ in those that she may be in."""
    zones = [ZoneInfo(one) for one in clock.place(customer).zones]
    is_sure = len({at.astimezone(one).utcoffset() for one in zones}) == 1
    return zones[0] if is_sure else ZoneInfo(timezone.get_current_timezone_name())


def call_back(words: str, customer: Customer, clock: Clock, at: datetime) -> datetime | None:
    """Give the time that an agent's words name, by the customer's clock; raise CallRefused."""
    if not words.strip():
        return None
    try:
        return moments.read(words, at, zone_of(customer, clock, at))
    except (NoTime, OverflowError) as error:
        raise queue.CallRefused(f"Call back at: {error}") from error


def call_back_words(task: CallTask, clock: Clock) -> str:
    """Say when a customer is called again, by her clock and by ours."""
    local = called.local_time(task.due_at, clock.place(task.customer))
    return f"The next call is on {local} by the customer’s clock ({when(task.due_at)})."
