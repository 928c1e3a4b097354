"""Every list is narrowed and sorted by what is written down, and nothing else; pages hold everybody once."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from campaigns.models import Campaign
from customers.models import Suppression
from segments.models import Segment
from tests.config import world
from tests.customers.test_api import bearer, is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def segments(*names: str) -> None:
    for number, name in enumerate(names):
        at = world.T + timedelta(seconds=number // 2)  # two of each time
        Segment.objects.create(
            key=f"s{number}", name=name, rule=world.RULE, created_at=at, folder="spring" if number % 2 else ""
        )


def walk(client: Client, query: str) -> list[str]:
    """Give the keys of all pages, two rows each."""
    headers, found, address = bearer("segments:read"), [], f"/api/v1/segments/?limit=2&{query}"
    while address:
        answer = client.get(address, headers=headers)
        found += [one["key"] for one in answer.json()["results"]]
        address = answer.json()["next"]
        assert answer.has_header("Link") == bool(address)
    return found


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", ["s0", "s1", "s2", "s3", "s4"]),
        ("sort=-stored", ["s4", "s3", "s2", "s1", "s0"]),
        ("sort=name", ["s3", "s1", "s2", "s0", "s4"]),
        ("sort=-name", ["s4", "s0", "s2", "s1", "s3"]),
        ("sort=created_at", ["s0", "s1", "s2", "s3", "s4"]),
        ("sort=-created_at", ["s4", "s3", "s2", "s1", "s0"]),
        ("folder=spring&sort=name", ["s3", "s1"]),
        ("key=s4", ["s4"]),
        ("kind=list", []),
    ],
)
def test_a_list_is_walked_in_the_order_that_is_asked_for(client: Client, query: str, keys: list[str]) -> None:
    segments("C", "B", "B", "A", "D")
    assert walk(client, query) == keys


@pytest.mark.parametrize("query", ["sort=rule", "sort=created_by__password", "kind=both", "cursor=x", "secret=1"])
def test_what_is_not_written_down_is_refused_by_name(client: Client, query: str) -> None:
    answer = client.get(f"/api/v1/segments/?{query}", headers=bearer("segments:read"))
    assert is_problem(answer, 400)["errors"][0]["path"] == query.partition("=")[0]


def test_a_cursor_of_another_order_is_refused(client: Client) -> None:
    segments("C", "B", "A")
    headers = bearer("segments:read")
    following = client.get("/api/v1/segments/?limit=1&sort=name", headers=headers).json()["next"]
    assert (
        is_problem(client.get(following.replace("sort=name", "sort=key"), headers=headers), 400)["code"] == "bad_cursor"
    )


def test_who_is_added_while_a_list_is_read_moves_nobody(client: Client) -> None:
    segments("C", "B", "A")
    headers = bearer("segments:read")
    first = client.get("/api/v1/segments/?limit=2&sort=name", headers=headers).json()
    segments_before = [one["name"] for one in first["results"]]
    Segment.objects.create(key="new", name="AA", rule=world.RULE, created_at=world.T)
    rest = [one["name"] for one in client.get(first["next"], headers=headers).json()["results"]]
    assert (segments_before, rest) == (["A", "B"], ["C"])


NARROWED: list[tuple[str, str, int]] = [
    ("campaigns/?state=draft", "campaigns:read", 1),
    ("campaigns/?state=live", "campaigns:read", 0),
    ("campaigns/?audience=nobody", "campaigns:read", 0),
    ("suppressions/?channel=email&reason=bounced", "suppressions:read", 1),
    ("suppressions/?channel=phone", "suppressions:read", 0),
    ("targets/?kind=spend", "models:read", 0),
    ("offers/?codes_from=pool&sort=-value", "offers:read", 0),
    ("webhooks/?state=disabled&sort=created_at", "webhooks:read", 0),
    ("call-tasks/?state=open&sort=-stored", "calls:read", 0),
    ("decisions/?sort=-stored", "campaigns:read", 0),
    ("deliveries/?sort=-stored", "campaigns:read", 0),
    ("models/?state=live&sort=stored", "models:read", 0),
]


@pytest.mark.parametrize(("address", "scope", "count"), NARROWED)
def test_other_lists_are_narrowed_too(client: Client, address: str, scope: str, count: int) -> None:
    Campaign.objects.create(key="a", name="A", trigger={"kind": "hand"}, steps=[], created_at=world.T)
    Suppression.objects.create(channel="email", address_hash="0" * 64, reason="bounced", at=world.T)
    answer: Any = client.get(f"/api/v1/{address}", headers=bearer(scope))
    assert answer.status_code == 200, answer.content
    assert len(answer.json()["results"]) == count
