"""Models over REST: read with their reports, promoted, retired and rolled back; a customer's scores with reasons."""

import json
from typing import Any

import pytest
from django.test import Client

from customers.models import AuditEntry, Customer
from scoring.models import Backtest, ModelVersion, Target, TrainingRun
from tests.customers.test_api import bearer, is_problem
from tests.scoring.shops import FIGURES, most_orders, scored
from tests.scoring.worlds import AS_OF, DAY

pytestmark = [pytest.mark.door, pytest.mark.django_db]
WRITE = ("models:read", "models:write")


def read(client: Client, address: str, scopes: tuple[str, ...] = ("models:read",)) -> Any:
    return client.get(f"/api/v1/{address}", headers=bearer(*scopes))


def send(client: Client, address: str, body: object = None, scopes: tuple[str, ...] = WRITE, **headers: str) -> Any:
    told = json.dumps({} if body is None else body)
    return client.post(f"/api/v1/{address}", told, "application/json", headers={**bearer(*scopes), **headers})


def test_versions_are_listed_page_by_page_with_their_figures(client: Client) -> None:
    version = most_orders()
    for number in (2, 3):
        ModelVersion.objects.create(
            target=version.target,
            number=number,
            learner="tree",
            validated="in_folds",
            as_of=AS_OF,
            created_at=AS_OF,
            seed=0,
            customers=1,
            positives=1,
        )
    first = read(client, "models/?limit=2").json()
    assert [one["number"] for one in first["results"]] == [3, 2]
    last = client.get(first["next"], headers=bearer("models:read")).json()
    assert last["results"][0]["figures"] == FIGURES
    assert (last["results"][0]["target"], last["next"]) == ("most", None)
    assert [one["number"] for one in read(client, "models/?target=most&state=live").json()["results"]] == [1]
    is_problem(read(client, "models/?state=dead"), 400)
    is_problem(read(client, "models/?target=nothing"), 404)


def test_a_version_is_read_with_its_report_and_its_tests(client: Client) -> None:
    version = most_orders()
    body = read(client, "models/most/1/").json()
    assert body["report"]["changes"] == ["It is new."]
    assert body["fields_read"] == version.features
    assert body["replaced"] is None
    tests = read(client, "models/most/1/evaluations/").json()["results"]
    assert [one["origin"] is None for one in tests] == [True, False]
    assert tests[0]["figures"] == FIGURES
    Backtest.objects.create(
        version=version,
        who="left_alone",
        as_of=AS_OF,
        judged_at=AS_OF + 45 * DAY,
        customers=20,
        positives=4,
        figures={**FIGURES, "foreseen": 0.2, "happened": 0.25},
    )
    (back,) = read(client, "models/most/1/backtests/").json()["results"]
    assert (back["who"], back["figures"]["happened"]) == ("left_alone", 0.25)
    for address in ("models/most/9/", "models/nothing/1/", "models/most/9/evaluations/"):
        is_problem(read(client, address), 404)


def test_a_version_is_promoted_and_rolled_back_and_the_key_is_on_record(client: Client) -> None:
    most_orders()
    most_orders(2, "candidate")
    body = send(client, "models/most/2/promote/").json()
    assert (body["state"], body["replaced"]) == ("live", 1)
    assert AuditEntry.objects.get(what="model promoted").detail["key"] == "test"
    back = send(client, "models/most/roll-back/", {"reason": "It was worse."}).json()
    assert (back["number"], back["state"]) == (1, "live")
    assert AuditEntry.objects.get(what="model rolled back").detail["reason"] == "It was worse."


def test_a_version_that_did_not_pass_takes_a_reason(client: Client) -> None:
    most_orders(1, "candidate", passed=False)
    refused = is_problem(send(client, "models/most/1/promote/"), 409)
    assert "did not pass the gate" in refused["detail"]
    assert ModelVersion.objects.get().state == "candidate"
    body = send(client, "models/most/1/promote/", {"reason": "We know this shop."}).json()
    assert body["state"] == "live"
    assert body["reason"].startswith("Live by hand: We know this shop.")


