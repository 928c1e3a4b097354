"""Who takes what next: due deliveries of a channel by priority, and no more of them than it may send."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from campaigns.models import Delivery, Throughput

CLAIM_LEASE = timedelta(minutes=5)
BURST = 12  # a channel's tokens of a minute come in so many portions, as often as deliveries are looked for
PLANNED = {"state": Delivery.State.PLANNED, "token": "", "lease_until": None, "began_at": None}


def take(channel: str, token: str, until: datetime, most: int) -> list[int]:
    """Claim up to `most` due deliveries for CLAIM_LEASE by the database's clock; others are left to other workers.

    The lowest priority number goes first, then what is due first. Each priority is read from the index by itself, so
    that what is due later is never read.
    """
    with transaction.atomic():
        limit = _tokens(channel, most)
        planned = Delivery.objects.filter(state=Delivery.State.PLANNED, channel=channel)
        ids: list[int] = []
        priority = _next(channel, None) if limit else None
        while priority is not None and len(ids) < limit:
            due = planned.filter(priority=priority, due_at__lte=until).order_by("due_at")
            ids += due.select_for_update(skip_locked=True).values_list("pk", flat=True)[: limit - len(ids)]
            priority = _next(channel, priority)
        mine = Delivery.objects.filter(pk__in=ids, state=Delivery.State.PLANNED)
        mine.update(state=Delivery.State.CLAIMED, token=token, lease_until=Now() + CLAIM_LEASE)
        _give_tokens(channel, -len(ids))
    return ids


def _next(channel: str, priority: int | None) -> int | None:
    planned = Delivery.objects.filter(state=Delivery.State.PLANNED, channel=channel)
    if priority is not None:
        planned = planned.filter(priority__gt=priority)
    return planned.order_by("priority").values_list("priority", flat=True).first()


def give_back(ids: list[int], token: str, reason: str = "") -> int:
    """Plan again what was claimed and is not begun."""
    claimed = Delivery.objects.filter(pk__in=ids, token=token, state=Delivery.State.CLAIMED)
    return claimed.update(**PLANNED, **({"reason": reason[:300]} if reason else {}))


def unused(channel: str, count: int) -> None:
    """Give the tokens back of what was claimed and not sent."""
    if count:
        _give_tokens(channel, count)


def rate(per_minute: int) -> tuple[float, float]:
    """Give how many tokens a channel can hold, and how many fill up in a second.

    A token bucket lets through what it holds and what fills up meanwhile; the two together are never more than
    `per_minute` within any minute. A few a minute come one by one.
    """
    if per_minute <= BURST:
        return 1.0, per_minute / 60
    most = per_minute / BURST
    return most, (per_minute - most) / 60


def _tokens(channel: str, most: int) -> int:
    """Fill the channel's tokens up by the database's clock, and give how many may be taken; its row stays locked."""
    row = Throughput.objects.select_for_update().filter(channel=channel).first()
    if row is None:
        return most
    now = Throughput.objects.annotate(now=Now()).values_list("now", flat=True).get(pk=row.pk)  # after the wait
    holds, a_second = rate(row.per_minute)
    passed = holds if row.filled_at is None else (now - row.filled_at).total_seconds() * a_second
    row.tokens, row.filled_at = min(holds, row.tokens + max(passed, 0.0)), now
    row.save(update_fields=["tokens", "filled_at"])
    return min(most, int(row.tokens + 1e-9))


def _give_tokens(channel: str, count: int) -> None:
    rows = Throughput.objects.filter(channel=channel)
    if count < 0:
        rows.update(tokens=F("tokens") + count)
        return
    with transaction.atomic():
        for row in rows.select_for_update():
            rows.filter(pk=row.pk).update(tokens=min(rate(row.per_minute)[0], row.tokens + count))
