"""A customer's events over REST, and her erasure."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from customers.models import AuditEntry, Customer, Event, Source, Suppression
from tests.config import world
from tests.customers.test_api import bearer, is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def ada() -> Customer:
    one = Customer.objects.create(external_id="ada", email="ada@example.test", bucket=1, seed=1, known_since=world.T)
    source = Source.objects.create(key="shop", name="Shop", kind="api")
    for number in range(3):
        Event.objects.create(
            customer=one,
            source=source,
            message_id=f"m{number}",
            name="Page Viewed" if number else "Order Completed",
            occurred_at=world.T + timedelta(days=number),
            known_at=world.T + timedelta(days=9),
            properties={"path": f"/{number}"},
        )
    return one


def test_what_happened_to_a_customer_is_listed_the_newest_first(client: Client) -> None:
    ada()
    headers, address, seen = bearer("customers:read"), "/api/v1/customers/ada/events/?limit=2", []
    while address:
        page = client.get(address, headers=headers).json()
        seen += [one["properties"]["path"] for one in page["results"]]
        address = page["next"]
    assert seen == ["/2", "/1", "/0"]
    orders = client.get("/api/v1/customers/ada/events/?name=Order Completed", headers=headers).json()["results"]
    assert [(one["message_id"], one["source"]) for one in orders] == [("m0", "shop")]


def test_a_customer_is_erased_by_a_key_that_may_and_for_ever(client: Client) -> None:
    ada()
    address, body = "/api/v1/customers/ada/erase/", json.dumps({"reason": "asked by letter"})
    is_problem(client.post(address, body, "application/json", headers=bearer("customers:read")), 403)
    assert Customer.objects.exists()
    told = client.post(address, body, "application/json", headers=bearer("customers:erase"))
    assert told.json()["rows"]["customers.Event"] == 3
    assert not Customer.objects.exists()
    assert Suppression.objects.get().reason == "erased"
    entry = AuditEntry.objects.get()
    assert (entry.what, entry.detail["key"]) == ("customer erased", "test")
    assert "ada" not in f"{entry.about}{entry.detail}"
    is_problem(client.post(address, body, "application/json", headers=bearer("customers:erase")), 404)
