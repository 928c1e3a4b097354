"""What the mail provider's log knows to be sent, written down here after a restore, so that it is not sent again."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from campaigns import deliver, offers
from campaigns.channels import Result
from campaigns.models import Decision, Delivery, DeliveryAttempt
from customers import audit

State = Delivery.State
OPEN = (State.PLANNED, State.CLAIMED, State.SENDING, State.UNCERTAIN)
TOGETHER = 1_000
RECEIPT = "The provider's log knows it."


class Marked(NamedTuple):
    """How many deliveries were marked sent, how many needed no mark, and how many Message-IDs are of none of ours."""

    sent: int
    known: int
    strange: int


def mark_sent(message_ids: Iterable[str], by: audit.Actor, at: datetime) -> Marked:
    """Mark the deliveries of some Message-IDs as sent, whatever this database thought of them. Twice changes nothing.

    To be used while sending is stopped; what was not planned here at all cannot be known again.
    """
    ids = {one.strip().strip("<>").partition("@")[0] for one in message_ids}
    wanted = sorted(ids - {""})
    sent = found = 0
    for first in range(0, len(wanted), TOGETHER):
        ours = Delivery.objects.filter(public_id__in=wanted[first : first + TOGETHER])
        found += ours.count()
        sent += _mark(list(ours.filter(state__in=OPEN)), at)
    audit.note(at, by, "deliveries marked sent", "provider's log", sent=sent, strange=len(wanted) - found)
    deliver.sweep(at)
    return Marked(sent, found - sent, len(wanted) - found)


def _mark(rows: list[Delivery], at: datetime) -> int:
    """Mark open deliveries as sent, each with the attempt that this database lost or never heard the end of."""
    with transaction.atomic():
        ids = [row.pk for row in rows]
        begun = DeliveryAttempt.objects.filter(delivery__in=ids, result__in=("", Result.UNCERTAIN))
        heard = set(begun.values_list("delivery_id", flat=True))
        begun.update(result=Result.ACCEPTED, receipt=RECEIPT, ended_at=at)
        lost = [row for row in rows if row.pk not in heard]
        DeliveryAttempt.objects.bulk_create(
            DeliveryAttempt(
                delivery=row,
                number=row.attempts + 1,
                began_at=row.due_at,
                ended_at=at,
                result=Result.ACCEPTED,
                receipt=RECEIPT,
            )
            for row in lost
        )
        Delivery.objects.filter(pk__in=[row.pk for row in lost]).update(attempts=F("attempts") + 1)
        Decision.objects.filter(deliveries__in=ids, outcome=Decision.Outcome.DEFERRED).update(
            outcome=Decision.Outcome.DELIVER
        )
        offers.give(rows)
        began_at = Coalesce("began_at", "due_at")
        return Delivery.objects.filter(pk__in=ids, state__in=OPEN).update(
            state=State.SENT, began_at=began_at, ended_at=at, lease_until=None, token="", reason=RECEIPT
        )
