"""Two who change one segment: one is told so, and nothing of either is lost; what was is listed, and can come back."""

import json
from typing import Any

import polars as pl
import pytest
from django.test import Client

from segments.models import Segment
from tests.config import world
from tests.customers.test_api import bearer, is_problem
from tests.segments.crowd import AS_OF, AUSTRIAN, GERMAN, HOUR, cycle, members, people, saved
from tests.segments.test_api import BOTH, send

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def call(client: Client, method: str, address: str, body: object = None, etag: str = "") -> Any:
    headers = {**bearer(*BOTH), **({"If-Match": etag} if etag else {})}
    return client.generic(method, f"/api/v1/{address}", json.dumps(body), "application/json", headers=headers)


def rule(node: Any) -> dict[str, Any]:
    return {"version": 1, "rule": node}


def test_of_two_editors_the_second_is_told_and_nothing_is_lost(client: Client) -> None:
    address = f"segments/{saved('german').public_id}/"
    first, second = (call(client, "GET", address)["ETag"] for _ in range(2))
    done = call(client, "PATCH", address, {"rule": rule(AUSTRIAN)}, first)
    assert (done.status_code, done["ETag"]) == (200, '"2"')
    refused = is_problem(call(client, "PATCH", address, {"name": "Mine", "rule": rule(GERMAN)}, second), 412)
    assert refused["detail"].startswith("Segment 'german' was changed by key test on ")
    stored = call(client, "GET", address).json()
    assert (stored["sentence"], stored["name"], stored["edition"]) == ("country is AT", "German", 2)
    assert call(client, "PATCH", address, {"name": "Mine"}, '"2"').json()["sentence"] == "country is AT"


def test_without_an_etag_what_is_not_sent_stays_as_it_is(client: Client) -> None:
    address = f"segments/{saved('german').public_id}/"
    call(client, "PATCH", address, {"folder": "Countries", "tags": ["dach", "dach", "eu"]})
    changed = call(client, "PATCH", address, {"description": "They speak German."}, "*").json()
    assert (changed["folder"], changed["tags"], changed["rule_version"]) == ("Countries", ["dach", "eu"], 1)
    assert (changed["edition"], changed["changed_by"]) == (3, "key test")
    for made_up in ("yesterday's", 'or "1"', '"1" or "2"'):
        assert is_problem(call(client, "PATCH", address, {}, made_up), 400)["code"] == "bad_etag"


def test_a_segment_that_was_changed_meanwhile_is_not_deleted(client: Client) -> None:
    address = f"segments/{saved('german').public_id}/"
    call(client, "PATCH", address, {"name": "Germans"})
    is_problem(call(client, "DELETE", address, None, '"1"'), 412)
    assert call(client, "DELETE", address, None, '"2"').status_code == 204


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        ({"above": 0.7}, "No order within 60 days: score is 0.7 or more"),
        ({"below": 0.2}, "No order within 60 days: score is 0.2 or less"),
        ({"band": "high"}, "No order within 60 days: band is high"),
        ({"top_percent": 10}, "No order within 60 days: score is in the top 10 %"),
        ({"percentile_between": [50, 90]}, "No order within 60 days: score is between the percentiles 50 to 90"),
    ],
)
def test_a_line_on_a_score_makes_a_segment(client: Client, score: dict[str, Any], sentence: str) -> None:
    world.model()
    body = {"key": "risk", "name": "At risk", "score": {"target": "lapse", **score}}
    made = call(client, "POST", "segments/", body)
    assert made.status_code == 201, made.content
    assert made.json()["sentence"] == sentence


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"score": {"target": "laps", "above": 0.7}}, "score.target"),
        ({"score": {"target": "lapse"}}, "score"),
        ({"score": {"target": "lapse", "above": 0.7, "band": "high"}}, "score"),
        ({"score": {"target": "lapse", "above": "much"}}, "rule.value"),
        ({"score": {"target": "lapse", "line": 1}}, "score"),
        ({"score": {"target": "lapse", "above": 1}, "rule": rule(GERMAN)}, "score"),
        ({"kind": "list", "rule": rule(GERMAN)}, "rule"),
        ({}, "rule"),
        ({"rule": rule(GERMAN), "kind": "magic"}, "kind"),
        ({"rule": rule(GERMAN), "tags": "spring"}, "tags"),
    ],
)
def test_a_segment_that_cannot_be_made_is_refused_with_the_place(client: Client, body: Any, path: str) -> None:
    world.model()
    refused = is_problem(call(client, "POST", "segments/", {"key": "risk", "name": "At risk", **body}), 400)
    assert refused["errors"][0]["path"] == path
    assert not Segment.objects.exists()


