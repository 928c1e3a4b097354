"""Webhooks: added, changed, given new secrets, disabled and enabled, each with an audit entry."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import ProtectedError
from django.urls import reverse

from campaigns.models import Webhook, WebhookMessage
from campaigns.webhooks import outbox, signing
from campaigns.webhooks.notices import Type
from customers import addresses, alerts, audit
from customers.addresses import AddressRefused, Resolve
from customers.alerts import Cause
from customers.audit import Actor
from customers.models import Alert
from segments.models import Segment

ROTATION = timedelta(days=1)  # both secrets sign for so long
MOST_A_MINUTE = 6_000
CHANGED = ("name", "url", "types", "segments", "per_minute")
ALERT = "webhook "
State = Webhook.State


class WebhookError(ValueError):
    """A webhook that cannot be so: `path` names the field, `message` says why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


def add(webhook: Webhook, by: Actor, at: datetime, find: Resolve = addresses.resolve) -> str:
    """Store a new webhook and give its secret, which is never shown again. Raises WebhookError."""
    if Webhook.objects.filter(key=webhook.key).exists():
        raise WebhookError("key", f"There is a webhook {webhook.key} already.")
    check(webhook, find)
    webhook.secret, webhook.created_at = signing.new_secret(), at
    with transaction.atomic():
        webhook.save(force_insert=True)
        audit.note(at, by, "webhook added", webhook.key, url=webhook.url, types=webhook.types)
    return webhook.secret


def change(webhook: Webhook, by: Actor, at: datetime, find: Resolve = addresses.resolve) -> None:
    """Store what was changed of a webhook. Raises WebhookError."""
    check(webhook, find)
    store(webhook, by, at)


def store(webhook: Webhook, by: Actor, at: datetime) -> None:
    """Store what was changed of a webhook and is checked."""
    with transaction.atomic():
        webhook.save(update_fields=CHANGED)
        audit.note(at, by, "webhook changed", webhook.key, url=webhook.url, types=webhook.types)


def check(webhook: Webhook, find: Resolve = addresses.resolve) -> None:
    """Raise WebhookError for what cannot be used: an address that may not be called, a kind or segment that is none."""
    try:
        addresses.look(webhook.url, find)
    except AddressRefused as refused:
        raise WebhookError("url", str(refused)) from refused
    _refuse_unknown("types", webhook.types, Type.values, "kind of notice")
    keys = Segment.objects.filter(key__in=list(map(str, webhook.segments or []))).values_list("key", flat=True)
    _refuse_unknown("segments", webhook.segments, keys, "segment")
    if not 1 <= webhook.per_minute <= MOST_A_MINUTE:
        raise WebhookError("per_minute", f"It is a number from 1 to {MOST_A_MINUTE:,}.")


def rotate(webhook: Webhook, by: Actor, at: datetime) -> str:
    """Give a webhook a new secret, which is never shown again; the old one signs too for a day."""
    with transaction.atomic():
        ours = Webhook.objects.select_for_update().get(pk=webhook.pk)
        ours.old_secret, ours.old_until, ours.secret = ours.secret, at + ROTATION, signing.new_secret()
        ours.save(update_fields=["secret", "old_secret", "old_until"])
        audit.note(at, by, "webhook secret made", ours.key, old_until=ours.old_until.isoformat())
    return ours.secret


def disable(webhook: Webhook, why: str, by: Actor, at: datetime) -> bool:
    """Send a webhook nothing more: what waits is kept. False: it was disabled already.

    Where the program itself does it, the inbox tells.
    """
    with transaction.atomic():
        live = Webhook.objects.filter(pk=webhook.pk, state=State.LIVE)
        if not live.update(state=State.DISABLED, disabled_why=why[:300]):
            return False
        audit.note(at, by, "webhook disabled", webhook.key, why=why)
        if by is None:
            alerts.raise_(_cause(webhook, why), at)
    return True


def enable(webhook: Webhook, by: Actor, at: datetime) -> int:
    """Send a webhook what it wants again; give how many messages waited. Raises WebhookError where it is live."""
    with transaction.atomic():
        off = Webhook.objects.filter(pk=webhook.pk, state=State.DISABLED)
        if not off.update(state=State.LIVE, disabled_why="", failing_since=None, retry_at=None):
            raise WebhookError("", "It is not disabled.")
        waiting = WebhookMessage.objects.filter(webhook=webhook, state=WebhookMessage.State.PLANNED).count()
        audit.note(at, by, "webhook enabled", webhook.key, waiting=waiting)
        settle(webhook, at)
        outbox.wake()
    return waiting


def settle(webhook: Webhook, at: datetime) -> None:
    """Close what the inbox says of a webhook."""
    alerts.settle(f"{ALERT}{webhook.public_id}", at)


def remove(webhook: Webhook, by: Actor, at: datetime) -> None:
    """Delete a webhook with its messages. Raises WebhookError where a channel needs it."""
    with transaction.atomic():
        settle(webhook, at)
        audit.note(at, by, "webhook deleted", webhook.key)
        try:
            webhook.delete()
        except ProtectedError as error:
            raise WebhookError("", "It carries a channel: say first what carries that instead.") from error


def test(webhook: Webhook, by: Actor, at: datetime) -> WebhookMessage:
    """Plan a message of the kind webhook.test. Raises WebhookError where the webhook is disabled."""
    if webhook.state != State.LIVE:
        raise WebhookError("", "It is disabled: enable it first.")
    with transaction.atomic():
        audit.note(at, by, "webhook tested", webhook.key)
        return outbox.plan(webhook, Type.WEBHOOK_TEST, {"webhook": webhook.key}, at)


def _cause(webhook: Webhook, why: str) -> Cause:
    link = reverse("admin:campaigns_webhook_change", args=[webhook.pk])
    sentence = f"The webhook “{webhook}” is disabled. {why} What waits is kept: enable it once the other side answers."
    return Cause(f"{ALERT}{webhook.public_id}", Alert.Kind.WEBHOOK, sentence, link)


def _refuse_unknown(path: str, told: object, known: Iterable[str], what: str) -> None:
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise WebhookError(path, "expects a list of texts")
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise WebhookError(path, f"There is no {what} {unknown[0]!r}.")
