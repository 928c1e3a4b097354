"""Decisions and deliveries over REST: listed in pages, explained, and settled where they are in doubt."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns.models import Decision, Delivery, DeliveryAttempt
from customers.models import AuditEntry
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.campaigns.test_campaign_doors import Caller

pytestmark = [pytest.mark.door, pytest.mark.django_db]


@pytest.fixture
def caller() -> Caller:
    return Caller("campaigns:read", "campaigns:send", "customers:read")


def pages(caller: Caller, address: str) -> list[dict[str, Any]]:
    rows, following = [], address
    while following:
        told = caller.call("GET", following).json()
        rows += told["results"]
        following = (told["next"] or "").partition("/api/v1/")[2]
    return rows


def test_every_decision_and_delivery_is_listed_once_over_pages(caller: Caller) -> None:
    campaign = people.campaign()
    made = [people.planned(one, campaign) for one in people.customers(5)]
    decisions = pages(caller, "decisions/?limit=2")
    assert [one["customer"] for one in decisions] == ["c0", "c1", "c2", "c3", "c4"]
    deliveries = pages(caller, "deliveries/?limit=2")
    assert [one["id"] for one in deliveries] == [one.public_id for one in made]
    assert [one["deliveries"] for one in decisions] == [[one["id"]] for one in deliveries]
    first = decisions[0]
    assert (first["campaign"], first["outcome"], first["arm"], first["draw"]) == ("winback", "deliver", "treated", 0.5)


def test_lists_are_narrowed_by_time_campaign_customer_outcome_and_state(caller: Caller) -> None:
    ada, bob = people.customers(2)
    people.planned(ada, people.campaign())
    late = people.planned(bob, people.campaign("other"), due=T0 + timedelta(days=1), state=Delivery.State.SENT)
    Decision.objects.filter(pk=late.decision_id).update(outcome="control")
    for query in ("since=2026-03-02T00:00:00Z", "campaign=other", "customer=c1", "outcome=control"):
        assert [one["customer"] for one in pages(caller, f"decisions/?{query}")] == ["c1"], query
    for query in ("since=2026-03-02T00:00:00Z", "campaign=other", "customer=c1", "state=sent"):
        assert [one["id"] for one in pages(caller, f"deliveries/?{query}")] == [late.public_id], query
    assert [one["campaign"] for one in pages(caller, "customers/c1/decisions/")] == ["other"]


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-03-02", "campaign=nope", "outcome=won", "order=x"])
def test_a_filter_that_makes_no_sense_is_refused_by_name(caller: Caller, query: str) -> None:
    answer = caller.call("GET", f"decisions/?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, query.partition("=")[0])


def test_a_delivery_in_doubt_is_settled_once_with_a_reason(caller: Caller) -> None:
    campaign, (ada, bob) = people.campaign(), people.customers(2)
    arrived, lost = (people.planned(one, campaign, state=Delivery.State.UNCERTAIN, began_at=T0) for one in (ada, bob))
    DeliveryAttempt.objects.create(delivery=arrived, number=1, began_at=T0, result="uncertain")
    address, body = f"deliveries/{arrived.public_id}/resolve/", {"arrived": True, "reason": "It is in the log."}
    assert caller.call("POST", address, {"arrived": True}).status_code == 400
    told = caller.call("POST", address, body).json()
    assert (told["state"], told["resolution"], len(told["attempts"])) == ("sent", "It is in the log.", 1)
    assert caller.call("POST", address, body).status_code == 409
    body = {"arrived": False, "reason": "The log ends before it."}
    told = caller.call("POST", f"deliveries/{lost.public_id}/resolve/", body).json()
    assert (told["state"], told["customer"]) == ("planned", "c1")
    assert told["id"] != lost.public_id
    assert {note.detail["key"] for note in AuditEntry.objects.filter(what="delivery resolved")} == {"shop"}


def test_why_a_customer_got_something_is_told_as_one_chain(caller: Caller) -> None:
    campaign, (ada, _) = people.campaign(trigger={"kind": "hand"}), people.customers(2)
    people.planned(ada, campaign)
    told = caller.call("GET", "customers/c0/explain/?campaign=winback").json()
    assert (told["customer"], told["campaign"]) == ("c0", "winback")
    assert told["decisions"][0]["decision"]["outcome"] == "deliver"
    assert told["decisions"][0]["sentences"][0].startswith("2026-03-01 12:00 UTC, crossing 1: deliver.")
    assert caller.call("GET", "customers/c1/explain/?campaign=winback").json()["decisions"] == []
    for query in ("", "?campaign=nope"):
        assert caller.call("GET", f"customers/c0/explain/{query}").status_code == 400
    assert caller.call("GET", "customers/nobody/explain/?campaign=winback").status_code == 404
