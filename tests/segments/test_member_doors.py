"""Members over REST: sorted, with values, as files, and as a stream of who entered and left."""

import csv
import io
import json
from typing import Any

import polars as pl
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import erasure
from customers.models import Customer
from scoring import ranking
from scoring.models import Score, ScoreRun
from segments import exports
from segments.models import Segment, SegmentExport
from tests.config import world
from tests.customers.test_api import bearer, is_problem
from tests.segments.crowd import AS_OF, HOUR, cycle, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def get(client: Client, segment: Segment, rest: str) -> Any:
    return client.get(f"/api/v1/segments/{segment.public_id}/{rest}", headers=bearer("segments:read"))


def german_crowd(*countries: str) -> Segment:
    german = saved("german")
    cycle(people(*countries))
    return german


def scored(**values: float) -> None:
    """Publish a run with scores by external id, with an underscore."""
    version = world.model()
    run = ScoreRun.objects.create(as_of=AS_OF, inputs="x", versions={str(version.target_id): version.pk})
    for name, value in values.items():
        (customer,) = Customer.objects.filter(external_id=name.replace("_", "-"))
        Score.objects.create(
            run=run,
            customer=customer,
            target=version.target,
            version=version,
            bucket=customer.bucket,
            as_of=AS_OF,
            value=value,
        )
    ranking.rank(run)


def walk(client: Client, segment: Segment, query: str) -> list[str]:
    """Give the members of all pages."""
    found: list[str] = []
    address = f"/api/v1/segments/{segment.public_id}/members/?{query}"
    while address:
        page = client.get(address, headers=bearer("segments:read")).json()
        found += [one["external_id"] for one in page["results"]]
        address = page["next"]
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_members_come_in_the_order_of_a_score_and_those_without_one_last(client: Client, limit: int) -> None:
    german = german_crowd("DE", "DE", "DE", "DE", "DE", "AT")
    scored(c_0=0.3, c_1=0.9, c_3=0.3, c_4=1.0, c_5=0.5)
    assert walk(client, german, f"sort=-scores.lapse&limit={limit}") == ["c-4", "c-1", "c-0", "c-3", "c-2"]
    assert walk(client, german, f"sort=scores.lapse&limit={limit}") == ["c-0", "c-3", "c-1", "c-4", "c-2"]


def test_a_score_that_does_not_exist_is_no_order(client: Client) -> None:
    german = german_crowd("DE")
    assert is_problem(get(client, german, "members/?sort=-scores.wealth"), 400)["errors"][0]["path"] == "sort"
    assert is_problem(get(client, german, "members/?sort=name"), 400)["code"] == "unknown_field"
    told = is_problem(get(client, german, "members/?fields=shoes,country,hats"), 400)["errors"]
    assert [one["message"] for one in told] == ["No field named 'shoes'.", "No field named 'hats'."]


def test_members_come_with_the_fields_that_are_asked_for(client: Client) -> None:
    german = german_crowd("DE", "AT", "de")
    page = get(client, german, "members/?fields=country,city").json()
    assert [(one["external_id"], one["values"]) for one in page["results"]] == [
        ("c-0", {"country": "DE", "city": None}),
        ("c-2", {"country": "de", "city": None}),
    ]
    assert "e-mail" not in is_problem(get(client, german, "members/?fields=email"), 400)["detail"]


def test_members_without_a_value_or_a_score_say_so(client: Client) -> None:
    german = german_crowd("DE", "DE")
    scored(c_0=0.25)
    first, second = get(client, german, "members/?fields=scores.lapse,city,features.spend_90d").json()["results"]
    (score,) = first["scores"]
    assert (score["target"], score["value"], score["percentile"], score["rank"]) == ("lapse", 0.25, 100.0, 1)
    assert (score["band"], score["as_of"]) == ("low", "2026-05-20T12:00:00Z")
    assert (second["scores"], second["values"]) == ([], {"city": None, "features.spend_90d": None})
    assert first["since"] == "2026-05-20T12:00:00Z"


