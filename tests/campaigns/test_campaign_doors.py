"""Campaigns over REST: made, read, changed, launched, paused and stopped, each with its own scope."""

import json
from typing import Any

import pytest
from django.test import Client

from campaigns.models import Campaign, Delivery, Slot
from customers import keys
from customers.models import AuditEntry
from scoring.models import Target
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
PLAN: dict[str, Any] = {
    "key": "winback",
    "name": "Win back",
    "trigger": people.segment_trigger(),
    "steps": [people.EMAIL_STEP],
    "audience": "vip",
    "control_share": 0.2,
}


@pytest.fixture(autouse=True)
def names() -> None:
    Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
    Segment.objects.create(key="vip", name="Vip", rule=rule, created_at=T0)


class Caller:
    """Somebody with a key."""

    def __init__(self, *scopes: str) -> None:
        self.headers = {"Authorization": f"Bearer {keys.create('shop', scopes, T0)[1]}"}

    def call(self, method: str, address: str, body: object = None, **headers: str) -> Any:
        data = "" if body is None else json.dumps(body)
        every = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Client().generic(method, f"/api/v1/{address}", data, "application/json", headers=every)


@pytest.fixture
def all_scopes() -> Caller:
    return Caller("campaigns:read", "campaigns:write", "campaigns:send")


def test_a_campaign_is_made_as_a_draft_read_and_listed(all_scopes: Caller) -> None:
    made = all_scopes.call("POST", "campaigns/", PLAN)
    assert made.status_code == 201
    told = made.json()
    assert (told["state"], told["audience"], told["control_share"], told["decisions"]) == ("draft", "vip", 0.2, {})
    assert all_scopes.call("GET", f"campaigns/{told['id']}/").json() == told
    assert all_scopes.call("GET", "campaigns/").json()["results"] == [told]
    again = all_scopes.call("POST", "campaigns/", PLAN)
    assert (again.status_code, again.json()["errors"][0]["path"]) == (409, "key")
    assert AuditEntry.objects.get().what == "campaign made"
    assert AuditEntry.objects.get().detail["key"] == "shop"


