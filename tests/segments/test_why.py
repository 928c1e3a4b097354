"""Why somebody is in a segment: the pin first, then every node of the rule, the same as membership."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from customers.models import Customer
from segments import definition, lists, pins, why
from segments.models import Segment
from segments.pins import Pinned
from tests.customers.test_api import bearer, is_problem
from tests.scoring.shops import most_orders, scored
from tests.scoring.worlds import AS_OF as ORDERED_UNTIL
from tests.segments.crowd import AS_OF, AUSTRIAN, GERMAN, HOUR, cycle, ids, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def ask(client: Client, segment: Segment, customer: str) -> Any:
    address = f"/api/v1/segments/{segment.public_id}/explain/?customer={customer}"
    return client.get(address, headers=bearer("segments:read"))


def test_every_node_says_what_it_saw(client: Client) -> None:
    segment = saved("speakers", {"any": [GERMAN, AUSTRIAN]})
    cycle(people("DE", "FR"))
    inside, outside = (ask(client, segment, name).json() for name in ("c-0", "c-1"))
    assert (inside["is_in"], inside["since"][:10], inside["pin"]) == (True, "2026-05-20", None)
    assert [(part["sentence"], part["answer"], part["seen"]) for part in inside["rule"]["parts"]] == [
        ("country is DE", "true", "DE"),
        ("country is AT", "false", "DE"),
    ]
    assert (outside["is_in"], outside["since"], outside["rule"]["answer"]) == (False, None, "false")


def test_what_would_turn_the_answer_is_told(client: Client) -> None:
    cycle(people("DE", "FR").with_columns(pl.Series("features.orders_90d", [3, 1])))
    few = saved("few", {"field": "features.orders_90d", "op": "<", "value": 3})
    assert ask(client, few, "c-0").json()["nearest_change"]


def test_a_pin_is_told_and_goes_before_the_rule(client: Client) -> None:
    german = saved("german")
    cycle(people("DE", "AT"))
    pins.put(german, ids("c-0"), Pinned("exclude", "asked for it", "mia", AS_OF))
    told = ask(client, german, "c-0").json()
    assert (told["is_in"], told["since"], told["rule"]["answer"]) == (False, None, "true")
    assert (told["pin"]["kind"], told["pin"]["reason"], told["pin"]["by"]) == ("exclude", "asked for it", "mia")


def test_the_answer_is_that_of_the_members(client: Client) -> None:
    german = saved("german")
    saved("others", {"segment": "german", "op": "not_in"})
    friends = definition.save(Segment(key="friends", name="Friends", kind="list"), None, AS_OF)
    frame = people("DE", "AT", "DE", "FR", None)
    cycle(frame)
    pins.put(german, ids("c-1"), Pinned("include", "", "mia", AS_OF))
    lists.add(friends, lists.pasted("c-0\nc-3"), "mia", AS_OF)
    cycle(frame, AS_OF + HOUR)
    for segment in Segment.objects.all():
        inside = [one.external_id for one in Customer.objects.all() if why.why(segment, one, AS_OF + HOUR).is_in]
        assert sorted(inside) == members(segment.key), segment


def test_who_came_after_the_snapshot_is_explained_as_of_now(client: Client) -> None:
    orders = saved("none", {"all": [{"field": "features.orders", "op": "=", "value": 0}, GERMAN]})
    cycle(people("DE", "DE").head(1))
    newer = Customer.objects.get(external_id="c-1")
    found = why.why(orders, newer, AS_OF + HOUR)
    assert (found.is_in, found.as_of) == (False, AS_OF + HOUR)
    assert [part.as_json()["answer"] for part in found.explanation.root.parts] == ["true", "no value"]
    assert ask(client, orders, "c-1").json()["nearest_change"] == ["country: no value → DE"]
    with pytest.raises(why.NotYetKnown, match="Customer c-1 was not known as of 1999-12-31"):
        why.why(orders, newer, datetime(1999, 12, 31, tzinfo=UTC))


def test_who_cannot_be_explained_is_told_why(client: Client) -> None:
    german = saved("german")
    frame = people("DE", "DE")
    assert is_problem(ask(client, german, "c-0"), 409)["code"] == "no_snapshot"
    cycle(frame.head(1))
    is_problem(ask(client, german, "nobody"), 404)
    assert is_problem(ask(client, german, ""), 400)["errors"][0]["path"] == "customer"
    german.rule = {"version": 1, "rule": {**GERMAN, "field": "gone"}}
    german.save()
    assert is_problem(ask(client, german, "c-0"), 400)["code"] == "bad_rule"


def test_a_score_that_the_rule_asks_comes_with_its_reasons(client: Client) -> None:
    most_orders()
    frame = scored()
    cycle(frame, ORDERED_UNTIL)
    keen = saved("keen", {"all": [{"field": "scores.most", "op": ">", "value": 0.5}, GERMAN]})
    most = frame.sort("scores.most").row(-1, named=True)["external_id"]
    told = ask(client, keen, most).json()
    assert list(told["score_reasons"]) == ["most"]
    assert any("rders" in one for one in told["score_reasons"]["most"]["up"])
    assert ask(client, saved("german"), most).json()["score_reasons"] == {}
    client.force_login(User.objects.create_superuser("ann"))
    page = client.get(reverse("admin:segments_segment_explain", args=[keen.pk]), {"customer": most}).content.decode()
    assert "Higher: " in page
