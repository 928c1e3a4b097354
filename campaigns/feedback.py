"""What the receiving side tells us later: bounces, complaints, clicks. It becomes events, and closes addresses."""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import polars as pl
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from campaigns import deliver, unsubscribe
from campaigns.models import Delivery
from customers import consent, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Suppression

SOURCE = "campaigns"
# The event types of anymail, which has one vocabulary for all providers, and our names for them.
NAMES = {
    "delivered": "Email Delivered",
    "opened": "Email Opened",
    "clicked": "Email Link Clicked",
    "bounced": "Email Bounced",
    "complained": "Email Marked as Spam",
    "unsubscribed": "Unsubscribed",
}
CLOSES = {"bounced": Suppression.Reason.BOUNCED, "complained": Suppression.Reason.COMPLAINED}


class FeedbackRefused(ValueError):
    """A report that cannot be used, with the place and the reason."""


@dataclass(frozen=True)
class Report:
    """One thing that happened to one of our mails."""

    kind: str
    public_id: str
    at: datetime
    recipient: str
    url: str
    description: str


def receive(channel: str, payload: object, received: datetime | None = None) -> str | None:
    """Store one report about a mail and give its event's name; None when we know no such mail.

    `payload` has event_type, message_id, timestamp (ISO 8601 with zone), and may have recipient, click_url,
    description. `received` is when we got it; left out, when it happened. The same report twice changes nothing.
    """
    if channel != Channel.EMAIL:
        raise FeedbackRefused(f"channel: there is no feedback for {channel!r}")
    report = parse(payload)
    delivery = Delivery.objects.filter(public_id=report.public_id, channel=Channel.EMAIL).first()
    if delivery is None:
        return None
    with transaction.atomic():
        deliver.confirm(delivery, report.at)
        if report.kind == "unsubscribed":
            topic = delivery.decision.campaign.topic
            unsubscribe.leave(unsubscribe.Leaving(delivery.customer_id, topic, delivery.public_id), report.at)
            return NAMES[report.kind]
        address = report.recipient or delivery.customer.email
        if report.kind in CLOSES and address:
            consent.suppress(Channel.EMAIL, address, CLOSES[report.kind], report.at)
        events.record(_event(report, delivery), SOURCE, received or report.at)
    return NAMES[report.kind]


def parse(payload: object) -> Report:
    """Give the report of a payload; raise FeedbackRefused that says which field is wrong."""
    if not isinstance(payload, dict):
        raise FeedbackRefused(f"expects an object, got {type(payload).__name__}")
    texts = {
        name: _text(payload, name) for name in ("event_type", "message_id", "recipient", "click_url", "description")
    }
    if texts["event_type"] not in NAMES:
        raise FeedbackRefused(f"event_type: expects one of {', '.join(NAMES)}, got {texts['event_type']!r}")
    public_id = texts["message_id"].strip().strip("<>").partition("@")[0]
    if not public_id:
        raise FeedbackRefused("message_id: is missing")
    at = _time(payload.get("timestamp"))
    return Report(texts["event_type"], public_id, at, texts["recipient"], texts["click_url"], texts["description"])


def _text(payload: dict[str, object], name: str) -> str:
    value = payload.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FeedbackRefused(f"{name}: expects a text, got {type(value).__name__}")
    return value


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        at: datetime | None = value
    else:
        try:
            at = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            at = None
    if at is None or timezone.is_naive(at):
        raise FeedbackRefused(f"timestamp: expects a time with its zone, got {value!r}")
    return at


def _event(report: Report, delivery: Delivery) -> pl.DataFrame:
    """Give the event; the same report has the same message id, however often it comes."""
    what = sha256(f"{report.kind} {report.at.timestamp()} {report.url}".encode()).hexdigest()[:16]
    properties = {"campaign": delivery.decision.campaign.key, "delivery": delivery.public_id}
    more = {"url": report.url, "description": report.description}
    return pl.DataFrame(
        {
            "customer_id": [delivery.customer_id],
            "message_id": [f"{report.kind}-{delivery.public_id}-{what}"],
            "name": [NAMES[report.kind]],
            "occurred_at": [report.at],
            "properties": [json.dumps(properties | {name: text for name, text in more.items() if text})],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )
