"""Codes: reserved with the delivery, given once it is sent, redeemed once."""

import json
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import polars as pl
from django.db import transaction

from campaigns.models import Delivery, Offer, OfferCode
from customers import events
from customers.bulk import UTC_MICROSECONDS

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that looks like something else
LENGTH = 10  # 30 ** 10 codes: 49 bits
PREFIX_LENGTH = 24
SOURCE = "campaigns"


class OfferRefused(ValueError):
    """A code that cannot be redeemed, with the reason as a sentence."""


def reserve(wanted: Sequence[OfferCode], at: datetime) -> dict[int, OfferCode]:
    """Give the codes of deliveries by their ids, made where there is none yet; their validity counts from `at`."""
    if not wanted:
        return {}
    kept = OfferCode.objects.filter(delivery__in=[one.delivery_id for one in wanted]).select_related("offer")
    codes = {one.delivery_id: one for one in kept}
    changed: list[OfferCode] = []
    new: list[OfferCode] = []
    for one in wanted:
        code = codes.setdefault(one.delivery_id, one)
        (new if code is one else changed).append(code)
        if code is one or code.offer_id != one.offer_id:
            code.offer, code.code = one.offer, _new_code(one.offer)
        code.valid_until, code.state = at + timedelta(days=one.offer.valid_days), OfferCode.State.RESERVED
    for offer_id in {one.offer_id for one in new}:  # who gets a new code of an offer gives the older one back
        theirs = OfferCode.objects.filter(offer=offer_id, customer__in=[one.customer_id for one in new])
        theirs.filter(state__in=OfferCode.HELD).update(state=OfferCode.State.LAPSED)
    last = {(one.offer_id, one.customer_id): one for one in new}
    for one in new:
        if last[one.offer_id, one.customer_id] is not one:
            one.state = OfferCode.State.LAPSED
    OfferCode.objects.bulk_create(new)
    OfferCode.objects.bulk_update(changed, ["offer", "code", "valid_until", "state"])
    return codes


def give(deliveries: Collection[Delivery]) -> None:
    """Note that the deliveries' codes have reached their customers."""
    reserved = OfferCode.objects.filter(delivery__in=deliveries, state=OfferCode.State.RESERVED)
    reserved.update(state=OfferCode.State.GIVEN)


def release(deliveries: Collection[Delivery]) -> None:
    """Note that the deliveries' codes never reached anybody."""
    reserved = OfferCode.objects.filter(delivery__in=deliveries, state=OfferCode.State.RESERVED)
    reserved.update(state=OfferCode.State.RELEASED)


def redeem(code: str, at: datetime) -> OfferCode:
    """Redeem a code, once; raise OfferRefused when it is unknown, expired, withdrawn or used."""
    wanted = code.strip().upper()
    found = OfferCode.objects.select_related("offer", "delivery__decision__campaign").filter(code=wanted).first()
    if found is None:
        raise OfferRefused(f"The code {wanted!r} is unknown.")
    if found.state == OfferCode.State.RELEASED:
        raise OfferRefused(f"The code {wanted} was never given to anybody.")
    if found.state != OfferCode.State.REDEEMED and found.valid_until < at:
        raise OfferRefused(f"The code {wanted} expired on {found.valid_until:%d %B %Y}.")
    # A reserved code is good too: its mail may have arrived although nobody told us so.
    usable = (OfferCode.State.RESERVED, OfferCode.State.GIVEN)
    with transaction.atomic():
        redeemed = OfferCode.objects.filter(pk=found.pk, state__in=usable)
        if not redeemed.update(state=OfferCode.State.REDEEMED, redeemed_at=at):
            raise OfferRefused(f"The code {wanted} was redeemed before.")
        events.record(_redemption(found, at), SOURCE, at)
    found.state, found.redeemed_at = OfferCode.State.REDEEMED, at
    return found


def _new_code(offer: Offer) -> str:
    prefix = offer.key.upper()[:PREFIX_LENGTH]
    return f"{prefix}-{''.join(secrets.choice(ALPHABET) for _ in range(LENGTH))}"


def _redemption(code: OfferCode, at: datetime) -> pl.DataFrame:
    campaign = code.delivery.decision.campaign.key
    return pl.DataFrame(
        {
            "customer_id": [code.delivery.customer_id],
            "message_id": [f"redeemed-{code.delivery.public_id}"],
            "name": ["Offer Redeemed"],
            "occurred_at": [at],
            "properties": [json.dumps({"campaign": campaign, "offer": code.offer.key, "code": code.code})],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )
