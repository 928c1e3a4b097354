"""What a campaign has under way at a moment: planned, taken up by a worker, or being sent; counted and in words."""

from typing import NamedTuple

from django.db.models import Count

from campaigns.models import Campaign, Delivery
from customers.panels import number

State = Delivery.State


class Standing(NamedTuple):
    """Messages, tasks and changes that have not come to their end."""

    planned: int
    claimed: int
    sending: int


def of(campaign: Campaign) -> Standing:
    """Count what a campaign has under way, in one statement."""
    open_ones = Delivery.objects.filter(
        decision__campaign=campaign, state__in=(State.PLANNED, State.CLAIMED, State.SENDING)
    )
    counted = dict(open_ones.order_by().values_list("state").annotate(n=Count("pk")))
    return Standing(counted.get(State.PLANNED, 0), counted.get(State.CLAIMED, 0), counted.get(State.SENDING, 0))


def paused(now: Standing) -> str:
    """Say what a pause did, or would do, to what is under way."""
    waits = now.planned + now.claimed
    taken = f", {number(now.claimed)} of them taken up by a worker" if now.claimed else ""
    rest = f"{number(waits)} planned{taken}: what comes due before it is resumed is given up, not sent later."
    return " ".join([rest if waits else "Nothing was planned.", *_sending(now)])


def stopped(now: Standing) -> str:
    """Say what a stop did, or would do, to what is under way."""
    said = []
    if now.planned:
        said.append(f"{number(now.planned)} planned {'is' if now.planned == 1 else 'are'} cancelled.")
    if now.claimed:
        taken = "is" if now.claimed == 1 else "are"
        said.append(f"{number(now.claimed)} that a worker has taken up {taken} not begun.")
    return " ".join([*(said or ["Nothing was planned."]), *_sending(now)])


def resumed(now: Standing) -> str:
    """Say what goes on after a resumption."""
    waits = now.planned + now.claimed
    goes = f"{number(waits)} planned before go out when they are due." if waits else "Nothing is planned from before."
    return " ".join([goes, *_sending(now)])


def _sending(now: Standing) -> list[str]:
    if not now.sending:
        return []
    is_one = now.sending == 1
    return [f"{number(now.sending)} {'is' if is_one else 'are'} being sent right now and cannot be called back."]
