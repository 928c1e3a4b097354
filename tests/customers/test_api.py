"""Every refusal of the REST doors is a problem document; a customer is read with a key of the right scope."""

import json
from typing import Any

import pytest
from django.test import Client

from customers import keys
from customers.problems import MAX_BYTES, MAX_DEPTH
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "message", "errors"}
READERS = (
    "fields/",
    "segments/",
    "segments/segment-1/",
    "segments/segment-1/members/",
    "customers/c-0001/",
    "targets/",
    "campaigns/",
    "campaigns/campaign-1/report/",
)


def bearer(*scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create('test', scopes, world.T)[1]}"}


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.content)
    assert answer.status_code == status, body
    assert answer["Content-Type"] == "application/problem+json"
    assert set(body) == MEMBERS
    assert body["status"] == status
    assert body["detail"] == body["message"] != ""
    return body


@pytest.mark.parametrize("address", READERS)
def test_nobody_reads_without_a_key_or_with_a_key_of_another_scope(client: Client, address: str) -> None:
    world.fill()
    answer = client.get(f"/api/v1/{address}")
    is_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")
    is_problem(client.get(f"/api/v1/{address}", headers={"Authorization": "Bearer ck_00000000.nonsense"}), 401)
    body = is_problem(client.get(f"/api/v1/{address}", headers=bearer("events:write")), 403)
    assert ":read" in body["detail"]
    everything = bearer(*(scope for scope in keys.Scope.values if scope.endswith(":read")))
    assert client.get(f"/api/v1/{address}", headers=everything).status_code == 200


def test_a_customer_is_given_whole(client: Client) -> None:
    world.fill()
    body = client.get("/api/v1/customers/c-0001/", headers=bearer("customers:read")).json()
    assert body["email"] == "grace.1@example.test"
    assert body["attributes"]["plan"] == "gold"
    assert body["consents"][0]["is_granted"] is True
    assert body["scores"][0]["target"] == "lapse"
    assert [segment["key"] for segment in body["segments"]] == ["regulars"]


@pytest.mark.parametrize("external_id", ["nobody", "%00", "x" * 300, "%F0%9F%98%80"])
def test_an_unknown_customer_is_a_problem(client: Client, external_id: str) -> None:
    is_problem(client.get(f"/api/v1/customers/{external_id}/", headers=bearer("customers:read")), 404)


@pytest.mark.parametrize("address", ["nothing/", "nothing", "segments/x/nothing/"])
def test_an_unknown_address_is_a_problem_for_every_method(client: Client, address: str) -> None:
    for method in (client.get, client.post, client.delete):
        assert is_problem(method(f"/api/v1/{address}"), 404)["instance"] == f"/api/v1/{address}"


def test_a_method_that_is_not_there_is_a_problem(client: Client) -> None:
    is_problem(client.delete("/api/v1/segments/", headers=bearer("segments:write")), 405)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "parse_error"),
        ("[" * 100_000 + "]" * 100_000, "too_deep"),
        (json.dumps({"rule": {"a": json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)}}), "too_deep"),
        ('{"key": "a\\u0000b"}', "bad_text"),
        ('{"key": "\\ud800"}', "bad_text"),
        ('{"key": NaN}', "parse_error"),
        ("[]", "invalid"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(client: Client, body: str, code: str) -> None:
    answer = client.post("/api/v1/segments/", body, "application/json", headers=bearer("segments:write"))
    assert is_problem(answer, 400)["code"] == code


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 12_000_000])
def test_a_body_that_is_too_large_is_a_problem(client: Client, size: int) -> None:
    body = {"rule": {"text": "x" * size}}
    answer = client.post(
        "/api/v1/segments/preview/", body, content_type="application/json", headers=bearer("segments:read")
    )
    assert is_problem(answer, 413)["code"] == "too_large"


def test_a_body_of_another_kind_is_a_problem(client: Client) -> None:
    is_problem(client.post("/api/v1/segments/", "a=b", "text/plain", headers=bearer("segments:write")), 415)


def test_an_unknown_field_or_parameter_is_refused_by_name(client: Client) -> None:
    body = {"key": "a", "name": "A", "rule": {}, "is_admin": True}
    answer = client.post("/api/v1/segments/", body, "application/json", headers=bearer("segments:write"))
    assert is_problem(answer, 400)["errors"][0]["path"] == "is_admin"
    answer = client.get("/api/v1/segments/?order=password", headers=bearer("segments:read"))
    assert "order" in is_problem(answer, 400)["detail"]


def test_a_fault_of_our_own_tells_nothing_of_the_inside(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("segments.picker.listed", lambda: 1 / 0)
    assert "division" not in str(is_problem(client.get("/api/v1/fields/", headers=bearer("segments:read")), 500))
