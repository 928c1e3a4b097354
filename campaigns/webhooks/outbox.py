"""Messages on their way to other programs: written where the fact is written, so that both are committed or neither."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from campaigns.models import Delivery, Schedule, Webhook, WebhookAttempt, WebhookMessage
from customers import audit, bulk
from customers.audit import Actor
from customers.models import new_public_id

MOST_BYTES = 20_000  # of a body, as the standard advises
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"
BODIES: bulk.Schema = {"webhook_id": pl.Int64, "type": pl.String, "body": pl.String}
TIDIED = 5_000  # messages at a time
KEPT = timedelta(days=30)  # of the bodies of messages that have ended
ENDED = (WebhookMessage.State.TAKEN, WebhookMessage.State.FAILED)
State = WebhookMessage.State


class TooLarge(ValueError):
    """A message that is larger than other programs should be sent; the sentence says how large."""


class ReplayRefused(ValueError):
    """A message that cannot be sent again; the sentence says why."""


class Wish(NamedTuple):
    """What one live webhook wants to hear of: kinds of notices, and of which segments; none: of all."""

    webhook_id: int
    types: Sequence[str]
    segments: Sequence[str]


def wishes(*types: str) -> list[Wish]:
    """Give what each live webhook wants, of those that want one of these kinds."""
    live = Webhook.objects.filter(state=Webhook.State.LIVE).order_by("pk")
    found = (Wish(*row) for row in live.values_list("pk", "types", "segments"))
    return [wish for wish in found if not set(types).isdisjoint(wish.types)]


def told(at: datetime) -> str:
    """Give a time as bodies say it."""
    return at.astimezone(UTC).strftime(MOMENT)


def body(type: str, data: Mapping[str, object], at: datetime) -> str:
    """Give the body of one message. Raises TooLarge."""
    text = json.dumps({"type": type, "timestamp": told(at), "data": data}, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size >= MOST_BYTES:
        raise TooLarge(f"A message of {size:,} bytes is larger than other programs are sent: {MOST_BYTES:,} at most.")
    return text


def plan(
    webhook: Webhook, type: str, data: Mapping[str, object], at: datetime, *, delivery: Delivery | None = None
) -> WebhookMessage:
    """Plan one message to one webhook, in the caller's transaction; a delivery has one, however often this is asked.

    That of a disabled webhook waits until it is enabled. Raises TooLarge.
    """
    wake()
    values = {"webhook": webhook, "type": type, "body": body(type, data, at), "created_at": at, "due_at": at}
    if delivery is None:
        return WebhookMessage.objects.create(**values)
    return WebhookMessage.objects.get_or_create(delivery=delivery, defaults=values)[0]


def put(bodies: pl.DataFrame, at: datetime) -> None:
    """Plan messages (`webhook_id`, `type`, `body`), each webhook's in the order of the rows.

    With `delivery_id`, a delivery has one message, however often this is asked.
    """
    if bodies.is_empty():
        return
    moment = pl.lit(at, bulk.UTC_MICROSECONDS)
    ids = pl.Series([new_public_id() for _ in range(bodies.height)], dtype=pl.String)
    of_deliveries = ["delivery_id"] if "delivery_id" in bodies.columns else []
    rows = bodies.select(
        *BODIES,
        *of_deliveries,
        public_id=ids,
        state=pl.lit(State.PLANNED.value),
        created_at=moment,
        due_at=moment,
        token=pl.lit(""),
        attempts=pl.lit(0, pl.Int64),
    )
    bulk.insert(WebhookMessage, rows, ignore=of_deliveries)
    wake()


def wake() -> None:
    """Let a worker look for messages as soon as this transaction is committed."""
    transaction.on_commit(_hasten, robust=True)


def replay(message: WebhookMessage, by: Actor, at: datetime) -> None:
    """Send a message that has ended once more, under the same id. Raises ReplayRefused."""
    if message.state not in ENDED:
        raise ReplayRefused("It waits or is under way already.")
    if not message.body:
        raise ReplayRefused(f"Its body was removed {KEPT.days} days after it had ended.")
    with transaction.atomic():
        if not _again(WebhookMessage.objects.filter(pk=message.pk), at):
            raise ReplayRefused("It waits or is under way already.")
        audit.note(at, by, "webhook message replayed", message.webhook.key, message=message.public_id)


def replay_failed(webhook: Webhook, since: datetime, by: Actor, at: datetime) -> int:
    """Send once more what was given up since a time, each under its id; give how many messages these are."""
    with transaction.atomic():
        failed = WebhookMessage.objects.filter(webhook=webhook, state=State.FAILED, ended_at__gte=since)
        count = _again(failed, at)
        audit.note(at, by, "webhook messages replayed", webhook.key, since=since.isoformat(), messages=count)
    return count


def tidy(now: datetime) -> int:
    """Empty the bodies and answers of messages that ended long ago; give how many messages these are."""
    old = WebhookMessage.objects.filter(state__in=ENDED, ended_at__lte=now - KEPT).exclude(body="")
    with transaction.atomic():
        ids = list(old.values_list("pk", flat=True)[:TIDIED])
        WebhookAttempt.objects.filter(message__in=ids).update(answer="")
        return WebhookMessage.objects.filter(pk__in=ids).update(body="")


def _again(ended: QuerySet[WebhookMessage], at: datetime) -> int:
    wake()
    return (
        ended.filter(state__in=ENDED).exclude(body="").update(state=State.PLANNED, due_at=at, attempts=0, ended_at=None)
    )


def _hasten() -> None:
    Schedule.objects.filter(key=Schedule.Key.WEBHOOKS, next_at__gt=Now()).update(next_at=Now())
