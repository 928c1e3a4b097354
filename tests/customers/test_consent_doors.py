"""Consents and closed addresses over REST: plain, audited, idempotent, each with its own scope."""

import json
from typing import Any

import pytest
from django.test import Client

from customers import consent, keys
from customers.models import AuditEntry, Consent, ConsentChange, Suppression
from tests.campaigns.people import T0, customers

pytestmark = [pytest.mark.door, pytest.mark.django_db]
WANTED = {"channel": "email", "topic": "sale", "granted": True, "source": "the shop's form"}


def asked(client: Client, method: str, address: str, scope: str, body: object = None) -> Any:
    bearer = {"Authorization": f"Bearer {keys.create('shop', [scope], T0)[1]}"}
    data = "" if body is None else json.dumps(body)
    return client.generic(method, f"/api/v1/{address}", data, "application/json", headers=bearer)


def test_a_consent_is_granted_and_withdrawn_with_its_source_and_noted(client: Client) -> None:
    (ada,) = customers(1, topic="other")
    told = asked(client, "POST", "customers/c0/consents/", "consents:write", WANTED)
    assert told.status_code == 200
    assert consent.is_allowed(ada.pk, "email", "sale")
    asked(client, "POST", "customers/c0/consents/", "consents:write", WANTED)
    assert ConsentChange.objects.count() == 1
    asked(client, "POST", "customers/c0/consents/", "consents:write", WANTED | {"granted": False, "source": "a call"})
    assert not consent.is_allowed(ada.pk, "email", "sale")
    body = asked(client, "GET", "customers/c0/consents/", "customers:read").json()
    assert [(one["is_granted"], one["source"]) for one in body["history"]] == [
        (False, "a call"),
        (True, "the shop's form"),
    ]
    assert {one["topic"]: one["is_granted"] for one in body["consents"] if one["channel"] == "email"} == {
        "other": True,
        "sale": False,
    }
    notes = AuditEntry.objects.order_by("pk")
    assert [(note.what, note.about, note.detail["key"]) for note in notes] == [
        ("consent granted", ada.public_id, "shop"),
        ("consent withdrawn", ada.public_id, "shop"),
    ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"channel": "pigeon"}, "channel"),
        ({"source": ""}, "source"),
        ({"granted": "perhaps"}, "granted"),
        ({"is_admin": True}, "is_admin"),
    ],
)
def test_a_consent_that_cannot_be_read_is_refused_at_its_place(
    client: Client, change: dict[str, Any], path: str
) -> None:
    customers(1)
    before = Consent.objects.count()
    answer = asked(client, "POST", "customers/c0/consents/", "consents:write", WANTED | change)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, path)
    assert (Consent.objects.count(), ConsentChange.objects.count()) == (before, 0)


def test_an_address_is_closed_in_its_plain_form_and_only_its_hash_is_kept(client: Client) -> None:
    body = {"channel": "email", "address": " Ada@Example.TEST ", "why": "She wrote to us."}
    answer = asked(client, "POST", "suppressions/", "suppressions:write", body)
    assert (answer.status_code, answer.json()["reason"]) == (201, "by_hand")
    assert consent.is_suppressed("email", "ada@example.test")
    assert "ada@" not in answer.content.decode().lower()
    assert asked(client, "POST", "suppressions/", "suppressions:write", body).status_code == 200
    phone = {"channel": "phone", "address": "+49 30 1234567", "why": "She called."}
    asked(client, "POST", "suppressions/", "suppressions:write", phone)
    assert consent.is_suppressed("phone", "+49301234567")
    rows = asked(client, "GET", "suppressions/?limit=1", "suppressions:read").json()
    assert [row["id"] for row in rows["results"]] == [answer.json()["id"]]
    assert rows["next"]
    assert [note.detail["reason"] for note in AuditEntry.objects.order_by("pk")] == ["She wrote to us.", "She called."]


@pytest.mark.parametrize(
    "body",
    [
        {"channel": "email", "address": "no address", "why": "x"},
        {"channel": "phone", "address": "030 1234567", "why": "x"},
        {"channel": "push", "address": "a@b.test", "why": "x"},
        {"channel": "email", "address": "a@b.test"},
        {"channel": "email", "address": "a@b.test", "why": "x", "reason": "erased"},
    ],
)
def test_what_is_no_address_closes_nothing(client: Client, body: dict[str, str]) -> None:
    assert asked(client, "POST", "suppressions/", "suppressions:write", body).status_code == 400
    assert not Suppression.objects.exists()


def test_an_address_is_opened_for_a_reason_and_that_of_the_erased_stays_closed(client: Client) -> None:
    consent.suppress("email", "ada@example.test", "bounced", T0)
    consent.suppress("email", "bob@example.test", "erased", T0)
    ids = [f"email-{consent.hash_of('email', one)}" for one in ("ada@example.test", "bob@example.test")]
    assert asked(client, "DELETE", f"suppressions/{ids[0]}/", "suppressions:write").status_code == 400
    assert asked(client, "DELETE", f"suppressions/{ids[0]}/?why=She+asked", "suppressions:write").status_code == 204
    assert asked(client, "DELETE", f"suppressions/{ids[0]}/?why=She+asked", "suppressions:write").status_code == 404
    assert asked(client, "DELETE", f"suppressions/{ids[1]}/?why=She+asked", "suppressions:write").status_code == 409
    assert consent.is_suppressed("email", "bob@example.test")
    assert AuditEntry.objects.get().detail["reason"] == "She asked"


@pytest.mark.parametrize(
    ("method", "address", "scope"),
    [
        ("GET", "customers/c0/consents/", "customers:read"),
        ("POST", "customers/c0/consents/", "consents:write"),
        ("GET", "suppressions/", "suppressions:read"),
        ("POST", "suppressions/", "suppressions:write"),
        ("DELETE", "suppressions/email-0/", "suppressions:write"),
    ],
)
def test_each_door_asks_for_its_own_scope(client: Client, method: str, address: str, scope: str) -> None:
    customers(1)
    others = [one for one in keys.Scope.values if one != scope]
    bearer = {"Authorization": f"Bearer {keys.create('others', others, T0)[1]}"}
    answer = client.generic(method, f"/api/v1/{address}", "{}", "application/json", headers=bearer)
    assert (answer.status_code, scope in answer.json()["detail"]) == (403, True)
    assert asked(client, method, address, scope, {} if method == "POST" else None).status_code != 403
