"""Who follows a segment by its changes has the list, whoever writes meanwhile; and learns when that cannot be."""

import random
import threading
from typing import Any

import polars as pl
import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from customers import erasure, merging
from segments import membership
from segments.models import MembershipChange, Segment
from tests.customers.test_api import bearer, is_problem
from tests.segments.crowd import AS_OF, HOUR, cycle, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]


class Follower:
    """A program that keeps a copy of a segment by asking for its changes."""

    def __init__(self, segment: Segment) -> None:
        self.address = f"/api/v1/segments/{segment.public_id}/"
        self.headers, self.since = bearer("segments:read"), ""
        self.known: set[str] = set()
        self.client = Client()

    def get(self, rest: str) -> Any:
        return self.client.get(self.address + rest, headers=self.headers)

    def follow(self, limit: int = 3) -> int:
        """Take all news in; give how many."""
        news = 0
        while True:
            page = self.get(f"changes/?since={self.since}&limit={limit}").json()
            for one in page["results"]:
                is_in = one["kind"] == "entered"
                assert (one["external_id"] in self.known) != is_in, "told twice, or left out"
                (self.known.add if is_in else self.known.discard)(one["external_id"])
            news += len(page["results"])
            self.since = page["since"]
            if not page["has_more"]:
                return news

    def begin_again(self) -> None:
        """Do what 410 asks for: a cursor first, then the list."""
        self.since = self.get("changes/?since=now").json()["since"]
        self.known = {one["external_id"] for one in self.get("members/").json()["results"]}


def test_replaying_the_changes_on_nothing_gives_the_list() -> None:
    german, draws = saved("german"), random.Random(7)
    frame = people(*draws.choices(["DE", "AT"], k=30))
    late, follower = Follower(german), Follower(german)
    for hour in range(6):
        countries = pl.Series(draws.choices(["DE", "AT"], k=30))
        cycle(frame.with_columns(country=countries), AS_OF + hour * HOUR)
        if hour % 2:
            follower.follow()
    follower.follow()
    late.follow()
    assert sorted(follower.known) == sorted(late.known) == members("german")


def test_whether_somebody_is_a_member_now_is_told(client: Client) -> None:
    german = saved("german")
    cycle(people("DE", "AT"))
    ask = Follower(german).get
    assert ask("members/c-0/").json() == {
        "external_id": "c-0",
        "is_in": True,
        "since": "2026-05-20T12:00:00Z",
        "as_of": "2026-05-20T12:00:00Z",
    }
    assert ask("members/c-1/").json()["is_in"] is False
    is_problem(ask("members/nobody/"), 404)


def test_who_knows_somebody_that_is_erased_or_merged_is_told_to_take_the_list_again() -> None:
    german = saved("german")
    frame = people("DE", "DE", "DE", "AT")
    cycle(frame)
    follower, of_another = (
        Follower(german),
        Follower(saved("austrian", {"field": "country", "op": "is", "value": "AT"})),
    )
    for one in (follower, of_another):
        one.follow()
    erasure.erase("c-0", timezone.now(), "asked")
    gone = follower.get(f"changes/?since={follower.since}")
    assert is_problem(gone, 410)["code"] == "start_again"
    assert of_another.follow() == 0
    follower.begin_again()
    assert sorted(follower.known) == ["c-1", "c-2"]
    assert follower.follow() == 0
    merging.merge("c-1", "c-2", timezone.now())
    is_problem(follower.get(f"changes/?since={follower.since}"), 410)
    follower.begin_again()
    cycle(frame.filter(pl.col("external_id") != "c-0").with_columns(country=pl.lit("DE")), AS_OF + HOUR)
    follower.follow()
    assert sorted(follower.known) == members("german")


def test_a_cursor_of_before_a_backup_was_brought_back_is_told_to_begin_again() -> None:
    german = saved("german")
    cycle(people("DE", "DE"))
    follower = Follower(german)
    follower.follow()
    MembershipChange.objects.order_by("-pk")[0].delete()
    is_problem(follower.get(f"changes/?since={follower.since}"), 410)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_not_passed_over() -> None:
    german = saved("german")
    frame = people("AT", "AT", "AT")
    cycle(frame)
    follower, held, may_end = Follower(german), threading.Event(), threading.Event()
    follower.follow()

    def enter(name: str) -> None:
        moved = frame.filter(pl.col("external_id") == name).with_columns(country=pl.lit("DE"))
        assert membership.refresh(moved, AS_OF + HOUR).height == 1

    def late() -> None:
        try:
            with transaction.atomic():
                enter("c-0")
                held.set()
                may_end.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert held.wait(30)
    enter("c-1")
    assert follower.follow() == 0  # the second is committed, but the first will stand before it
    may_end.set()
    thread.join()
    assert follower.follow() == 2
    assert sorted(follower.known) == members("german") == ["c-0", "c-1"]
