"""What goes back by itself: codes whose time is over, and those reserved for messages that never went."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef
from django.urls import reverse

from campaigns.models import Delivery, Offer, OfferCode
from campaigns.offers import hold, stock
from customers import alerts
from customers.alerts import Cause
from customers.models import Alert

PREFIX = "offer.stock."
WEEK = timedelta(days=7)
LOW = 0.1  # of all codes
State = OfferCode.State
ENDED = (Delivery.State.FAILED, Delivery.State.CANCELLED)


class Lapsed(NamedTuple):
    """How many codes lapsed, and how many were released."""

    lapsed: int
    released: int


def lapse(now: datetime) -> Lapsed:
    """Let given codes lapse whose time is over, and release those whose message ended without going.

    Twice changes nothing; what is redeemed at the same moment stays redeemed. Of a message in doubt the code may have
    been seen: it lapses with its time. The stock of an offer has the place of a lapsed code again, a list its code not.
    """
    over = OfferCode.objects.filter(valid_until__lt=now)
    doubtful = Delivery.objects.filter(pk=OuterRef("delivery_id"), state=Delivery.State.UNCERTAIN)
    lapsed = over.filter(state=State.GIVEN).update(state=State.LAPSED)
    lapsed += over.filter(Exists(doubtful), state=State.RESERVED).update(state=State.LAPSED)
    reserved = OfferCode.objects.filter(state=State.RESERVED).values("delivery_id")
    ended = Delivery.objects.filter(state__in=ENDED, pk__in=reserved)
    return Lapsed(lapsed, hold.release(ended))


def watch(now: datetime) -> None:
    """Bring the inbox up to date about offers that run out: fewer than a tenth, or than a week takes, are left."""
    causes = [cause for offer in Offer.objects.filter(stock.LIMITED).order_by("pk") if (cause := _cause(offer, now))]
    for cause in causes:
        alerts.raise_(cause, now)
    alerts.settle_others(PREFIX, [cause.key for cause in causes], now)


def _cause(offer: Offer, now: datetime) -> Cause | None:
    if offer.ends_at is not None and offer.ends_at <= now:
        return None
    found = stock.of(offer)
    left, total = found.left or 0, found.total or 0
    lately = offer.codes.filter(given_at__gt=now - WEEK, given_at__lte=now).count()
    if left >= LOW * total and left >= lately and left > 0:
        return None
    link = reverse("admin:campaigns_offer_change", args=[offer.pk])
    said = f"{left:,} of {total:,} codes of the offer “{offer.name}” are left"
    told = f"{said}; {lately:,} were given in a week." if left else f"No code of the offer “{offer.name}” is left."
    return Cause(f"{PREFIX}{offer.key}", Alert.Kind.OFFER, told, link)
