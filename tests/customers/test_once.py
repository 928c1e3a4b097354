"""A POST with an Idempotency-Key is done once, whatever happens on the way; calls of a key are counted exactly."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from customers import allowance, erasure, keys, once
from customers.models import ApiKey, StoredAnswer
from segments.models import Segment
from tests.customers.test_api import is_problem
from tests.segments.crowd import people

pytestmark = [pytest.mark.door, pytest.mark.django_db]
SEGMENTS = "/api/v1/segments/"
BODY = {
    "key": "german",
    "name": "German",
    "rule": {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}},
}


def bearer(name: str = "shop", **changed: Any) -> dict[str, str]:
    """Give the headers of a key that may do everything."""
    key, secret = keys.create(name, keys.Scope.values, timezone.now())
    ApiKey.objects.filter(pk=key.pk).update(**{"per_minute": 1000, **changed})
    return {"Authorization": f"Bearer {secret}"}


def post(client: Client, address: str, body: Any, headers: dict[str, str], named: str = "") -> Any:
    told = {**headers, once.HEADER: named} if named else headers
    return client.post(address, json.dumps(body), "application/json", headers=told)


def test_the_same_call_again_is_answered_alike_and_not_done_again(client: Client) -> None:
    key = bearer()
    first = post(client, SEGMENTS, BODY, key, "a-1")
    again = post(client, SEGMENTS, dict(reversed(BODY.items())), key, "a-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first["ETag"] == again["ETag"]
    assert again["Idempotent-Replayed"] == "true"
    assert not first.has_header("Idempotent-Replayed")
    assert Segment.objects.count() == 1


def test_a_key_used_for_something_else_is_refused(client: Client) -> None:
    key = bearer()
    post(client, SEGMENTS, BODY, key, "a-1")
    assert is_problem(post(client, SEGMENTS, {**BODY, "name": "Other"}, key, "a-1"), 422)["code"] == "key_reused"
    assert is_problem(post(client, "/api/v1/targets/", BODY, key, "a-1"), 422)["code"] == "key_reused"


def test_what_was_refused_may_be_asked_again(client: Client) -> None:
    key = bearer()
    is_problem(post(client, SEGMENTS, {**BODY, "rule": {}}, key, "a-1"), 400)
    assert post(client, SEGMENTS, BODY, key, "a-1").status_code == 201


def test_the_keys_of_two_integrations_do_not_meet(client: Client) -> None:
    assert post(client, SEGMENTS, BODY, bearer("one"), "a-1").status_code == 201
    assert is_problem(post(client, SEGMENTS, BODY, bearer("two"), "a-1"), 409)["code"] == "taken"


def test_a_process_that_ends_between_what_it_did_and_its_answer_has_done_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bearer()
    with monkeypatch.context() as broken:
        broken.setattr("customers.once.JSONRenderer.render", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            post(client, SEGMENTS, BODY, key, "a-1")
    assert not Segment.objects.exists()
    assert post(client, SEGMENTS, BODY, key, "a-1").status_code == 201


def test_answers_are_kept_for_a_day(client: Client) -> None:
    key = bearer()
    post(client, SEGMENTS, BODY, key, "a-1")
    StoredAnswer.objects.update(at=timezone.now() - once.KEPT)
    assert is_problem(post(client, SEGMENTS, BODY, key, "a-1"), 409)["code"] == "taken"
    post(client, SEGMENTS, {**BODY, "key": "b"}, key, "a-2")
    assert [once.tidy(timezone.now()), once.tidy(timezone.now())] == [1, 0]
    assert StoredAnswer.objects.count() == 1


@pytest.mark.parametrize("named", ["é", "x" * 256, " "])
def test_a_key_that_is_none_is_refused(client: Client, named: str) -> None:
    answer = client.post(SEGMENTS, BODY, "application/json", headers=bearer(), HTTP_IDEMPOTENCY_KEY=named)
    assert is_problem(answer, 400)["errors"][0]["path"] == once.HEADER


def test_a_question_that_is_asked_by_post_is_not_kept(client: Client) -> None:
    assert post(client, "/api/v1/segments/overlap/", {"segments": ["a", "b"]}, bearer(), "a-1").status_code == 404
    assert not StoredAnswer.objects.exists()


def test_no_answer_tells_of_somebody_who_was_erased(client: Client) -> None:
    key = bearer()
    listed = post(client, SEGMENTS, BODY, key, "made").json()["id"]
    pins = {"customers": ["c-0"], "kind": "include"}
    assert post(client, f"{SEGMENTS}{listed}/pins/", pins, key, "pins").json()["unknown"] == ["c-0"]
    people("DE")
    erasure.erase("c-0", timezone.now(), "asked")
    assert is_problem(post(client, f"{SEGMENTS}{listed}/pins/", pins, key, "pins"), 409)["code"] == "answer_gone"
    assert post(client, SEGMENTS, BODY, key, "made").json()["id"] == listed


def test_calls_beyond_the_most_of_a_minute_are_refused_until_it_is_over(client: Client) -> None:
    key = bearer(per_minute=3)
    answers = [client.get(SEGMENTS, headers=key) for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert [one["RateLimit"].partition(";t=")[0] for one in answers] == [f'"default";r={n}' for n in (2, 1, 0, 0, 0)]
    assert {one["RateLimit-Policy"] for one in answers} == {'"default";q=3;w=60'}
    assert is_problem(answers[3], 429)["code"] == "too_many"
    assert 0 < int(answers[3]["Retry-After"]) <= 60


def test_refused_calls_count_too(client: Client) -> None:
    _, secret = keys.create("shop", [], timezone.now())
    ApiKey.objects.update(per_minute=2)
    told = [client.get(SEGMENTS, headers={"Authorization": f"Bearer {secret}"}).status_code for _ in range(3)]
    assert told == [403, 403, 429]


def test_a_minute_begins_with_the_first_call_after_the_one_before() -> None:
    key, _ = keys.create("shop", [], timezone.now())
    at = timezone.now()
    assert [allowance.take(key, at + timedelta(seconds=n)).used for n in (0, 30, 59)] == [1, 2, 3]
    fresh = allowance.take(key, at + timedelta(seconds=61))
    assert (fresh.used, fresh.seconds_left, fresh.is_over) == (1, 60, False)
    assert allowance.take(key, at + timedelta(seconds=60)).used == 2


def test_what_has_not_changed_is_not_told_again(client: Client) -> None:
    key = bearer()
    made = post(client, SEGMENTS, BODY, key)
    address = f"{SEGMENTS}{made.json()['id']}/"
    same = client.get(address, headers={**key, "If-None-Match": made["ETag"]})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", made["ETag"])
    client.patch(address, {"name": "Germans"}, "application/json", headers=key)
    assert client.get(address, headers={**key, "If-None-Match": made["ETag"]}).status_code == 200
