"""What gateways report: a message arrived or did not, and what customers answer. Each is proved by its signature.

{"type": "message.delivered", "data": {"delivery": "<ours>"}}
{"type": "message.failed", "data": {"delivery": "<ours>", "error"?: "unknown_address", "address"?: "<a device>"}}
{"type": "message.received", "data": {"from": "+49301234567", "text": "STOP"}}
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import transaction
from standardwebhooks import Webhook as Signer
from standardwebhooks import WebhookVerificationError

from campaigns import deliver
from campaigns.channels.gateway import UNKNOWN
from campaigns.models import Delivery, Gateway, Webhook
from customers import consent, devices, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Channel, Consent, Customer, Suppression

MOST_BYTES = 65_536
SOURCE = "campaigns"
STOP = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "stopp", "abmelden")
HOW = "answered STOP by SMS"
DELIVERED, FAILED, RECEIVED = "message.delivered", "message.failed", "message.received"
CHANNELS = {Channel.SMS.value: "SMS", Channel.PUSH.value: "Push"}
EVENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.Int64,
    "message_id": pl.String,
    "name": pl.String,
    "occurred_at": UTC_MICROSECONDS,
    "properties": pl.String,
}


class ReportRefused(ValueError):
    """A report that cannot be used; the sentence says why."""


class Forged(ReportRefused):
    """A report that the gateway did not sign."""


class Report(NamedTuple):
    """One report, of one gateway, under the id that it has however often it comes."""

    webhook: Webhook
    id: str
    type: str
    data: Mapping[str, object]

    def text(self, name: str, limit: int = 300) -> str:
        """Give a field that must be a text, or is left out."""
        value = self.data.get(name, "")
        if not isinstance(value, str) or len(value) > limit or "\x00" in value:
            raise ReportRefused(f"data.{name}: expects a text of {limit:,} characters at most")
        return value.strip()


def verified(webhook: Webhook, body: bytes, headers: Mapping[str, str], at: datetime) -> Report:
    """Give a report whose signature is right, by the webhook's secret or the one before it. Raises ReportRefused."""
    secrets = [webhook.secret]
    if webhook.old_secret and webhook.old_until and at < webhook.old_until:
        secrets.append(webhook.old_secret)
    if not any(_is_signed(secret, body, headers) for secret in secrets):
        raise Forged("The signature is not right.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReportRefused("The body is not JSON.") from error
    if not isinstance(found, dict) or not isinstance(found.get("data"), dict):
        raise ReportRefused("data: expects an object")
    return Report(webhook, headers["webhook-id"][:80], str(found.get("type")), found["data"])


def _is_signed(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        Signer(secret).verify(body, dict(headers))
    except (WebhookVerificationError, UnicodeDecodeError, ValueError):  # of JSON, too: it is read below
        return False
    return True


def receive(report: Report, at: datetime) -> str:
    """Store what is reported and say what it was; the same report twice changes nothing. Raises ReportRefused."""
    match report.type:
        case "message.delivered" | "message.failed":
            return _of_delivery(report, at)
        case "message.received":
            return _answered(report, at)
    raise ReportRefused(f"type: expects one of {DELIVERED}, {FAILED}, {RECEIVED}, got {report.type[:60]!r}")


def _of_delivery(report: Report, at: datetime) -> str:
    carried = list(Gateway.objects.filter(webhook=report.webhook).values_list("channel", flat=True))
    ours = Delivery.objects.select_related("decision__campaign").filter(channel__in=carried)
    found = ours.filter(public_id=report.text("delivery", 32)).first()
    if found is None:
        return "unknown"
    with transaction.atomic():
        customer = Customer.objects.select_for_update(no_key=True).filter(pk=found.customer_id).first()
        if customer is None:
            return "unknown"
        is_there = report.type == DELIVERED
        if is_there:
            deliver.confirm(found, at)
        name = f"{CHANNELS[found.channel]} {'Delivered' if is_there else 'Failed'}"
        more = {} if is_there else {"error": report.text("error")}
        told = {**found.decision.told, "delivery": found.public_id, **more}
        events.record(_event(report, customer.pk, name, told, at), SOURCE, at)
        if not is_there and report.text("error") == UNKNOWN:
            _close(report, found, customer, at)
    return name


def _close(report: Report, delivery: Delivery, customer: Customer, at: datetime) -> None:
    """Close the address that does not exist: the phone number, or the device that is named."""
    if delivery.channel == Channel.SMS and customer.phone:
        consent.suppress(Channel.SMS, customer.phone, Suppression.Reason.BOUNCED, at)
    elif delivery.channel == Channel.PUSH:
        named = report.text("address")
        if named in devices.of([customer.pk]).get(customer.pk, []):
            devices.remove(named)


def _answered(report: Report, at: datetime) -> str:
    """Take what somebody answered: with STOP every consent for SMS goes, and the number is closed."""
    if not Gateway.objects.filter(webhook=report.webhook, channel=Channel.SMS).exists():
        raise ReportRefused("This webhook does not carry SMS.")
    number, text = report.text("from", 20), report.text("text", 2_000)
    is_stop = text.casefold().strip(" .!\"'") in STOP
    people = list(Customer.objects.filter(phone=number).values_list("pk", flat=True)) if number else []
    with transaction.atomic():
        if is_stop and number:
            granted = Consent.objects.filter(customer__in=people, channel=Channel.SMS, is_granted=True)
            rows = [
                (pk, Channel.SMS.value, topic, False, HOW) for pk, topic in granted.values_list("customer", "topic")
            ]
            consent.record(pl.DataFrame(rows, schema=consent.CHANGES, orient="row"), at)
            consent.suppress(Channel.SMS, number, Suppression.Reason.UNSUBSCRIBED, at)
        name = "Unsubscribed" if is_stop else "SMS Received"
        for pk in people:
            events.record(_event(report, pk, name, {"channel": Channel.SMS.value}, at), SOURCE, at)
    return name if people or is_stop else "unknown"


def _event(report: Report, customer: int, name: str, told: Mapping[str, object], at: datetime) -> pl.DataFrame:
    id = f"gateway-{report.webhook.pk}-{customer}-{report.id}"[:100]
    return pl.DataFrame([(customer, id, name, at, json.dumps(told))], schema=EVENTS, orient="row")
