"""Whole cycles turned by hand, and what happens between them, for the tests of triggers."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
from django.core.management import call_command

from campaigns import cycle
from campaigns.models import Campaign, Decision, TriggerState
from customers import events, ingest
from customers.ingest import Records
from customers.models import Customer, Source
from segments import definition
from segments.models import Segment
from tests.campaigns.people import T0, campaign, segment_trigger

HOUR = timedelta(hours=1)


def watch(key: str, rule: dict[str, Any], **changes: Any) -> Campaign:
    """Make a segment and a live campaign on entering it."""
    save(Segment(key=key, name=key, created_at=T0), rule)
    return campaign(f"on-{key}", trigger=segment_trigger(key), **changes)


def save(segment: Segment, rule: dict[str, Any]) -> Segment:
    segment.rule = {"version": 1, "rule": rule}
    return definition.save(segment, None, T0)


def turn(hours: float) -> dict[str, int]:
    """Turn a full cycle so many hours after T0; give its decisions by outcome."""
    turned = cycle.run(T0 + hours * HOUR)
    assert turned.error == ""
    decisions: dict[str, int] = turned.summary["decisions"]
    return decisions


def turn_small(hours: float) -> dict[str, int]:
    """Turn a small cycle so many hours after T0, where there is news; give its decisions by outcome."""
    turned = cycle.run_small(T0 + hours * HOUR)
    assert turned is None or turned.error == ""
    return turned.summary["decisions"] if turned else {}


def buy(who: Customer, hours: float, times: int = 1, **facts: Any) -> None:
    """Let a customer buy, as her shop tells us at once; `facts` are properties, value and when it is `known`."""
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    names = ["customer_id", "message_id", "name", "occurred_at", "known_at", "value", "properties"]
    at, known = T0 + hours * HOUR, T0 + facts.pop("known", hours) * HOUR
    value = facts.pop("value", None)
    own = (value, json.dumps(facts))
    rows = [(who.pk, f"{who.pk}-{hours}-{n}", "Order Completed", at, known, *own) for n in range(times)]
    told = pl.DataFrame(rows, schema=names, orient="row")
    events.store(events.complete(told, events.EVENTS), events.complete(None, events.LINES), source)


def tell(who: Customer, hours: float, **facts: str) -> None:
    """Let an application tell facts of a customer, as JSON text."""
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    at = T0 + hours * HOUR
    rows = [(1, who.external_id, name, value, at) for name, value in facts.items()]
    told = pl.DataFrame(rows, schema=ingest.ATTRIBUTES, orient="row")
    ingest.put(Records(read=1, attributes=told), source, at)


def load(folder: Path, command: str, text: str, **options: Any) -> None:
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    path.write_text(text)
    call_command(command, str(path), stdout=StringIO(), **options)


def load_orders(folder: Path, *who: str) -> None:
    """Import orders of long ago."""
    lines = "".join(f"{one},2026-01-0{day}T10:00:00Z\n" for one in who for day in (1, 2, 3))
    load(folder, "import_events", "id,at\n" + lines, name="Order Completed", customer="id", time="at")


def inside(of: Campaign) -> set[str]:
    return set(TriggerState.objects.filter(campaign=of, is_inside=True).values_list("customer__external_id", flat=True))


def decided() -> list[tuple[str, str]]:
    """Give whom something was decided about, and by which cause."""
    return list(Decision.objects.order_by("pk").values_list("customer__external_id", "cause"))