def test_a_page_is_another_one_when_somebody_has_entered_or_left(client: Client) -> None:
    german = saved("german")
    frame = people("DE", "AT", "DE")
    cycle(frame)
    address = f"/api/v1/segments/{german.public_id}/members/?limit=1"

    def asked(tag: str) -> Any:
        return client.get(address, headers={**bearer("segments:read"), "If-None-Match": tag})

    first = asked("")
    assert first.status_code == 200
    cycle(frame, AS_OF + HOUR)
    same = asked(first["ETag"])
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    assert "RateLimit" in same
    cycle(frame.with_columns(country=pl.Series(["AT", "DE", "DE"])), AS_OF + 2 * HOUR)
    second = asked(first["ETag"])
    assert (second.status_code, second.json()["results"][0]["external_id"]) == (200, "c-1")
    erasure.erase("c-2", timezone.now(), "asked")
    assert asked(second["ETag"]).json()["next"] is None


def test_a_page_with_values_has_no_tag_since_they_change_with_every_snapshot(client: Client) -> None:
    german = german_crowd("DE")
    assert "ETag" not in get(client, german, "members/?fields=country")


def test_a_page_is_read_in_one_statement_that_begins_where_the_last_one_ended(client: Client) -> None:
    german = german_crowd(*["DE"] * 4)
    after = get(client, german, "members/?limit=1").json()["next"]
    with CaptureQueriesContext(connection) as asked:
        client.get(after, headers=bearer("segments:read"))
    (page,) = [one["sql"] for one in asked if "segments_membership" in one["sql"]]
    (first,) = Customer.objects.filter(external_id="c-0").values_list("pk", flat=True)
    assert f'"customers_customer"."id" > {first}' in page
    assert f'"segments_membership"."customer_id" > {first}' in page


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_all_members_come_as_a_table(client: Client) -> None:
    german = german_crowd("DE", "AT", "DE", "DE", "DE", "DE")
    answer = get(client, german, "members.csv?fields=country")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="german.csv"'
    rows = list(csv.DictReader(io.StringIO(body(answer))))
    assert sorted(row["external_id"] for row in rows) == members("german")
    assert {(row["country"], row["since"]) for row in rows} == {("DE", "2026-05-20T12:00:00.000000Z")}


def test_all_members_come_as_lines_of_json(client: Client) -> None:
    german = german_crowd("DE", "AT", "DE")
    lines = [json.loads(line) for line in body(get(client, german, "members.ndjson?fields=country")).splitlines()]
    assert sorted(one["external_id"] for one in lines) == ["c-0", "c-2"]
    assert lines[0] == {"external_id": "c-0", "since": "2026-05-20T12:00:00.000000Z", "country": "DE"}


def test_all_members_come_as_typed_columns(client: Client) -> None:
    german = german_crowd("DE", "AT", "DE")
    answer = get(client, german, "members.parquet?fields=country,city,features.orders")
    assert answer["Content-Type"] == "application/vnd.apache.parquet"
    found = pl.read_parquet(b"".join(answer.streaming_content)).sort("external_id")
    assert found["external_id"].to_list() == ["c-0", "c-2"]
    assert found["since"].to_list() == [AS_OF, AS_OF]
    assert found.select("country", "city", "features.orders").rows() == [("DE", None, None)] * 2
    assert SegmentExport.objects.get().rows == 2
    empty = saved("nobody", {"field": "country", "op": "is", "value": "FR"})
    nothing = pl.read_parquet(b"".join(get(client, empty, "members.parquet?fields=country").streaming_content))
    assert (nothing.height, nothing.columns) == (0, ["external_id", "since", "country"])


def test_no_cell_of_a_table_is_a_formula(client: Client) -> None:
    german = saved("all", {"field": "country", "op": "has_value"})
    frame = people("DE", "DE", "DE")
    cities = ["=cmd|' /C calc'!A0", "  +1", 'Ulm, "Neu"']
    cycle(frame.with_columns(city=pl.Series(cities)))
    rows = csv.DictReader(io.StringIO(body(get(client, german, "members.csv?fields=city"))))
    assert [row["city"] for row in rows] == [f"'{cities[0]}", f"'{cities[1]}", cities[2]]
    lines = body(get(client, german, "members.ndjson?fields=city")).splitlines()
    assert [json.loads(line)["city"] for line in lines] == cities


def test_an_empty_segment_is_a_table_with_a_header_only(client: Client) -> None:
    german = german_crowd("AT")
    assert body(get(client, german, "members.csv?fields=country")) == "external_id,since,country\n"


def test_every_export_leaves_a_row(client: Client) -> None:
    german = german_crowd("DE", "DE", "AT")
    assert body(get(client, german, "members.csv?fields=country")).count("\n") == 3
    row = SegmentExport.objects.get()
    assert (row.segment, row.format, row.fields, row.rows, row.by) == (german, "csv", ["country"], 2, "key test")
    is_problem(get(client, german, "members.csv?fields=secret"), 400)
    assert SegmentExport.objects.count() == 1


@pytest.mark.parametrize("dense", [0, 4])
def test_an_export_asks_for_one_portion_after_the_other(
    client: Client, monkeypatch: pytest.MonkeyPatch, dense: int
) -> None:
    german = german_crowd(*["DE", "AT"] * 12)
    monkeypatch.setattr(exports, "PORTION", 5)
    monkeypatch.setattr(exports, "DENSE", dense)
    with CaptureQueriesContext(connection) as asked:
        parts = [part.decode() for part in get(client, german, "members.csv").streaming_content]
    assert [part.count("c-") for part in parts] == [5, 5, 2]
    assert [part.count("external_id") for part in parts] == [1, 0, 0]
    reads = [one["sql"] for one in asked if "segments_membership" in one["sql"]]
    assert len(reads) == 4


def test_who_entered_and_left_is_told_once_in_the_order_of_commits(client: Client) -> None:
    german = saved("german")
    frame = people("DE", "AT", "DE", "FR")
    cycle(frame)
    cursor, seen = "", []
    while True:
        page = get(client, german, f"changes/?since={cursor}&limit=1").json()
        seen += [(one["external_id"], one["kind"]) for one in page["results"]]
        cursor = page["since"]
        if not page["has_more"]:
            break
    assert seen == [("c-0", "entered"), ("c-2", "entered")]
    assert get(client, german, f"changes/?since={cursor}").json()["results"] == []
    cycle(frame.with_columns(country=pl.Series(["AT", "DE", "DE", "FR"])), AS_OF + HOUR)
    news = get(client, german, f"changes/?since={cursor}").json()
    assert sorted((one["external_id"], one["kind"]) for one in news["results"]) == [("c-0", "left"), ("c-1", "entered")]


def test_a_cycle_as_of_the_same_time_with_other_facts_is_told_to_followers(client: Client) -> None:
    german = saved("german")
    frame = people("DE", "AT")
    cycle(frame)
    cursor = get(client, german, "changes/").json()["since"]
    cycle(frame.with_columns(country=pl.lit("AT")))
    news = get(client, german, f"changes/?since={cursor}").json()["results"]
    assert [(one["external_id"], one["kind"]) for one in news] == [("c-0", "left")]


def test_a_follower_may_begin_with_now(client: Client) -> None:
    german = german_crowd("DE", "AT")
    page = get(client, german, "changes/?since=now").json()
    assert page["results"] == []
    assert get(client, german, f"changes/?since={page['since']}").json()["results"] == []


def test_a_cursor_of_another_segment_or_made_up_is_refused(client: Client) -> None:
    german, other = german_crowd("DE"), saved("other")
    cursor = get(client, other, "changes/").json()["since"]
    for since in (cursor, "x", "1:2"):
        assert is_problem(get(client, german, f"changes/?since={since}"), 400)["errors"][0]["path"] == "since"