def test_what_is_live_is_changed_only_by_who_may_send(all_scopes: Caller) -> None:
    writer = Caller("campaigns:read", "campaigns:write")
    address = f"campaigns/{writer.call('POST', 'campaigns/', PLAN).json()['id']}/"
    assert writer.call("PATCH", address, {"name": "Draft"}).status_code == 200
    assert all_scopes.call("POST", f"{address}launch/").status_code == 200
    refused = writer.call("PATCH", address, {"pilot_share": 1.0})
    assert (refused.status_code, "campaigns:send" in refused.json()["detail"]) == (403, True)
    assert all_scopes.call("PATCH", address, {"name": "Live"}).json()["name"] == "Live"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"trigger": people.score_trigger(score="nope")}, "trigger.score"),
        ({"trigger": {"kind": "moon"}}, "trigger.kind"),
        ({"steps": [{"action": "email", "subject": "Hello"}]}, "steps[0]"),
        ({"steps": []}, "steps"),
        ({"audience": "nobody"}, "audience"),
        ({"control_share": 2}, "control_share"),
        ({"state": "live"}, "state"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused_at_its_place_and_nothing_is_stored(
    all_scopes: Caller, change: dict[str, Any], path: str
) -> None:
    answer = all_scopes.call("POST", "campaigns/", PLAN | change)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"].startswith(path)
    assert not Campaign.objects.exists()


def test_a_change_that_did_not_see_the_last_one_is_refused(all_scopes: Caller) -> None:
    made = all_scopes.call("POST", "campaigns/", PLAN)
    address = f"campaigns/{made.json()['id']}/"
    first = all_scopes.call("PATCH", address, {"name": "Come back"}, If_Match=made["ETag"])
    assert (first.status_code, first.json()["name"]) == (200, "Come back")
    lost = all_scopes.call("PATCH", address, {"name": "Return"}, If_Match=made["ETag"])
    assert lost.status_code == 412
    assert all_scopes.call("PATCH", address, {"name": "Return"}, If_Match="nonsense").status_code == 400
    refused = all_scopes.call("PATCH", address, {"trigger": {"kind": "moon"}}, If_Match=first["ETag"])
    assert refused.status_code == 400
    assert all_scopes.call("PATCH", address, {"key": "other"}).status_code == 400
    assert all_scopes.call("GET", address)["ETag"] == first["ETag"]
    assert all_scopes.call("POST", f"{address}launch/", {}, If_Match=made["ETag"]).status_code == 412
    open_to_all = all_scopes.call("PATCH", address, {"audience": None}, If_Match=first["ETag"])
    assert open_to_all.json()["audience"] is None


def test_a_campaign_is_launched_paused_resumed_and_stopped(all_scopes: Caller) -> None:
    address = f"campaigns/{all_scopes.call('POST', 'campaigns/', PLAN).json()['id']}/"
    launched = all_scopes.call("POST", f"{address}launch/", {"fires_on_start": True})
    assert launched.json()["state"] == "live"
    again = all_scopes.call("POST", f"{address}launch/", {})
    assert (again.status_code, again.json()["detail"]) == (409, "A live campaign cannot be launched.")
    (ada,) = people.customers(1)
    people.planned(ada, Campaign.objects.get())
    for word, state in (("pause", "paused"), ("resume", "live"), ("stop", "stopped")):
        assert all_scopes.call("POST", f"{address}{word}/", {}).json()["state"] == state
    assert Delivery.objects.get().state == Delivery.State.CANCELLED
    assert all_scopes.call("PATCH", address, {"name": "x"}).status_code == 409
    assert all_scopes.call("POST", f"{address}stop/", {"now": True}).status_code == 400
    notes = [note.what for note in AuditEntry.objects.order_by("pk")]
    assert notes == [f"campaign {word}" for word in ("made", "launched", "paused", "resumed", "stopped")]


def test_the_reconciliation_says_what_is_open(all_scopes: Caller) -> None:
    campaign, (ada,) = people.campaign(), people.customers(1)
    people.planned(ada, campaign)
    told = all_scopes.call("GET", f"campaigns/{campaign.public_id}/reconciliation/").json()
    assert (told["is_done"], told["due"], told["outcomes"]) == (False, 1, {"deliver": 1})
    assert told["open"] == [{"words": "deliveries planned", "number": 1}]
    assert all(one["is_equal"] for one in told["balances"])


def test_a_campaign_by_hand_is_sent_once_for_each_time_that_is_told(all_scopes: Caller) -> None:
    campaign = people.campaign(trigger={"kind": "hand"}, audience=Segment.objects.get())
    address, body = f"campaigns/{campaign.public_id}/send/", {"at": "2026-03-01T12:00:00Z"}
    first = all_scopes.call("POST", address, body)
    assert (first.status_code, first.json()["done_at"]) == (201, None)
    assert all_scopes.call("POST", address, body).status_code == 200
    assert Slot.objects.count() == 1
    assert all_scopes.call("POST", address, {"at": "2026-03-01T13:00:00Z"}).status_code == 409
    assert all_scopes.call("POST", address, {"at": "2999-01-01T00:00:00Z"}).status_code == 400
    other = people.campaign("other")
    assert all_scopes.call("POST", f"campaigns/{other.public_id}/send/", body).status_code == 400


def test_a_pilot_is_widened_and_never_narrowed(all_scopes: Caller) -> None:
    campaign = people.campaign(pilot_share=0.05)
    address = f"campaigns/{campaign.public_id}/widen/"
    assert all_scopes.call("POST", address, {"share": 0.5}).json()["pilot_share"] == 0.5
    refused = all_scopes.call("POST", address, {"share": 0.1})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "pilot_share")


MATRIX = [
    ("GET", "campaigns/", "campaigns:read"),
    ("POST", "campaigns/", "campaigns:write"),
    ("GET", "campaigns/x/", "campaigns:read"),
    ("PATCH", "campaigns/x/", "campaigns:write"),
    ("POST", "campaigns/x/launch/", "campaigns:send"),
    ("POST", "campaigns/x/resume/", "campaigns:send"),
    ("POST", "campaigns/x/pause/", "campaigns:write"),
    ("POST", "campaigns/x/stop/", "campaigns:write"),
    ("POST", "campaigns/x/widen/", "campaigns:send"),
    ("POST", "campaigns/x/send/", "campaigns:send"),
    ("GET", "campaigns/x/reconciliation/", "campaigns:read"),
    ("GET", "decisions/", "campaigns:read"),
    ("GET", "deliveries/", "campaigns:read"),
    ("GET", "deliveries/x/", "campaigns:read"),
    ("POST", "deliveries/x/resolve/", "campaigns:send"),
    ("GET", "customers/x/decisions/", "customers:read"),
    ("GET", "customers/x/explain/", "customers:read"),
]


@pytest.mark.parametrize(("method", "address", "scope"), MATRIX)
def test_each_door_opens_to_its_own_scope_alone(method: str, address: str, scope: str) -> None:
    others = Caller(*(one for one in keys.Scope.values if one != scope))
    refused = others.call(method, address, {})
    assert (refused.status_code, scope in refused.json()["detail"]) == (403, True)
    assert Caller(scope).call(method, address, {} if method != "GET" else None).status_code in (200, 400, 404)
