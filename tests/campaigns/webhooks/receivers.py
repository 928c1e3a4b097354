"""Webhooks and their messages, for the tests."""

import json
from datetime import UTC, datetime
from typing import Any

from campaigns.models import Webhook, WebhookMessage

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def webhook(key: str = "crm", *types: str, **changes: Any) -> Webhook:
    """Make a live webhook that wants these kinds of notices."""
    values = {"name": key.upper(), "url": f"https://{key}.example/hook", "secret": SECRET, "created_at": T0}
    return Webhook.objects.create(key=key, types=list(types), **(values | changes))


def bodies(of: Webhook | None = None) -> list[dict[str, Any]]:
    """Give what webhooks are told, in the order in which it was planned."""
    messages = WebhookMessage.objects.filter(**({"webhook": of} if of else {})).order_by("pk")
    return [json.loads(body) for body in messages.values_list("body", flat=True)]


def moves(of: Webhook | None = None) -> list[tuple[str, str, str]]:
    """Give the segment, the customer and the kind of each move that webhooks are told of, sorted."""
    return sorted(
        (body["data"]["segment"], one["id"], body["type"].removeprefix("segment."))
        for body in bodies(of)
        if body["type"].startswith("segment.")
        for one in body["data"]["customers"]
    )
