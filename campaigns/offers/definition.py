"""What an offer may say, and what a change of it does to codes that are out."""

from datetime import datetime

from django.db import transaction

from campaigns.models import Offer, OfferCode
from customers import audit
from customers.audit import Actor

NAMES = (
    "name",
    "value",
    "is_percent",
    "cost",
    "margin",
    "valid_days",
    "starts_at",
    "ends_at",
    "audience",
    "stock",
    "codes_from",
    "terms",
)


class OfferError(ValueError):
    """An offer that cannot be so: `path` says which field, `message` why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def check(offer: Offer) -> None:
    """Raise OfferError for what cannot be."""
    if offer.is_percent and offer.value > 100:
        raise OfferError("value", "More than 100 % cannot be taken off.")
    if offer.starts_at and offer.ends_at and offer.ends_at <= offer.starts_at:
        raise OfferError("ends_at", "The offer ends before it begins.")
    stored = Offer.objects.filter(pk=offer.pk).values_list("codes_from", flat=True).first()
    if stored not in (None, offer.codes_from) and OfferCode.objects.filter(offer=offer).exists():
        raise OfferError("codes_from", "There are codes already: make another offer.")


def save(offer: Offer, by: Actor, at: datetime) -> None:
    """Store an offer, new or changed; no code that is out outlives a new end. Raises OfferError."""
    check(offer)
    is_new = offer.pk is None
    with transaction.atomic():
        offer.save()
        if offer.ends_at is not None:
            longer = OfferCode.objects.filter(offer=offer, state__in=OfferCode.HELD, valid_until__gt=offer.ends_at)
            longer.update(valid_until=offer.ends_at)
        audit.note(at, by, "offer made" if is_new else "offer changed", offer.key)
