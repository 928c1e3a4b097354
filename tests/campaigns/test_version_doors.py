"""Over REST: what a campaign's plan was, put back or copied, what a change means, and who approves it."""

import json
from typing import Any

import pytest
from django.test import Client

from campaigns import launch
from campaigns.models import Campaign, Programme
from customers import keys
from customers.models import ApiKey
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers, lapse_model, planned

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NEW = [{**EMAIL_STEP, "subject": "Hello again"}]


class Caller:
    """Somebody with a key of a name."""

    def __init__(self, name: str, *scopes: str) -> None:
        self.headers = {"Authorization": f"Bearer {keys.create(name, [f'campaigns:{one}' for one in scopes], T0)[1]}"}

    def call(self, method: str, address: str, body: object = None) -> Any:
        data = "" if body is None else json.dumps(body)
        return Client().generic(method, f"/api/v1/{address}", data, "application/json", headers=self.headers)


@pytest.fixture
def shop() -> Caller:
    return Caller("shop", "read", "write", "send")


@pytest.fixture
def at() -> str:
    """Give the address of a campaign that was launched and edited."""
    Programme.objects.create(holdout_share=0.0)
    lapse_model()
    one = campaign(state=Campaign.State.DRAFT)
    launch.launch(one, None, T0)
    launch.edit(one, None, T0, steps=NEW)
    return f"campaigns/{one.public_id}/"


def test_versions_are_listed_read_put_back_and_copied(shop: Caller, at: str) -> None:
    told = shop.call("GET", f"{at}versions/").json()["results"]
    assert [(one["number"], one["changed"]) for one in told] == [
        (2, ["The subject “Hello” became “Hello again”."]),
        (1, ["It was launched with this plan."]),
    ]
    first = shop.call("GET", f"{at}versions/1/").json()
    assert (first["plan"]["steps"], first["since"]) == ([EMAIL_STEP], told[0]["changed"])
    back = shop.call("POST", f"{at}versions/1/revert/", {}).json()
    assert (back["version"], back["steps"]) == (3, [EMAIL_STEP])
    assert shop.call("GET", f"{at}versions/").json()["results"][0]["by"] == "key shop"
    again = shop.call("POST", f"{at}versions/1/revert/", {})
    assert (again.status_code, again.json()["detail"]) == (409, "The plan is that of version 1 already.")
    copy = shop.call("POST", f"{at}duplicate/", {"key": "again", "name": "Again", "version": 2})
    assert (copy.status_code, copy.json()["state"], copy.json()["steps"]) == (201, "draft", NEW)
    assert shop.call("POST", f"{at}duplicate/", {"key": "again", "name": "Again"}).status_code == 409
    assert shop.call("POST", f"{at}duplicate/", {"key": "third", "name": "C", "version": 9}).status_code == 409
    for method, address in (("GET", "versions/9/"), ("POST", "versions/9/revert/")):
        assert shop.call(method, f"{at}{address}", {} if method == "POST" else None).status_code == 404


def test_what_is_being_handed_over_is_changed_only_where_that_is_asked_for(shop: Caller, at: str) -> None:
    one = Campaign.objects.get()
    planned(customers(1)[0], one, state="claimed", token="x")
    told = shop.call("GET", f"{at}under-way/?changed=steps").json()
    assert (told["claimed"], told["words"][0]) == (1, "1 message is planned and not begun.")
    assert shop.call("GET", f"{at}under-way/?changed=nonsense").status_code == 400
    refused = shop.call("PATCH", at, {"steps": [EMAIL_STEP]})
    assert (refused.status_code, refused.json()["code"]) == (409, "in_flight")
    assert "being handed over at this moment" in refused.json()["detail"]
    assert shop.call("POST", f"{at}versions/1/revert/", {}).json()["code"] == "in_flight"
    assert Campaign.objects.get().version == 2
    assert shop.call("PATCH", at, {"steps": [EMAIL_STEP], "while_sending": True}).json()["version"] == 3


def test_approval_is_asked_and_answered_by_two(shop: Caller, at: str) -> None:
    customers(3)
    shop.call("POST", f"{at}pause/", {})
    assert shop.call("GET", f"{at}approval/").json()["is_needed"] is False
    assert shop.call("POST", f"{at}approval/", {}).status_code == 409
    Programme.objects.update(approval_customers=2)
    refused = shop.call("POST", f"{at}resume/", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "needs_approval")
    asked = shop.call("POST", f"{at}approval/", {})
    assert (asked.status_code, asked.json()["stand"], asked.json()["asked_by"]) == (201, "asked", "key shop")
    own = shop.call("PATCH", f"{at}approval/", {"is_granted": True})
    assert (own.status_code, own.json()["detail"]) == (
        409,
        "Who asked for this approval cannot answer: a second person must.",
    )
    writer, other = Caller("writer", "read", "write"), Caller("other", "read", "send")
    assert writer.call("PATCH", f"{at}approval/", {"is_granted": True}).status_code == 403
    silent = other.call("PATCH", f"{at}approval/", {"is_granted": False})
    assert (silent.status_code, silent.json()["errors"][0]["path"]) == (400, "reason")
    granted = other.call("PATCH", f"{at}approval/", {"is_granted": True, "reason": "Fine."}).json()
    assert (granted["stand"], granted["by"], granted["reason"]) == ("granted", "key other", "Fine.")
    assert shop.call("POST", f"{at}resume/", {}).status_code == 200
    assert other.call("POST", f"{at}approval/", {}).status_code == 403


def test_a_wider_pilot_is_asked_about_before_it_is_made(shop: Caller, at: str) -> None:
    customers(4)
    shop.call("PATCH", at, {"pilot_share": 0.5})
    Programme.objects.update(approval_customers=2)
    assert shop.call("POST", f"{at}widen/", {"share": 1.0}).json()["code"] == "needs_approval"
    for changes, path in (
        ({"nonsense": 1}, "nonsense"),
        ({"budget": "much"}, "budget"),
        ({"steps": [{}]}, "action"),
        ({"key": "other"}, "key"),
    ):
        wrong = shop.call("POST", f"{at}approval/", {"changes": changes})
        assert (wrong.status_code, wrong.json()["errors"][0]["path"].rpartition(".")[2]) == (400, path)
    asked = shop.call("POST", f"{at}approval/", {"changes": {"pilot_share": 1.0}}).json()
    assert (asked["changes"], asked["stand"]) == ({"pilot_share": 1.0}, None)
    Caller("other", "send").call("PATCH", f"{at}approval/", {"is_granted": True})
    assert shop.call("POST", f"{at}widen/", {"share": 1.0}).json()["pilot_share"] == 1.0
    assert ApiKey.objects.count() == 2
