"""Codes: reserved with the delivery, given once it is sent, redeemed once."""

import json
import secrets
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


def reserve(delivery: Delivery, offer: Offer, at: datetime) -> OfferCode:
    """Give the delivery's code, made when there is none yet; its validity counts from `at`."""
    valid_until = at + timedelta(days=offer.valid_days)
    kept = OfferCode.objects.filter(delivery=delivery, offer=offer).select_related("offer").first()
    if kept is None:
        return OfferCode.objects.create(delivery=delivery, offer=offer, code=_new_code(offer), valid_until=valid_until)
    kept.valid_until, kept.state = valid_until, OfferCode.State.RESERVED
    kept.save(update_fields=["valid_until", "state"])
    return kept


def give(delivery: Delivery) -> None:
    """Note that the delivery's code has reached the customer."""
    OfferCode.objects.filter(delivery=delivery, state=OfferCode.State.RESERVED).update(state=OfferCode.State.GIVEN)


def release(delivery: Delivery) -> None:
    """Note that the delivery's code never reached anybody."""
    OfferCode.objects.filter(delivery=delivery, state=OfferCode.State.RESERVED).update(state=OfferCode.State.RELEASED)


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
