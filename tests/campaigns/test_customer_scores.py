"""A customer's scores over time: the kept snapshots, the latest runs, decisions, changes of band."""

import re
from datetime import datetime, timedelta

import polars as pl
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from campaigns import customer_scores
from customers import snapshot
from customers.models import Customer
from scoring import earlier
from scoring.models import BandChange
from tests.campaigns.people import T0, customers, lapse_model

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def two_buckets(settings: Settings) -> None:
    settings.BUCKETS = 2


def kept(people: list[Customer], at: datetime, **scores: float | None) -> None:
    """Store a snapshot in which everybody has these scores, and the customers after the first have 0.9."""
    columns = {f"scores.{key}": [score, *[0.9] * (len(people) - 1)] for key, score in scores.items()}
    frame = pl.DataFrame(
        {"customer_id": [one.pk for one in people], "bucket": [one.bucket for one in people], **columns}
    )
    for bucket in range(settings.BUCKETS):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), at, bucket)


def test_kept_snapshots_tell_what_a_score_was() -> None:
    people = customers(3)
    kept(people, T0 - 2 * DAY, lapse=0.1, other=0.5)
    kept(people, T0 - DAY, lapse=None)
    kept(people, T0, lapse=0.3)
    found = earlier.of_customer(people[0], ["lapse", "buy"])
    assert found == {"lapse": {T0 - 2 * DAY: 0.1, T0: 0.3}}


def test_a_snapshot_that_is_removed_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    people = customers(1)
    kept(people, T0 - DAY, lapse=0.1)
    kept(people, T0, lapse=0.3)
    there = snapshot.of_bucket(people[0].bucket)
    there[T0 - DAY].unlink()
    monkeypatch.setattr(snapshot, "of_bucket", lambda bucket: there)
    assert earlier.of_customer(people[0], ["lapse"]) == {"lapse": {T0: 0.3}}


def test_the_page_draws_each_score_and_lists_changes_of_band(client: Client) -> None:
    people, model = customers(2), lapse_model()
    kept(people, T0 - DAY, lapse=0.1)
    kept(people, T0, lapse=0.3)
    BandChange.objects.create(customer=people[0], target=model.target, band_before="low", band="high", as_of=T0)
    client.force_login(User.objects.create_superuser("boss"))
    page = client.get(f"/admin/customers/customer/{people[0].pk}/change/").content.decode()
    told = page[page.index("Scores over time") :]
    drawn = dict(re.findall(r"<title>([^:]+ \d{4}): (\d+)</title>", told))
    assert list(drawn.values()) == ["10", "30"]
    assert told.index("low") < told.index("high")


def test_one_score_is_no_line(client: Client) -> None:
    people = customers(1)
    lapse_model()
    kept(people, T0, lapse=0.3)
    told = customer_scores.panel(people[0])
    assert told.drawing is None
    assert told.rows == []
