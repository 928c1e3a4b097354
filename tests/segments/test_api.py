"""Segments over REST: made, previewed, changed, deleted, and their members read page by page."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Customer
from segments.models import Membership, Segment
from tests.config import world
from tests.customers.test_api import bearer, is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]
RULE = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
BOTH = ("segments:read", "segments:write")


def send(client: Client, method: str, address: str, body: object, scopes: tuple[str, ...] = BOTH) -> Any:
    return client.generic(method, f"/api/v1/{address}", json.dumps(body), "application/json", headers=bearer(*scopes))


def test_a_segment_is_made_and_changed_and_deleted(client: Client) -> None:
    made = send(client, "POST", "segments/", {"key": "germans", "name": "Germans", "rule": RULE})
    assert made.status_code == 201, made.content
    assert made.json()["sentence"] == "country is DE"
    address = f"segments/{made.json()['id']}/"
    other = {"version": 1, "rule": {"field": "country", "op": "is", "value": "AT"}}
    changed = send(client, "PATCH", address, {"rule": other}).json()
    assert (changed["sentence"], changed["rule_version"]) == ("country is AT", 2)
    assert send(client, "DELETE", address, None).status_code == 204
    assert not Segment.objects.exists()


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"version": 1, "rule": {"field": "contry", "op": "is", "value": "DE"}}, "rule"),
        ({"version": 1, "rule": {"all": [{"field": "country", "op": "is", "value": 1}]}}, "rule.all[0].value"),
        ({"version": 2, "rule": {}}, "version"),
        ({"rule": {}}, "rule"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_its_place(client: Client, rule: object, path: str) -> None:
    body = is_problem(send(client, "POST", "segments/", {"key": "a", "name": "A", "rule": rule}), 400)
    assert body["errors"][0]["path"] == path
    assert not Segment.objects.exists()


def test_a_key_is_taken_once(client: Client) -> None:
    body = {"key": "a", "name": "A", "rule": RULE}
    assert send(client, "POST", "segments/", body).status_code == 201
    assert is_problem(send(client, "POST", "segments/", body), 409)["code"] == "taken"


def test_a_segment_in_use_is_not_deleted(client: Client) -> None:
    world.fill()
    body = is_problem(send(client, "DELETE", "segments/segment-1/", None), 409)
    assert "Win them back" in body["detail"]


def test_writing_needs_the_scope_for_writing(client: Client) -> None:
    world.fill()
    for method, address in (("POST", "segments/"), ("PATCH", "segments/segment-1/"), ("DELETE", "segments/segment-1/")):
        is_problem(send(client, method, address, {}, ("segments:read",)), 403)


def test_fields_are_listed_with_what_fits_them(client: Client) -> None:
    world.fill()
    body = send(client, "GET", "fields/", None).json()
    fields = {field["name"]: field for field in body["results"]}
    operators = {one["name"]: one for one in fields["country"]["operators"]}
    assert operators["any_of"] == {"name": "any_of", "label": "is", "form": "texts"}
    assert "top_percent" in [one["name"] for one in fields["scores.lapse"]["operators"]]
    assert "Order Completed" in [event["name"] for event in body["events"]]
    assert [(one["key"], one["size"]) for one in body["segments"]] == [("regulars", 3)]


def test_a_preview_before_the_first_cycle_says_so(client: Client) -> None:
    assert is_problem(send(client, "POST", "segments/preview/", {"rule": RULE}), 409)["code"] == "no_snapshot"


def pages(client: Client, limit: int) -> Any:
    """Give page after page; the caller may change the segment in between."""
    headers = bearer("segments:read")
    address = f"/api/v1/segments/segment-1/members/?limit={limit}"
    while address:
        answer = client.get(address, headers=headers)
        assert answer.status_code == 200, answer.content
        following = answer.json()["next"]
        assert (f'<{following}>; rel="next"' == answer.headers.get("Link")) == bool(following)
        yield [member["external_id"] for member in answer.json()["results"]]
        address = following


def test_nobody_is_shown_twice_and_nobody_is_missed_while_the_segment_changes(client: Client) -> None:
    world.fill(40)
    staying = set(Membership.objects.order_by("customer_id").values_list("customer__external_id", flat=True)[2:18])
    segment = Segment.objects.get()
    seen: list[str] = []
    for turn, page in enumerate(pages(client, 3)):
        seen += page
        if turn == 1:
            first = Membership.objects.order_by("customer_id")[:2]
            Membership.objects.filter(customer_id__in=[m.customer_id for m in first]).delete()
            for person in Customer.objects.order_by("-pk")[:3]:
                Membership.objects.create(segment=segment, customer=person, bucket=0, since=world.T, as_of=world.T)
    assert len(seen) == len(set(seen))
    assert staying <= set(seen)
    assert {"c-0037", "c-0038", "c-0039"} <= set(seen)


def test_members_come_with_the_scores_that_are_asked_for(client: Client) -> None:
    world.fill()
    member = send(client, "GET", "segments/segment-1/members/?fields=scores.lapse", None).json()["results"][0]
    assert member["scores"][0]["value"] == pytest.approx(0.95)
    assert "scores" not in send(client, "GET", "segments/segment-1/members/", None).json()["results"][0]
    answer = send(client, "GET", "segments/segment-1/members/?fields=password", None)
    assert "password" in is_problem(answer, 400)["detail"]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1:2", "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=²"])
def test_a_cursor_or_limit_that_was_made_up_is_refused(client: Client, query: str) -> None:
    world.fill()
    is_problem(send(client, "GET", f"segments/segment-1/members/?{query}", None), 400)


def test_a_cursor_of_another_list_is_refused(client: Client) -> None:
    world.fill()
    following = send(client, "GET", "segments/segment-1/members/?limit=1", None).json()["next"]
    cursor = following.split("cursor=")[1].split("&")[0]
    assert is_problem(send(client, "GET", f"segments/?cursor={cursor}", None), 400)["code"] == "bad_cursor"


def test_a_page_asks_the_same_number_of_questions_whatever_its_size(client: Client) -> None:
    world.fill(40)
    counts = []
    for limit in (2, 2, 20):  # what is kept in memory is there from the second time on
        headers = bearer("segments:read")
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/api/v1/segments/segment-1/members/?limit={limit}&fields=scores.lapse", headers=headers)
        counts.append(len(asked))
    assert counts[1] == counts[2]


def test_a_body_is_refused_with_every_fault_at_once(client: Client) -> None:
    body = {"key": "x" * 61, "name": 5, "colour": "red", "rule": {}, "kind": "none"}
    told = is_problem(send(client, "POST", "segments/", body), 400)["errors"]
    found = {(one["path"], one["code"]) for one in told}
    assert {("colour", "unknown_field"), ("name", "bad_type")} < found
    assert {path for path, _ in found} >= {"key", "name", "colour", "kind"}
    assert len(told) == len({one["path"] for one in told}), "one field, one fault"
