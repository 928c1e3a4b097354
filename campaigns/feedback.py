"""What the receiving side tells us later: bounces, complaints, clicks. It becomes events, and closes addresses."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import polars as pl
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from campaigns import deliver, unsubscribe
from campaigns.models import Delivery
from customers import consent, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Customer, Event, Suppression

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

ARRIVED = (NAMES["delivered"], NAMES["opened"], NAMES["clicked"])
SOFT_BOUNCES, SOFT_WITHIN = 3, timedelta(days=14)


class FeedbackRefused(ValueError):
    """A report that cannot be used, with the place and the reason."""


@dataclass(frozen=True)
class Report:
    """One thing that happened to one of our mails."""

    kind: str
    public_id: str
    message_id: str
    at: datetime
    recipient: str
    url: str
    description: str
    bounce: str


def receive(channel: str, payload: object, received: datetime | None = None) -> str | None:
    """Store one report about a mail and give its event's name; None when we know no such mail.

    `payload` has event_type, timestamp (ISO 8601 with zone), and the delivery's id or a message_id: ours, or that of
    the provider; it may have recipient, click_url, description and bounce (hard or soft; left out, hard). `received`
    is when we got it; left out, when it happened. The same report twice changes nothing.
    """
    if channel != Channel.EMAIL:
        raise FeedbackRefused(f"channel: there is no feedback for {channel!r}")
    report = parse(payload)
    delivery = _delivery(report)
    if delivery is None:
        return None
    with transaction.atomic():
        # A message is begun before this, or not at all.
        if not Customer.objects.select_for_update(no_key=True).filter(pk=delivery.customer_id).exists():
            return None
        deliver.confirm(delivery, report.at)
        if report.kind == "unsubscribed":
            topic = delivery.decision.campaign.topic
            unsubscribe.leave(unsubscribe.Leaving(delivery.customer_id, topic, delivery.public_id), report.at)
            return NAMES[report.kind]
        events.record(_event(report, delivery), SOURCE, received or report.at)
        _close(report, delivery)
    return NAMES[report.kind]


def _delivery(report: Report) -> Delivery | None:
    """Give the mail that a report is about: by our own id, else by what the provider calls it."""
    ours = Delivery.objects.select_related("decision__campaign", "customer").filter(channel=Channel.EMAIL)
    found = ours.filter(public_id=report.public_id).first() if report.public_id else None
    if found or not report.message_id:
        return found
    named = ours.filter(public_id=report.message_id.partition("@")[0]).first()
    return named or ours.filter(tries__provider_id=report.message_id).first()


def _close(report: Report, delivery: Delivery) -> None:
    """Close the address of a hard bounce or a complaint, and of one soft bounce after another."""
    address = report.recipient or delivery.customer.email
    if report.kind not in CLOSES or not address:
        return
    if report.bounce != "soft" or _soft_in_a_row(delivery, report.at) >= SOFT_BOUNCES:
        consent.suppress(Channel.EMAIL, address, CLOSES[report.kind], report.at)


def _soft_in_a_row(delivery: Delivery, at: datetime) -> int:
    """Count the mails that bounced for a time within the last days, since one last arrived."""
    lately = Event.objects.filter(
        customer_id=delivery.customer_id,
        occurred_at__gt=at - SOFT_WITHIN,
        occurred_at__lte=at,
        name__in=(*ARRIVED, NAMES["bounced"]),
    )
    bounced: set[str] = set()
    for name, told in lately.order_by("occurred_at", "pk").values_list("name", "properties"):
        bounced = bounced | {told.get("delivery", "")} if name == NAMES["bounced"] else set()
    return len(bounced)


def parse(payload: object) -> Report:
    """Give the report of a payload; raise FeedbackRefused that says which field is wrong."""
    if not isinstance(payload, dict):
        raise FeedbackRefused(f"expects an object, got {type(payload).__name__}")
    texts = {
        name: _text(payload, name)
        for name in ("event_type", "delivery", "message_id", "recipient", "click_url", "description", "bounce")
    }
    if texts["event_type"] not in NAMES:
        raise FeedbackRefused(f"event_type: expects one of {', '.join(NAMES)}, got {texts['event_type']!r}")
    message_id = texts["message_id"].strip().strip("<>")
    if not (texts["delivery"] or message_id):
        raise FeedbackRefused("message_id: is missing")
    if texts["bounce"] not in ("", "hard", "soft"):
        raise FeedbackRefused(f"bounce: expects hard or soft, got {texts['bounce']!r}")
    return Report(
        kind=texts["event_type"],
        public_id=texts["delivery"],
        message_id=message_id,
        at=_time(payload.get("timestamp")),
        recipient=texts["recipient"],
        url=texts["click_url"],
        description=texts["description"],
        bounce=(texts["bounce"] or "hard") if texts["event_type"] == "bounced" else "",
    )


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
    more = {"url": report.url, "description": report.description, "bounce": report.bounce}
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
