"""The world that calls made from the OpenAPI document meet, and the key they are made with."""

import json
import sys
from typing import Any

import polars as pl
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns.calls import roles
from campaigns.models import CallTask, Campaign, CampaignVersion, Delivery, OfferCode, Webhook, WebhookMessage
from customers import devices, keys
from customers.keys import Scope
from customers.models import Customer, Import, Suppression
from scoring.models import Target
from segments.models import ListChange, ListRefused, Segment, SegmentVersion
from tests.config import world
from tests.config.world import T

PER_MINUTE = 10_000_000
SPENT = 12  # rows of a kind that are there to be erased or deleted
Rows = list[dict[str, Any]]


def fill() -> None:
    """Put a row into every table, as a shop of six customers has; say the secret of a key that may do everything,
    and by which path parameters the rows are found: by resource, and by operation where it uses rows up.
    """
    world.fill(6 + SPENT)
    world.take_snapshot()
    roles.enrol(User.objects.create_user("agent"))
    _, secret = keys.create("schema", Scope.values, timezone.now(), per_minute=PER_MINUTE)
    rows = _customers() | _segments() | _targets() | _campaigns() | _webhooks()
    sys.stdout.write(json.dumps({"secret": secret, "rows": rows}) + "\n")


def _customers() -> dict[str, Rows]:
    people = list(Customer.objects.order_by("pk"))
    tokens = [(one.pk, f"token-{n}") for n, one in enumerate(people[:6])]
    devices.store(pl.DataFrame(tokens, schema=devices.DEVICES, orient="row"), T)
    closed = [Suppression(channel="email", address_hash=f"{n:064x}", reason="by_hand", at=T) for n in range(SPENT)]
    Suppression.objects.bulk_create(closed)
    found = [{"external_id": one.external_id} for one in people]
    shut = [{"suppression": f"{one.channel}-{one.address_hash}"} for one in Suppression.objects.order_by("pk")]
    return {
        "customers": found[:6],
        "customers_erase": found[6:],
        "customers_devices_delete": [one | {"token": f"token-{n}"} for n, one in enumerate(found[:6])],
        "imports": [{"public_id": one.public_id} for one in Import.objects.all()],
        "sources": [{"key": "shop"}],
        "suppressions": shut[:1],
        "suppressions_delete": shut[1:],
    }


def _segments() -> dict[str, Rows]:
    made = [Segment(key=f"spent-{n}", name=f"Spent {n}", rule=world.RULE, created_at=T) for n in range(SPENT)]
    Segment.objects.bulk_create(made)
    listed = Segment.objects.create(key="guests", name="Guests", kind="list", rule={}, created_at=T)
    changed = Segment.objects.create(key="changed", name="Changed", rule=world.RULE, created_at=T, as_of=T, size=0)
    SegmentVersion.objects.create(segment=changed, number=1, rule=world.RULE, at=T)
    read = {"public_id": "segment-1", "external_id": "c-0000", "number": 1}
    lists = [{"public_id": listed.public_id}]
    change = ListChange.objects.create(segment=listed, how="added", source="may.txt", at=T, read=1, unknown=1)
    ListRefused.objects.create(change=change, line=1, given="nobody", why="unknown")
    return {
        "segments": [read, read | {"public_id": changed.public_id, "external_id": "c-0005"}],
        "segments_delete": [{"public_id": one.public_id} for one in made],
        "segments_list_changes": lists,
        "segments_list_change": lists,
        "segments_list_refused": [{"public_id": listed.public_id, "change": change.public_id}],
        "quality": [{"field": "country"}, {"field": "plan"}, {"field": "city"}],
    }


def _targets() -> dict[str, Rows]:
    meant = {"kind": "no_event", "event": "Order Completed", "created_at": T}
    made = [Target(key=f"spent-{n}", label=f"Spent {n}", horizon_days=30 + n, **meant) for n in range(SPENT)]
    Target.objects.bulk_create(made)
    return {
        "targets": [{"key": "lapse"}],
        "targets_delete": [{"key": one.key} for one in made],
        "models": [{"target": "lapse", "number": 1}],
    }


def _campaigns() -> dict[str, Rows]:
    segment = Segment.objects.get(key="regulars")
    trigger = {"kind": "segment", "segment": "regulars", "edge": "entered"}
    steps = [{"action": "email", "subject": "Hello", "body": "<p>We miss you.</p>"}]
    made = [
        Campaign(key=f"plan-{state}-{n}", name="Plan", state=state, audience=segment, created_at=T, trigger=trigger)
        for n in range(4)
        for state in ("draft", "live", "paused")
    ]
    for one in made:
        one.steps = steps
    Campaign.objects.bulk_create(made)
    CampaignVersion.objects.bulk_create(
        CampaignVersion(campaign=one, number=1, plan={"name": "Plan"}, by="key schema", at=T)
        for one in made
        if one.state != Campaign.State.DRAFT
    )
    known = [{"public_id": one.public_id, "number": 1} for one in made]
    sent = Campaign.objects.get(key="win-back")
    OfferCode.objects.create(offer_id=OfferCode.objects.values_list("offer_id")[0][0], code="FREE-1", state="free")
    return {
        "campaigns": [{"public_id": sent.public_id, "number": 1}, *known],
        "call-tasks": [{"public_id": one.public_id} for one in CallTask.objects.order_by("pk")],
        "deliveries": [{"public_id": one.public_id} for one in Delivery.objects.order_by("pk")],
        "offers": [{"key": "ten"}],
    }


def _webhooks() -> dict[str, Rows]:
    made = [
        Webhook(key=f"hook-{n}", name="CRM", url="https://192.0.2.1/", secret="whsec_eHh4eHh4eHg=", created_at=T)
        for n in range(SPENT)
    ]
    Webhook.objects.bulk_create(made)
    message = WebhookMessage.objects.create(
        webhook=made[0], type="webhook.test", body="{}", state="failed", created_at=T, due_at=T
    )
    found = [{"public_id": one.public_id, "message": message.public_id} for one in made]
    return {"webhooks": found[:2], "webhooks_delete": found[2:]}
