"""Sources over REST: listed, made, and changed from the state that was read."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers import keys
from customers.models import AuditEntry, Source
from tests.customers.test_api import is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]
TILL = {"key": "till", "name": "Till", "kind": "api"}


@pytest.fixture
def headers() -> dict[str, str]:
    _, secret = keys.create("shop", ["sources:read", "sources:write"], timezone.now())
    return {"Authorization": f"Bearer {secret}"}


def send(client: Client, method: str, rest: str, body: Any, headers: dict[str, str]) -> Any:
    text = "" if body is None else json.dumps(body)
    return client.generic(method, f"/api/v1/sources/{rest}", text, "application/json", headers=headers)


def test_a_source_is_made_listed_and_changed(client: Client, headers: dict[str, str]) -> None:
    made = send(client, "POST", "", TILL, headers)
    assert (made.status_code, made.json()) == (201, TILL)
    Source.objects.create(key="files", name="Files", kind="import")
    assert [one["key"] for one in send(client, "GET", "?sort=-name", None, headers).json()["results"]] == [
        "till",
        "files",
    ]
    assert send(client, "GET", "?kind=api", None, headers).json()["results"] == [TILL]
    changed = send(client, "PATCH", "till/", {"name": "Tills"}, {**headers, "If-Match": made["ETag"]})
    assert changed.json() == {**TILL, "name": "Tills"}
    assert changed["ETag"] == send(client, "GET", "till/", None, headers)["ETag"] != made["ETag"]
    assert [one.what for one in AuditEntry.objects.order_by("pk")] == ["source made", "source changed"]


def test_two_who_change_one_source_lose_nothing(client: Client, headers: dict[str, str]) -> None:
    tag = send(client, "POST", "", TILL, headers)["ETag"]
    assert send(client, "PATCH", "till/", {"name": "First"}, {**headers, "If-Match": tag}).status_code == 200
    is_problem(send(client, "PATCH", "till/", {"name": "Second"}, {**headers, "If-Match": tag}), 412)
    assert Source.objects.get(key="till").name == "First"


def test_what_cannot_be_a_source_is_refused(client: Client, headers: dict[str, str]) -> None:
    send(client, "POST", "", TILL, headers)
    assert is_problem(send(client, "POST", "", TILL, headers), 409)["errors"][0]["path"] == "key"
    ours = {**TILL, "key": "ours", "kind": "campaigns"}
    assert is_problem(send(client, "POST", "", ours, headers), 400)["errors"][0]["path"] == "kind"
    Source.objects.create(key="mail", name="Mail", kind="campaigns")
    assert is_problem(send(client, "PATCH", "mail/", {"kind": "api"}, headers), 409)["code"] == "ours"
    assert is_problem(send(client, "PATCH", "till/", {"key": "x"}, headers), 400)["code"] == "invalid"
    is_problem(send(client, "GET", "nobody/", None, headers), 404)
    assert Source.objects.count() == 2
