"""What becomes of a reserved code: given with its message, or released because that never went."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from campaigns.channels import Result
from campaigns.models import Delivery, DeliveryAttempt, Offer, OfferCode
from campaigns.offers import terms

Deliveries = Collection[Delivery] | Collection[int] | QuerySet[Delivery]
State = OfferCode.State
NOBODYS = {"state": State.FREE, "customer": None, "delivery": None, "valid_until": None, "given_at": None}


def give(deliveries: Deliveries) -> None:
    """Note that the deliveries' codes have reached their customers when the messages began."""
    began = Delivery.objects.filter(pk=OuterRef("delivery_id")).values("began_at")
    reserved = OfferCode.objects.filter(delivery__in=deliveries, state=State.RESERVED)
    reserved.update(state=State.GIVEN, given_at=Subquery(began))


def tell(delivery: Delivery, at: datetime) -> bool:
    """Note that somebody told a customer her code at a time, from which it is good. False: there was none to tell."""
    reserved = OfferCode.objects.filter(delivery=delivery, state=State.RESERVED)
    code = reserved.select_related("offer").first()
    if code is None:
        return False
    return bool(reserved.update(state=State.GIVEN, given_at=at, valid_until=terms.end_of(code.offer, at)))


def release(deliveries: Deliveries) -> int:
    """Note that the deliveries' codes never reached anybody, and give how many there were.

    A code of a list that nobody can have seen is free again: every try was refused for certain. One that may have been
    seen never is. What is redeemed at the same moment stays redeemed.
    """
    # Conditions without joins: the row is looked at again where somebody else has just changed it.
    reserved = OfferCode.objects.filter(delivery__in=deliveries, state=State.RESERVED)
    pools = Offer.objects.filter(codes_from=Offer.Codes.POOL).values("pk")
    tried = DeliveryAttempt.objects.filter(delivery=OuterRef("delivery_id"))
    may_be_seen = Exists(tried.exclude(result__in=(Result.REFUSED, Result.LATER)))
    freed = reserved.filter(~may_be_seen, offer_id__in=pools).update(**NOBODYS)
    return freed + reserved.update(state=State.RELEASED)
