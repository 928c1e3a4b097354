"""What a customer wants to hear about: the page behind a signed link, on which she says so herself."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.conf import settings
from django.db import transaction

from campaigns import links, unsubscribe
from campaigns.links import LinkRefused, Purpose
from campaigns.models import Delivery
from customers import consent, events, topics
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Consent, Customer, Suppression

SOURCE = "campaigns"
HOW = "preference page"
UNSUBSCRIBED = Suppression.Reason.UNSUBSCRIBED


@dataclass(frozen=True)
class Asking:
    """Whom a link is about, and the delivery that brought it."""

    customer_id: int
    delivery: str


@dataclass(frozen=True)
class Choice:
    """A topic, in the customer's words, and whether she hears about it now."""

    key: str
    name: str
    description: str
    is_granted: bool


@dataclass(frozen=True)
class Saved:
    """What became different: the keys of topics."""

    granted: tuple[str, ...]
    withdrawn: tuple[str, ...]


def link(customer: Customer, delivery: Delivery) -> str:
    """Give the address of the customer's page. It never expires."""
    token = links.token(Purpose.PREFERENCES, customer.public_id, delivery.public_id)
    return f"{settings.PUBLIC_URL}/p/{token}/"


def read(token: str) -> Asking:
    """Give whom a link is about; raise LinkRefused when it is forged, of another purpose, or about nobody."""
    public_id, delivery = links.read(Purpose.PREFERENCES, token, 2)
    customer_id = unsubscribe.customer_of(public_id, delivery)
    if customer_id is None:
        raise LinkRefused("There is nobody behind this link any more.")
    return Asking(customer_id, delivery)


def choices(asking: Asking) -> list[Choice]:
    """Give the topics with what is in force."""
    ours = Consent.objects.filter(customer_id=asking.customer_id, channel=Channel.EMAIL, is_granted=True)
    granted = set(ours.values_list("topic", flat=True))
    offered = topics.offered(asking.customer_id)
    return [Choice(one.key, one.name, one.description, one.key in granted) for one in offered]


def closed(asking: Asking) -> str:
    """Give why nothing at all is sent to the customer's address, or nothing."""
    address = Customer.objects.values_list("email", flat=True).get(pk=asking.customer_id)
    if not address:
        return ""
    found = Suppression.objects.filter(channel=Channel.EMAIL, address_hash=consent.hash_of(Channel.EMAIL, address))
    return found.values_list("reason", flat=True).first() or ""


def save(asking: Asking, shown: Collection[str], wanted: Collection[str], at: datetime) -> Saved:
    """Store the topics that the customer wants among those she was shown, with history; give what is different.

    Her row is locked, as by unsubscribing: a message is begun before this, or not at all. Who had left for everything
    and chooses a topic comes back; an address that is closed for another reason stays closed.
    """
    with transaction.atomic():
        customer = Customer.objects.select_for_update(no_key=True).get(pk=asking.customer_id)
        found = [one for one in choices(asking) if one.key in shown]
        granted = tuple(one.key for one in found if one.key in wanted and not one.is_granted)
        withdrawn = tuple(one.key for one in found if one.key not in wanted and one.is_granted)
        rows = [(customer.pk, "email", key, True, HOW) for key in granted]
        rows += [(customer.pk, "email", key, False, HOW) for key in withdrawn]
        consent.record(pl.DataFrame(rows, schema=consent.CHANGES, orient="row"), at)
        if customer.email and any(one.key in wanted for one in found):
            consent.reopen(Channel.EMAIL, customer.email, UNSUBSCRIBED)
        if granted or withdrawn:
            events.record(_event(asking, granted, withdrawn, at), SOURCE, at)
        for topic in withdrawn:
            unsubscribe.tell(unsubscribe.Leaving(customer.pk, topic, asking.delivery), at)
    return Saved(granted, withdrawn)


def stop(asking: Asking, at: datetime) -> Saved:
    """Withdraw all topics and close the address: nothing at all is sent from here on."""
    with transaction.atomic():
        every = [one.key for one in choices(asking)]
        saved = save(asking, every, (), at)
        customer = Customer.objects.get(pk=asking.customer_id)
        if customer.email:
            consent.suppress(Channel.EMAIL, customer.email, UNSUBSCRIBED, at)
        unsubscribe.tell(unsubscribe.Leaving(customer.pk, "everything", asking.delivery), at, everything=True)
    return saved


def _event(asking: Asking, granted: Collection[str], withdrawn: Collection[str], at: datetime) -> pl.DataFrame:
    told = {"granted": list(granted), "withdrawn": list(withdrawn), "delivery": asking.delivery}
    return pl.DataFrame(
        {
            "customer_id": [asking.customer_id],
            "message_id": [f"preferences-{asking.customer_id}-{at.timestamp():.6f}"],
            "name": ["Preferences Changed"],
            "occurred_at": [at],
            "properties": [json.dumps(told)],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )
