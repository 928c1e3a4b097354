"""Pins and lists over REST: who did what, and which ids are nobody's."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from customers.models import AuditEntry, Customer, Identity
from segments import hand_doors, lists
from segments.models import Segment
from tests.customers.test_api import bearer, is_problem
from tests.segments.crowd import AS_OF, cycle, members, people, saved
from tests.segments.test_api import BOTH, send

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def made(client: Client) -> Segment:
    answer = send(client, "POST", "segments/", {"key": "friends", "name": "Friends", "kind": "list"})
    assert answer.status_code == 201, answer.content
    return Segment.objects.get()


def upload(client: Client, segment: Segment, body: bytes, kind: str = "text/plain", query: str = "") -> Any:
    address = f"/api/v1/segments/{segment.public_id}/list/{query}"
    return client.generic("POST", address, body, kind, headers=bearer(*BOTH))


@pytest.mark.parametrize(
    ("body", "kind", "query"),
    [
        (b"c-0\nc-2\nnobody\n", "text/plain", ""),
        (b"customer_id,city\nc-0,Ulm\nc-2,Bonn\nnobody,Wien\n", "text/csv", ""),
        (b"who;city\nc-0;Ulm\nc-2;Bonn\nnobody;Wien\n", "text/csv; charset=utf-8", "?column=who&name=may.csv"),
        (b'{"ids": ["c-0", "c-2", "nobody"]}', "application/json", ""),
    ],
)
def test_ids_come_as_lines_as_a_table_or_as_json(client: Client, body: bytes, kind: str, query: str) -> None:
    friends = made(client)
    people("DE", "AT", "DE")
    change = upload(client, friends, body, kind, query).json()
    assert (change["read"], change["added"], change["unknown"], change["unknown_ids"]) == (3, 2, 1, ["nobody"])
    assert change["by"] == "key test"
    assert members("friends") == ["c-0", "c-2"]


def test_a_list_is_replaced_cut_down_and_tells_what_was_done(client: Client) -> None:
    friends = made(client)
    people("DE", "AT", "DE")
    upload(client, friends, b"c-0\nc-1")
    upload(client, friends, b"c-1\nc-2", query="?how=replace&name=spring.txt")
    upload(client, friends, b"c-1", query="?how=remove")
    assert members("friends") == ["c-2"]
    done = send(client, "GET", f"segments/{friends.public_id}/list/?limit=2", None).json()
    assert [(one["how"], one["source"], one["added"], one["removed"]) for one in done["results"]] == [
        ("removed", "upload", 0, 1),
        ("replaced", "spring.txt", 1, 1),
    ]
    assert done["next"]


def test_each_id_of_a_batch_is_judged_on_its_own(client: Client) -> None:
    friends = made(client)
    people("DE", "AT")
    one = Customer.objects.get(external_id="c-1")
    Identity.objects.create(customer=one, kind="external", value="a,b", known_at=AS_OF)
    batch = {"ids": ["c-0", "a,b", "nobody", "ann@example.test", "c-0", "x" * 300]}
    change = send(client, "POST", f"segments/{friends.public_id}/list/?name=shop", batch).json()
    assert (change["source"], change["read"], change["added"], change["repeated"]) == ("shop", 6, 2, 1)
    told = [(one["line"], one["id"][:20], one["code"]) for one in change["refused"]]
    said = [(3, "nobody", "unknown"), (4, "ann@example.test", "unknown_email"), (6, "x" * 20, "too_long")]
    assert told == said
    at = f"segments/{friends.public_id}/list/{change['id']}/refused/?limit=2"
    page = send(client, "GET", at, None).json()
    rest = send(client, "GET", page["next"].removeprefix("http://testserver/api/v1/"), None).json()
    assert page["results"] + rest["results"] == change["refused"]
    is_problem(send(client, "GET", f"segments/{friends.public_id}/list/none/refused/", None), 404)
    pinned = send(client, "POST", f"segments/{friends.public_id}/pins/", {"customers": ["a,b"], "kind": "include"})
    assert pinned.json() == {"customers": 1, "unknown": []}


def test_the_page_gives_the_refused_lines_as_a_file(client: Client) -> None:
    friends = made(client)
    change = upload(client, friends, b"=1+1\nc-0\n", query="?name=may.txt").json()
    client.force_login(User.objects.create_superuser("mia"))
    page = f"/admin/segments/segment/{friends.pk}/"
    address = f"{page}refused/{change['id']}/"
    assert address in client.get(f"{page}change/").content.decode()
    lines = client.post(address).content.decode().splitlines()
    assert lines == ["line,id,reason", "1,'=1+1,Nobody has this id.", "2,c-0,Nobody has this id."]
    noted = AuditEntry.objects.latest("pk")
    assert (noted.what, noted.about, noted.detail["rows"]) == ("refused lines exported", "friends", 2)
    assert client.post(f"{page}refused/none/").status_code == 404


def test_what_is_no_list_of_ids_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    friends, german = made(client), saved("german")
    is_problem(upload(client, friends, b""), 400)
    assert is_problem(upload(client, friends, b"\n\n"), 400)["code"] == "bad_list"
    assert "2 columns" in is_problem(upload(client, friends, b"a,b\n1,2\n", "text/csv"), 400)["detail"]
    assert is_problem(upload(client, friends, b"c-0", query="?how=maybe"), 400)["errors"][0]["path"] == "how"
    assert is_problem(upload(client, german, b"c-0"), 400)["code"] == "no_list"
    is_problem(send(client, "PATCH", f"segments/{friends.public_id}/", {"rule": german.rule}), 400)
    monkeypatch.setattr(lists, "MOST", 2)
    assert "at most 2" in is_problem(upload(client, friends, b"a\nb\nc"), 400)["detail"]
    monkeypatch.setattr(hand_doors, "MOST_BYTES", 3)
    is_problem(upload(client, friends, b"c-0\nc-1"), 413)


def test_customers_are_pinned_listed_and_let_go(client: Client) -> None:
    german = saved("german")
    cycle(people("DE", "AT", "DE"))
    address = f"segments/{german.public_id}/pins/"
    pinned = send(client, "POST", address, {"customers": ["c-1", "nobody"], "kind": "include", "reason": "A friend"})
    assert pinned.json() == {"customers": 1, "unknown": ["nobody"]}
    send(client, "POST", address, {"customers": ["c-0"], "kind": "exclude"})
    assert members("german") == ["c-1", "c-2"]
    listed = send(client, "GET", address, None).json()["results"]
    assert [(one["external_id"], one["kind"], one["reason"], one["by"]) for one in listed] == [
        ("c-1", "include", "A friend", "key test"),
        ("c-0", "exclude", "", "key test"),
    ]
    assert send(client, "DELETE", address, {"customers": ["c-0", "c-2"]}).json() == {"customers": 1, "unknown": []}
    assert [one["external_id"] for one in send(client, "GET", address, None).json()["results"]] == ["c-1"]


@pytest.mark.parametrize(
    "body", [{}, {"customers": [], "kind": "include"}, {"customers": ["c-0"], "kind": "maybe"}, {"customers": "c-0"}]
)
def test_a_pin_that_says_nothing_clear_is_refused(client: Client, body: object) -> None:
    german = saved("german")
    is_problem(send(client, "POST", f"segments/{german.public_id}/pins/", body), 400)
    assert not german.pins.exists()


def test_writing_by_hand_needs_the_scope_for_writing(client: Client) -> None:
    friends = made(client)
    for place in ("pins", "list"):
        address = f"segments/{friends.public_id}/{place}/"
        is_problem(send(client, "POST", address, {"ids": ["c-0"]}, ("segments:read",)), 403)
    assert members("friends") == []


def test_pins_are_sorted_and_narrowed(client: Client) -> None:
    german = saved("german")
    cycle(people("DE", "AT", "DE"))
    address = f"segments/{german.public_id}/pins/"
    for kind, name in (("include", "c-1"), ("exclude", "c-0"), ("include", "c-2")):
        send(client, "POST", address, {"customers": [name], "kind": kind})

    def listed(query: str) -> list[str]:
        found, after = [], f"{address}?limit=1&{query}"
        while after:
            page = send(client, "GET", after.removeprefix("http://testserver/api/v1/"), None).json()
            found += [one["external_id"] for one in page["results"]]
            after = page["next"]
        return found

    assert listed("sort=-at") == ["c-2", "c-0", "c-1"]
    assert listed("kind=include") == ["c-1", "c-2"]
    is_problem(send(client, "GET", f"{address}?sort=reason", None), 400)
