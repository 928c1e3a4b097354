"""Ids point to customers; who is new gets a seed and a bucket that never change."""

from datetime import UTC, datetime
from hashlib import blake2b

import polars as pl
import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from customers import bulk, devices, identity
from customers.models import Customer, Identity
from tests.customers.people import make_customer

JANUARY, MARCH = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def known(*ids: str, since: datetime = MARCH) -> pl.DataFrame:
    return pl.DataFrame({"external_id": ids, "known_since": [since] * len(ids)}).cast(
        {"known_since": bulk.UTC_MICROSECONDS}
    )


@given(st.text(min_size=1, max_size=20))
def test_a_seed_is_the_signed_hash_of_the_id(external_id: str) -> None:
    digest = blake2b(external_id.encode(), digest_size=8).digest()
    assert identity.seed_of(pl.Series([external_id])).to_list() == [int.from_bytes(digest, "big", signed=True)]


def test_buckets_are_never_negative(settings: Settings) -> None:
    settings.BUCKETS = 7
    seeds = pl.Series([-(2**63), -1, 0, 1, 2**63 - 1])
    assert identity.bucket_of(seeds).to_list() == [seed % 7 for seed in seeds]


@pytest.mark.door
@pytest.mark.django_db
def test_new_customers_are_created_once() -> None:
    first = identity.resolve(known("a", "b"))
    second = identity.resolve(known("b", "c"))
    assert first.sort("external_id")["is_new"].to_list() == [True, True]
    assert second.sort("external_id")["is_new"].to_list() == [False, True]
    assert Customer.objects.count() == Identity.objects.count() == 3
    customer = Customer.objects.get(external_id="a")
    assert customer.seed == identity.seed_of(pl.Series(["a"])).item()
    assert len(set(Customer.objects.values_list("public_id", flat=True))) == 3


@pytest.mark.door
@pytest.mark.django_db
def test_an_identity_moved_by_a_merge_finds_the_survivor() -> None:
    survivor, merged = make_customer("survivor"), make_customer("merged")
    Identity.objects.filter(customer=merged).update(customer=survivor)
    merged.delete()
    assert identity.resolve(known("merged"))["customer_id"].to_list() == [survivor.pk]
    assert Customer.objects.count() == 1


@pytest.mark.door
@pytest.mark.django_db
def test_known_since_moves_only_back() -> None:
    customer = make_customer("a", known_since=MARCH)
    identity.resolve(known("a", since=JANUARY))
    identity.resolve(known("a", since=MARCH))
    customer.refresh_from_db()
    assert customer.known_since == JANUARY


@pytest.mark.door
@pytest.mark.django_db
def test_what_a_killed_run_left_is_completed() -> None:
    seeds = identity.seed_of(pl.Series(["a"]))
    Customer.objects.create(external_id="a", seed=seeds.item(), bucket=0, known_since=MARCH)
    identity.resolve(known("a"))
    assert Identity.objects.get(value="a").customer.external_id == "a"


@pytest.mark.door
@pytest.mark.django_db
def test_nothing_comes_to_point_to_who_is_gone() -> None:
    here = make_customer("a")
    with transaction.atomic():
        identity.hold(pl.Series([here.pk]))
    with pytest.raises(IntegrityError), transaction.atomic():
        devices.store(pl.DataFrame({"customer_id": [here.pk + 1], "value": ["t-1"]}), MARCH)
    assert not Identity.objects.filter(kind=Identity.Kind.DEVICE).exists()