def test_who_read_an_older_state_changes_nothing(client: Client) -> None:
    most_orders()
    seen = read(client, "models/most/1/")["ETag"]
    assert send(client, "models/most/1/retire/", **{"If-Match": seen}).json()["state"] == "retired"
    late = send(client, "models/most/1/promote/", **{"If-Match": seen})
    assert "it is Retired" in is_problem(late, 412)["detail"]
    is_problem(send(client, "models/most/1/retire/"), 409)


def test_a_training_is_asked_for_once_and_watched(client: Client) -> None:
    Target.objects.create(key="most", kind="attribute", attribute="plan", equals="gold", created_at=AS_OF)
    asked = send(client, "models/most/trainings/")
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert send(client, "models/most/trainings/").json()["asked_at"] == asked.json()["asked_at"]
    TrainingRun.objects.update(state="refused", sentence="There are 3 customers.")
    (run,) = read(client, "models/most/trainings/").json()["results"]
    assert (run["state"], run["sentence"], run["version"]) == ("refused", "There are 3 customers.", None)
    is_problem(send(client, "models/most/trainings/", scopes=("models:read",)), 403)
    is_problem(send(client, "models/most/trainings/", {"seed": 3}), 400)
    is_problem(send(client, "models/nothing/trainings/"), 404)
    assert AuditEntry.objects.filter(what="training asked for").count() == 2


def test_changing_needs_the_scope_for_it(client: Client) -> None:
    most_orders()
    for address in ("models/most/1/promote/", "models/most/1/retire/", "models/most/roll-back/"):
        is_problem(send(client, address, scopes=("models:read",)), 403)
    is_problem(send(client, "models/most/1/retire/", {"why": "x"}), 400)
    assert ModelVersion.objects.get().state == "live"


def test_a_customer_s_scores_come_with_what_raises_and_lowers_them(client: Client) -> None:
    most_orders()
    frame = scored().sort("scores.most")
    few, many = frame.row(0, named=True), frame.row(-1, named=True)
    address = "customers/{}/scores/".format
    (plain,) = read(client, address(many["external_id"]), ("customers:read",)).json()["results"]
    assert plain["value"] == pytest.approx(many["scores.most"])
    assert (plain["version"], plain["band"]) == (1, "high")
    assert "reasons" not in plain
    (told,) = read(client, address(many["external_id"]) + "?reasons=true", ("customers:read",)).json()["results"]
    assert any("rders" in one and "usually" in one for one in told["reasons"]["up"])
    assert told["reasons"]["note"] == ""
    (other,) = read(client, address(few["external_id"]) + "?reasons=true", ("customers:read",)).json()["results"]
    assert other["reasons"]["down"]
    assert not set(other["reasons"]["down"]) & set(told["reasons"]["up"])


def test_facts_that_came_later_leave_a_note_and_no_reason_is_made_up(client: Client) -> None:
    version = most_orders()
    most = scored().sort("scores.most").row(-1, named=True)
    address = f"customers/{most['external_id']}/scores/?reasons=true&target=most"
    ModelVersion.objects.filter(pk=version.pk).update(report={})
    (told,) = read(client, address, ("customers:read",)).json()["results"]
    assert told["reasons"]["up"] == []
    assert "Train the target again" in told["reasons"]["note"]


def test_a_wrong_question_about_scores_is_refused(client: Client) -> None:
    most_orders()
    one = Customer.objects.first()
    assert one is not None
    is_problem(read(client, f"customers/{one.external_id}/scores/?reasons=maybe", ("customers:read",)), 400)
    is_problem(read(client, f"customers/{one.external_id}/scores/?target=none", ("customers:read",)), 404)
    is_problem(read(client, "customers/nobody/scores/", ("customers:read",)), 404)
    is_problem(read(client, f"customers/{one.external_id}/scores/"), 403)
    assert read(client, f"customers/{one.external_id}/scores/", ("customers:read",)).json() == {"results": []}
