"""Targets over REST: made of answers, counted before, used, and not deleted while something asks for their scores."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from campaigns.models import Campaign, Decision
from customers import history
from customers.models import Attribute, EventName
from scoring.models import ModelVersion, Score, Target
from segments.models import Segment
from tests.config import world
from tests.customers.test_api import bearer, is_problem
from tests.segments.test_api import send

pytestmark = [pytest.mark.door, pytest.mark.django_db]
BOTH = ("models:read", "models:write")
LAPSE = {"question": "lapse", "answers": {"horizon_days": 60, "value": 80}}


@pytest.fixture(autouse=True)
def known() -> None:
    for event in ("Order Completed", "Email Sent"):
        EventName.objects.create(name=event)
    Attribute.objects.create(name="plan", type="text")
    history.sync()


def stored_world() -> None:
    EventName.objects.all().delete()
    Attribute.objects.all().delete()
    world.fill()


def ask(client: Client, method: str, address: str, body: object = None, scopes: tuple[str, ...] = BOTH) -> Any:
    return send(client, method, address, body, scopes)


def test_the_questions_say_what_they_ask(client: Client) -> None:
    found = client.get("/api/v1/targets/questions/", headers=bearer("models:read")).json()["results"]
    upsell = next(one for one in found if one["name"] == "upsell")
    assert [one["name"] for one in upsell["answers"]][:4] == ["event", "category", "product", "horizon_days"]
    assert upsell["answers"][0]["default"] == "Order Completed"


def test_a_target_is_counted_made_read_changed_and_deleted(client: Client) -> None:
    counted = ask(client, "POST", "targets/count/", LAPSE, ("models:read",)).json()
    assert counted["key"] == "no_order_completed_within_60_days"
    assert counted["refusal"]
    assert not Target.objects.filter(key=counted["key"]).exists()
    made = ask(client, "POST", "targets/", {**LAPSE, "key": "quiet", "excluded": ["attributes.plan"]})
    assert made.status_code == 201, made.content
    assert (made.json()["kind"], made.json()["value"], made.json()["live"]) == ("no_event", 80.0, None)
    read = ask(client, "GET", "targets/quiet/")
    assert (read.json(), read["ETag"]) == (made.json(), made["ETag"])
    changed = ask(client, "PATCH", "targets/quiet/", {"contact_cost": 2.5, "retrain_days": 7})
    assert (changed.json()["contact_cost"], changed.json()["retrain_days"]) == (2.5, 7)
    late = client.patch(
        "/api/v1/targets/quiet/",
        '{"value": 1}',
        "application/json",
        headers={**bearer(*BOTH), "If-Match": made["ETag"]},
    )
    assert is_problem(late, 412)["code"] == "changed"
    assert ask(client, "DELETE", "targets/quiet/").status_code == 204
    assert is_problem(ask(client, "GET", "targets/quiet/"), 404)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"label": 0}, "label"),
        ({"is_active": 1}, "is_active"),
        ({"contact_cost": False}, "contact_cost"),
        ({"retrain_days": "7"}, "retrain_days"),
        ({"excluded": ["attributes.plan", 7]}, "excluded[1]"),
    ],
)
def test_a_value_of_another_type_than_its_field_is_refused_at_its_place(
    client: Client, body: dict[str, object], path: str
) -> None:
    ask(client, "POST", "targets/", {**LAPSE, "key": "quiet"})
    [error] = is_problem(ask(client, "PATCH", "targets/quiet/", body), 400)["errors"]
    assert (error["path"], error["code"]) == (path, "bad_type")


def test_a_target_may_be_sent_with_all_that_it_means(client: Client) -> None:
    told = {
        "kind": "event",
        "event": "Order Completed",
        "horizon_days": 30,
        "who": [{"did": "Email Sent", "days": 90}, {"not_yet_days": 365}],
    }
    made = ask(client, "POST", "targets/", told).json()
    assert (made["who"], made["label"]) == (told["who"], "Order Completed, does something within a time")


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({"question": "lapse", "answers": {"event": "Order"}}, "answers.event", "There are"),
        ({"question": "lapse", "answers": {"horizon_days": 9999}}, "answers.horizon_days", "1 to 365"),
        ({"question": "guess"}, "question", "There are: lapse"),
        ({"question": "lapse", "kind": "event"}, "question", "one of both"),
        ({"question": "lapse", "event": "x"}, "event", "answers tell this"),
        ({"kind": "event", "event": "Order Completed", "horizon_days": 0}, "horizon_days", "1 to 365"),
        (
            {"kind": "event", "event": "Order Completed", "horizon_days": 30, "who": [{"when": 1}]},
            "who",
            "Each of `who`",
        ),
        (
            {
                "kind": "event",
                "event": "Order Completed",
                "horizon_days": 30,
                "where": [{"field": "colour", "value": 1}],
            },
            "where",
            "tells nothing named",
        ),
        ({"kind": "attribute", "attribute": "plan"}, "equals", "must be said"),
        ({"question": "lapse", "key": "count"}, "key", "cannot be a key"),
        ({"question": "lapse", "value": -1}, "value", "greater than"),
        ({"question": "lapse", "colour": 1}, "colour", "No such field"),
    ],
)
@pytest.mark.parametrize("address", ["targets/", "targets/count/"])
def test_what_cannot_be_is_refused_with_its_place(
    client: Client, address: str, body: dict[str, Any], path: str, says: str
) -> None:
    problem = is_problem(ask(client, "POST", address, body), 400)
    assert problem["errors"][0]["path"] == path
    assert says in problem["errors"][0]["message"]


def test_a_key_is_taken_once_and_a_reader_makes_nothing(client: Client) -> None:
    body = {**LAPSE, "key": "quiet"}
    assert ask(client, "POST", "targets/", body).status_code == 201
    assert is_problem(ask(client, "POST", "targets/", body), 409)["code"] == "taken"
    refused = is_problem(ask(client, "POST", "targets/", LAPSE, ("models:read",)), 403)
    assert "models:write" in refused["detail"]


def test_what_a_target_foresees_stays(client: Client) -> None:
    ask(client, "POST", "targets/", {**LAPSE, "key": "quiet"})
    refused = is_problem(ask(client, "PATCH", "targets/quiet/", {"horizon_days": 9}), 400)
    assert refused["errors"][0]["path"] == "horizon_days"


def test_a_target_that_something_uses_is_not_deleted_and_another_goes_with_its_scores(client: Client) -> None:
    stored_world()
    Segment.objects.update(rule={"version": 1, "rule": {"field": "scores.lapse.band", "op": "is", "value": "high"}})
    used = is_problem(ask(client, "DELETE", "targets/lapse/"), 409)
    assert used["code"] == "in_use"
    assert {one["message"].split()[0] for one in used["errors"]} == {"segment", "campaign"}
    Campaign.objects.update(trigger={})
    Segment.objects.update(rule={})
    decided = is_problem(ask(client, "DELETE", "targets/lapse/"), 409)["errors"][0]["message"]
    assert decided.endswith("decisions")
    Decision.objects.update(model_version=None)
    assert Score.objects.filter(target__key="lapse").exists()
    assert ask(client, "DELETE", "targets/lapse/").status_code == 204
    assert not Score.objects.exists()


def test_a_deleted_target_takes_the_files_of_its_models_along(
    client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    stored_world()
    Campaign.objects.update(trigger={})
    file = Path(settings.LAKE_URL) / "models" / "lapse" / "1.skops"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"model")
    ModelVersion.objects.filter(target__key="lapse").update(artefact="models/lapse/1.skops")
    Decision.objects.update(model_version=None)
    Segment.objects.update(rule={})
    with django_capture_on_commit_callbacks(execute=True):
        assert ask(client, "DELETE", "targets/lapse/").status_code == 204
    assert not file.exists()


def test_the_admin_names_who_uses_a_target_and_deletes_none_that_is_used(admin_client: Client) -> None:
    stored_world()
    target = Target.objects.get(key="lapse")
    Segment.objects.update(rule={"version": 1, "rule": {"field": "scores.lapse.band", "op": "is", "value": "high"}})
    address = f"/admin/scoring/target/{target.pk}/delete/"
    assert "segment" in admin_client.get(address).content.decode()
    admin_client.post(address, {"post": "yes"})
    assert Target.objects.filter(pk=target.pk).exists()


def test_a_customer_is_read_with_her_scores_though_a_target_was_never_scored(client: Client) -> None:
    stored_world()
    Target.objects.create(key="new", label="New", kind="no_event", event="Order Completed", created_at=world.T)
    for address, name in (("customers/c-0000/", "scores"), ("customers/c-0000/scores/", "results")):
        answer = client.get(f"/api/v1/{address}", headers=bearer("customers:read"))
        assert [one["target"] for one in answer.json()[name]] == ["lapse"]