def test_versions_tell_who_changed_what_and_how_the_members_changed(client: Client) -> None:
    german = saved("german")
    frame = people("DE", "AT", "DE", "FR")
    cycle(frame)
    address = f"segments/{german.public_id}/"
    call(client, "PATCH", address, {"rule": rule({"any": [GERMAN, AUSTRIAN]})})
    call(client, "PATCH", address, {"rule": rule(AUSTRIAN)})
    german.versions.filter(number__gt=1).update(at=AS_OF + HOUR)
    cycle(frame, AS_OF + 2 * HOUR)
    newest, between, first = call(client, "GET", f"{address}versions/").json()["results"]
    assert (newest["sentence_before"], newest["sentence"]) == ("country is DE, or country is AT", "country is AT")
    assert (newest["by"], newest["number"]) == ("key test", 3)
    effect = newest["effect"]
    assert (effect["size"], effect["entered"], effect["left"]) == (1, 1, 2)
    assert between["effect"] is None
    assert (first["sentence_before"], first["effect"]["entered"]) == ("", 2)
    for days in (1, 3650):  # before the last refresh, which may be long ago
        sizes = call(client, "GET", f"{address}sizes/?days={days}").json()["results"]
        assert [(one["size"], one["entered"], one["left"]) for one in sizes] == [(1, 3, 2)]


def test_an_earlier_version_comes_back_as_a_new_one(client: Client) -> None:
    address = f"segments/{saved('german').public_id}/"
    call(client, "PATCH", address, {"rule": rule(AUSTRIAN)})
    is_problem(call(client, "POST", f"{address}versions/1/restore/", None, '"1"'), 412)
    restored = call(client, "POST", f"{address}versions/1/restore/", None, '"2"').json()
    assert (restored["sentence"], restored["rule_version"], restored["edition"]) == ("country is DE", 3, 3)
    is_problem(call(client, "POST", f"{address}versions/9/restore/"), 404)


def test_a_version_that_cannot_be_read_any_more_does_not_come_back(client: Client) -> None:
    german = saved("german")
    german.versions.update(rule=rule({**GERMAN, "field": "gone"}))
    refused = is_problem(call(client, "POST", f"segments/{german.public_id}/versions/1/restore/"), 400)
    assert refused["errors"][0]["path"] == "rule"


def test_a_segment_is_copied_and_frozen(client: Client) -> None:
    german = saved("german")
    frame = people("DE", "AT")
    cycle(frame)
    address = f"segments/{german.public_id}/"
    copied = call(client, "POST", f"{address}duplicate/", {"key": "german-2", "name": "Germans 2"})
    assert (copied.status_code, copied.json()["sentence"]) == (201, "country is DE")
    frozen = call(client, "POST", f"{address}freeze/", {"key": "german-then", "name": "Germans then"}).json()
    assert (frozen["kind"], frozen["size"], frozen["sentence"]) == ("list", 1, "on the list")
    cycle(frame.with_columns(country=pl.lit("AT")), AS_OF + HOUR)
    assert (members("german"), members("german-2"), members("german-then")) == ([], [], ["c-0"])
    taken = call(client, "POST", f"{address}freeze/", {"key": "german", "name": "Again"})
    assert is_problem(taken, 409)["code"] == "taken"


def test_the_overlap_is_told_with_its_sentence(client: Client) -> None:
    saved("german")
    saved("known", {"field": "country", "op": "has_value"})
    cycle(people("DE", "AT"))
    found = send(client, "POST", "segments/overlap/", {"segments": ["german", "known"]}).json()
    assert (found["all"], found["either"], found["sizes"]) == (1, 2, {"german": 1, "known": 2})
    assert found["parts"][0] == {"segments": ["german", "known"], "count": 1}
    assert "1 customer is in both" in found["sentence"]
    is_problem(send(client, "POST", "segments/overlap/", {"segments": ["german", "nobody"]}), 404)
    is_problem(send(client, "POST", "segments/overlap/", {"segments": ["german"]}), 400)
