"""Deliveries of which nobody knows whether they arrived: told of in the inbox, and settled by a person's word."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet
from django.urls import reverse

from campaigns import deliver
from campaigns.models import Delivery
from customers import alerts, audit
from customers.alerts import Cause
from customers.models import Alert

ALERT = "sending.uncertain"
MOST = 200  # settled in one go


class Settled(NamedTuple):
    """How many of a selection were settled, and how many had been by somebody else."""

    settled: int
    gone: int


def waiting() -> QuerySet[Delivery]:
    """Give the uncertain deliveries, the oldest first."""
    return Delivery.objects.filter(state=Delivery.State.UNCERTAIN).order_by("pk")


def sweep(now: datetime) -> None:
    """Give up what nobody ended, and let the inbox tell of what is in doubt."""
    deliver.sweep(now)
    tell(now)


def tell(at: datetime) -> None:
    """Let the inbox hold one alert while any delivery is uncertain."""
    count = waiting().count()
    if not count:
        alerts.settle(ALERT, at)
        return
    what = (
        "One message is in doubt: nobody knows whether it"
        if count == 1
        else f"{count:,} messages are in doubt: nobody knows whether they"
    )
    sentence = f"{what} arrived, and nothing is sent again until somebody says so."
    alerts.raise_(Cause(ALERT, Alert.Kind.SENDING, sentence, reverse("admin:campaigns_delivery_uncertain")), at)


def resolve(ids: Collection[int], by: audit.Actor, at: datetime, reason: str, *, arrived: bool) -> Settled:
    """Settle the uncertain ones of a selection, each with its audit entry. Raises deliver.ResolveError.

    They arrived, or are planned anew.
    """
    if not reason.strip():
        raise deliver.ResolveError("A reason is needed, so that others can follow it.")
    if not 0 < len(ids) <= MOST:
        raise deliver.ResolveError(f"Select deliveries to settle, at most {MOST} in one go.")
    settled = 0
    for delivery in waiting().filter(pk__in=ids):
        try:
            deliver.resolve(delivery, by, at, reason, arrived)
            settled += 1
        except deliver.ResolveError:  # somebody else settled it just now
            continue
    tell(at)
    return Settled(settled, len(ids) - settled)
