"""The way out of our mail: a signed link that names the customer, the topic and the delivery, good for nothing else."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.conf import settings
from django.core import signing
from django.db import transaction

from campaigns import links
from campaigns.links import LinkRefused
from campaigns.models import Delivery
from customers import consent, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Customer, Suppression

PURPOSE = "campaigns.unsubscribe"
SOURCE = "campaigns"
HOW = "unsubscribe link"


@dataclass(frozen=True)
class Leaving:
    """Whom a link is about, and what it ends."""

    customer_id: int
    topic: str
    delivery: str


def link(customer: Customer, topic: str, delivery: Delivery) -> str:
    """Give the address of the page on which this customer leaves the topic. It never expires."""
    told = json.dumps([customer.public_id, topic, delivery.public_id], separators=(",", ":"))
    token = links.signed(PURPOSE, base64.urlsafe_b64encode(told.encode()).decode().rstrip("="))
    return f"{settings.PUBLIC_URL}/u/{token}/"


def read(token: str) -> Leaving:
    """Give what a link says; raise LinkRefused when it is forged, of another purpose, or about nobody."""
    try:
        public_id, topic, delivery = _signer().unsign_object(token)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise LinkRefused("The link is not one of ours.") from error
    customer_id = customer_of(public_id, delivery)
    if customer_id is None:
        raise LinkRefused("There is nobody behind this link any more.")
    return Leaving(customer_id, topic, delivery)


def customer_of(public_id: str, delivery: str) -> int | None:
    """Give whom a link is about: the customer it names, or whom she became a part of, who has her deliveries."""
    named = Customer.objects.filter(public_id=public_id).values_list("pk", flat=True).first()
    has = Delivery.objects.filter(public_id=delivery).values_list("customer_id", flat=True)
    return named or has.first()


def leave(leaving: Leaving, at: datetime, *, everything: bool = False) -> None:
    """Withdraw the consent for the topic, or close the address for all mail. Doing it again changes nothing.

    The customer's row is locked: a message is either begun before this, or not at all.
    """
    with transaction.atomic():
        customer = Customer.objects.select_for_update(no_key=True).get(pk=leaving.customer_id)
        consent.withdraw(customer.pk, Channel.EMAIL, leaving.topic, HOW, at)
        if everything and customer.email:
            consent.suppress(Channel.EMAIL, customer.email, Suppression.Reason.UNSUBSCRIBED, at)
        tell(leaving, at, everything=everything)


def tell(leaving: Leaving, at: datetime, *, everything: bool = False) -> None:
    """Record the event that somebody left, once for a delivery and its topic."""
    events.record(_event(leaving, at, everything=everything), SOURCE, at)


def _signer() -> signing.Signer:
    return signing.Signer(salt=PURPOSE, sep=".")


def _event(leaving: Leaving, at: datetime, *, everything: bool) -> pl.DataFrame:
    scope = "everything" if everything else leaving.topic
    return pl.DataFrame(
        {
            "customer_id": [leaving.customer_id],
            "message_id": [f"unsubscribed-{leaving.delivery}-{'all' if everything else 'topic'}"],
            "name": ["Unsubscribed"],
            "occurred_at": [at],
            "properties": [json.dumps({"topic": scope, "delivery": leaving.delivery})],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )
