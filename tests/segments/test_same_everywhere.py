"""Preview, list, count, export, explanation and what campaigns read hold the same customers at one time."""

import csv
import io
import random
from typing import Any

import polars as pl
import pytest
from django.test import Client

from campaigns import looks
from customers.models import Customer
from segments import bitmaps, definition, lists, membership, overlap, pins, preview
from segments.models import Segment
from segments.pins import Pinned
from segments.why import why
from tests.customers.test_api import bearer
from tests.segments.crowd import AS_OF, GERMAN, HOUR, cycle, ids, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db, pytest.mark.long]


def crowd() -> pl.DataFrame:
    """Store a rule, a list and segments that refer to both, with pins on each, and do a cycle."""
    chance = random.Random(4)
    frame = people(*chance.choices(["DE", "AT", "FR", None], k=30))
    frame = frame.with_columns(pl.Series("features.spend_90d", [chance.randrange(9) * 1.0 for _ in range(30)]))
    german, friends = saved("german"), definition.save(Segment(key="friends", name="Friends", kind="list"), None, AS_OF)
    saved("top", {"field": "features.spend_90d", "op": "top_percent", "value": 20})
    saved("mixed", {"any": [{"all": [GERMAN, {"segment": "top", "op": "not_in"}]}, {"segment": "friends", "op": "in"}]})
    lists.add(friends, lists.pasted("c-1 \n c-5 \n c-8 \n c-13"), "mia", AS_OF)
    cycle(frame)
    for segment in (german, friends, Segment.objects.get(key="mixed")):
        pins.put(segment, ids("c-2", "c-3"), Pinned("include", "", "mia", AS_OF))
        pins.put(segment, ids("c-5", "c-7"), Pinned("exclude", "", "mia", AS_OF))
    cycle(frame, AS_OF + HOUR)
    return frame


def test_every_way_to_ask_gives_the_same_customers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = crowd()
    monkeypatch.setattr(preview, "SAMPLE", 100)
    headers = bearer("segments:read")
    view = looks.view(frame, pl.DataFrame(schema=membership.CHANGES), AS_OF, is_whole=True)
    for segment in Segment.objects.all():
        expected = members(segment.key)
        assert 0 < len(expected) < 30
        address = f"/api/v1/segments/{segment.public_id}/"
        pages = client.get(f"{address}members/", headers=headers).json()["results"]
        export: Any = client.get(f"{address}members.csv", headers=headers)
        table = b"".join(export.streaming_content).decode()
        audience = frame.filter(looks.members(view, segment, frame))["external_id"]
        found = preview.preview(segment.rule, AS_OF + HOUR, segment.key)
        asked = {
            "list": [one["external_id"] for one in pages],
            "export": [row["external_id"] for row in csv.DictReader(io.StringIO(table))],
            "preview": [one["external_id"] for one in found.sample],
            "send": audience.to_list(),
            "explain": [one.external_id for one in Customer.objects.all() if why(segment, one, AS_OF + HOUR).is_in],
        }
        assert {name: sorted(names) for name, names in asked.items()} == dict.fromkeys(asked, expected)
        counts = (segment.size, found.count, bitmaps.totals()[segment.pk].size)
        assert counts == (len(expected),) * 3
    sizes = overlap.overlap(list(Segment.objects.order_by("pk"))).sizes
    assert sizes == {segment.key: segment.size for segment in Segment.objects.all()}
