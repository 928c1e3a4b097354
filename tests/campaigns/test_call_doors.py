"""Other programs work the call queue over REST, and bring do-not-call lists."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns import deliver
from campaigns.calls import roles
from campaigns.models import Call, CallTask, Programme
from customers import consent
from customers.models import AuditEntry
from tests.campaigns import people
from tests.campaigns.test_campaign_doors import Caller

pytestmark = [pytest.mark.door, pytest.mark.django_db]
OUTCOME = {"agent": "ann", "number": 1, "outcome": "refused", "note": "Not now."}


@pytest.fixture
def caller() -> Caller:
    for name in ("ann", "bob"):
        roles.enrol(User.objects.create_user(name))
    return Caller("calls:read", "calls:write", "suppressions:read", "suppressions:write")


def tasks(count: int = 1) -> list[str]:
    """Make calls that are due now, at any hour; give their ids."""
    now = timezone.now()
    always = {"calling_from": time.min, "calling_until": time.max}
    Programme.objects.update_or_create(pk=1, defaults=always)
    campaign = people.campaign(steps=[people.CALL_STEP])
    for one in people.customers(count):
        people.planned(one, campaign, "call", due=now)
    deliver.deliver(now)
    return list(CallTask.objects.order_by("pk").values_list("public_id", flat=True))


def post(caller: Caller, address: str, body: dict[str, Any]) -> tuple[int, Any]:
    answer = caller.call("POST", address, body)
    return answer.status_code, answer.json()


def test_calls_are_listed_in_pages_by_state_and_campaign(caller: Caller) -> None:
    ids = tasks(3)
    post(caller, f"call-tasks/{ids[1]}/claim/", {"agent": "ann"})
    page = caller.call("GET", "call-tasks/?limit=2&campaign=winback").json()
    rest = caller.call("GET", page["next"].partition("/api/v1/")[2]).json()
    assert [one["id"] for one in page["results"] + rest["results"]] == ids
    assert [one["id"] for one in caller.call("GET", "call-tasks/?state=claimed").json()["results"]] == [ids[1]]
    told = caller.call("GET", f"call-tasks/{ids[1]}/").json()
    assert (told["agent"], told["phone"], told["expected_gain"]) == ("ann", "+49300000001", None)


@pytest.mark.parametrize("query", ["state=lost", "campaign=nope", "order=x"])
def test_a_filter_that_makes_no_sense_is_refused_by_name(caller: Caller, query: str) -> None:
    answer = caller.call("GET", f"call-tasks/?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, query.partition("=")[0])


def test_a_call_that_somebody_has_cannot_be_claimed_or_released_by_another(caller: Caller) -> None:
    (task,) = tasks()
    assert post(caller, f"call-tasks/{task}/claim/", {"agent": "ann"})[0] == 200
    status, problem = post(caller, f"call-tasks/{task}/claim/", {"agent": "bob"})
    assert (status, problem["detail"]) == (409, "Somebody else has this call, or it is done.")
    assert post(caller, f"call-tasks/{task}/release/", {"agent": "bob"})[0] == 409
    assert post(caller, f"call-tasks/{task}/release/", {"agent": "ann"})[1]["state"] == "open"


def test_the_same_outcome_said_twice_is_written_once_and_another_is_refused(caller: Caller) -> None:
    (task,) = tasks()
    assert post(caller, f"call-tasks/{task}/outcome/", OUTCOME)[0] == 409
    post(caller, f"call-tasks/{task}/claim/", {"agent": "ann"})
    first, again = (post(caller, f"call-tasks/{task}/outcome/", OUTCOME) for _ in range(2))
    assert first == again
    assert (first[0], first[1]["state"], first[1]["calls"][0]["note"]) == (200, "done", "Not now.")
    assert post(caller, f"call-tasks/{task}/outcome/", {**OUTCOME, "outcome": "reached"})[0] == 409
    assert Call.objects.count() == 1


def test_who_may_not_work_in_the_queue_is_no_agent(caller: Caller) -> None:
    (task,) = tasks()
    User.objects.create_user("carl")
    for name in ("carl", "nobody"):
        status, problem = post(caller, f"call-tasks/{task}/claim/", {"agent": name})
        assert (status, problem["errors"][0]["path"]) == (400, "agent")


def test_a_key_without_the_scope_changes_nothing(caller: Caller) -> None:
    (task,) = tasks()
    reader = Caller("calls:read")
    assert reader.call("GET", f"call-tasks/{task}/").status_code == 200
    assert reader.call("POST", f"call-tasks/{task}/claim/", {"agent": "ann"}).status_code == 403
    assert Caller("campaigns:read").call("GET", "call-tasks/").status_code == 403
    assert caller.call("GET", "call-tasks/nosuch/").status_code == 404


def test_a_list_of_numbers_closes_them_and_tells_the_lines_that_are_none(caller: Caller) -> None:
    assert caller.call("GET", "suppressions/do-not-call/").json() == {"last_at": None}
    body = {"numbers": ["030 1234567", "+1 212 555 0100", "nonsense"], "country": "de"}
    status, told = post(caller, "suppressions/do-not-call/", body)
    assert (status, told) == (200, {"numbers": 2, "new": 2, "refused": [{"line": 3, "text": "nonsense"}]})
    assert post(caller, "suppressions/do-not-call/", body)[1]["new"] == 0
    assert consent.is_suppressed("phone", "+49301234567")
    assert not AuditEntry.objects.filter(detail__icontains="1234567").exists()
    last = caller.call("GET", "suppressions/do-not-call/").json()["last_at"]
    assert datetime.fromisoformat(last) > timezone.now() - timedelta(minutes=5)
    status, problem = post(caller, "suppressions/do-not-call/", {"numbers": ["nonsense"]})
    assert (status, problem["errors"][0]["path"]) == (400, "numbers")
