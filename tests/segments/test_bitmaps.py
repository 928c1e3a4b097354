"""Bitmaps say the same as the rows of members, whoever comes, goes or changes in between."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from customers import erasure
from customers.models import Customer
from segments import bitmaps, definition, membership
from segments.models import Bitmap, Bucket, Membership, MembershipChange, Segment

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTRIES = ("DE", "AT", "FR")


def segments(*countries: str) -> list[Segment]:
    return [
        Segment.objects.create(
            key=country.lower(),
            name=country,
            rule={"version": 1, "rule": {"field": "country", "op": "is", "value": country}},
            created_at=T,
        )
        for country in countries
    ]


def people(ids: range | list[int], country: str = "DE") -> pl.DataFrame:
    """Store customers with these ids, where they are not stored yet, and give their frame."""
    there = set(Customer.objects.values_list("pk", flat=True))
    Customer.objects.bulk_create(
        Customer(pk=one, external_id=f"c-{one}", bucket=one % 2, seed=one, known_since=T)
        for one in ids
        if one not in there
    )
    return pl.DataFrame(
        {"customer_id": list(ids), "bucket": [one % 2 for one in ids], "country": [country] * len(ids)},
        schema_overrides={"customer_id": pl.Int64, "bucket": pl.Int64},
    )


def by_rows(segment: Segment) -> set[int]:
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def by_bits(segment: Segment) -> set[int]:
    found: set[int] = set()
    for bucket in Bucket.objects.values_list("pk", flat=True):
        roster = bitmaps.read(bucket, [segment.pk])
        found |= set(roster.ids[roster.members[segment.pk]].tolist())
    return found


def test_after_any_mix_of_changes_bitmaps_and_rows_agree() -> None:
    made = segments(*COUNTRIES)
    chance = random.Random(7)
    for step in range(12):
        ids = sorted(chance.sample(range(1, 60), chance.randrange(1, 30)))
        frame = people(ids).with_columns(country=pl.Series([chance.choice(COUNTRIES) for _ in ids]))
        membership.refresh(frame, T + step * HOUR)
        for segment in made:
            assert by_bits(segment) == by_rows(segment)
            assert bitmaps.totals()[segment.pk].size == len(by_rows(segment))
    assert Bitmap.objects.count() == 2 * len(COUNTRIES)


def test_a_few_of_many_customers_are_refreshed_as_all_of_them_would_be() -> None:
    made = segments(*COUNTRIES)
    membership.refresh(people(range(1, 101)), T)
    chance = random.Random(3)
    for step in range(1, 16):
        ids = sorted(chance.sample(range(1, 103), 4))  # now and then somebody new
        told = {one: chance.choice(COUNTRIES) for one in ids}
        before = {segment: by_rows(segment) for segment in made}
        membership.refresh(people(ids).with_columns(country=pl.Series(told.values())), T + step * HOUR)
        for segment in made:
            now = {one for one, country in told.items() if country == segment.name}
            assert by_bits(segment) == by_rows(segment) == before[segment] - set(ids) | now
            assert bitmaps.totals()[segment.pk].size == len(by_rows(segment))


def test_of_a_few_of_many_customers_what_is_stored_for_a_later_time_stays() -> None:
    german, austrian, french = segments(*COUNTRIES)
    membership.refresh(people(range(1, 101)), T)
    membership.refresh(people([1, 2], "AT"), T + 2 * HOUR)
    found = membership.refresh(people([1, 2, 3], "FR"), T + HOUR)
    entered = {(french.pk, one, "entered") for one in (1, 2, 3)}
    assert set(found.select("segment_id", "customer_id", "kind").rows()) == {(german.pk, 3, "left")} | entered
    assert by_bits(austrian) == by_rows(austrian) == {1, 2}


def test_members_of_before_the_bitmaps_are_taken_from_their_rows() -> None:
    (german,) = segments("DE")
    frame = people(range(1, 7))
    Membership.objects.create(segment=german, customer_id=1, bucket=1, since=T, as_of=T)
    Membership.objects.create(segment=german, customer_id=2, bucket=0, since=T, as_of=T)
    gone = frame.with_columns(country=pl.when(pl.col("customer_id") < 2).then(pl.lit("FR")).otherwise("country"))
    changes = membership.refresh(gone, T + HOUR)
    assert set(changes.select("customer_id", "kind").rows()) == {(1, "left"), *((n, "entered") for n in range(3, 7))}
    assert by_bits(german) == by_rows(german) == {2, 3, 4, 5, 6}


def test_a_customer_who_is_no_longer_stored_is_not_counted() -> None:
    (german,) = segments("DE")
    frame = people(range(1, 9))
    membership.refresh(frame, T)
    Customer.objects.get(pk=4).delete()
    membership.refresh(frame.filter(pl.col("customer_id") != 4), T + HOUR)
    membership.finish(T + HOUR)
    german.refresh_from_db()
    assert german.size == len(by_rows(german)) == 7
    assert by_bits(german) == by_rows(german)


def test_a_deleted_segment_leaves_nothing_behind() -> None:
    german, austrian = segments("DE", "AT")
    membership.refresh(people(range(1, 9)), T)
    definition.delete(german)
    assert not Membership.objects.exists()
    assert not MembershipChange.objects.exists()
    assert {one.segment_id for one in Bitmap.objects.all()} == {austrian.pk}


def test_the_same_pass_again_writes_nothing() -> None:
    segments("DE")
    frame = people(range(1, 9))
    membership.refresh(frame, T)
    before = [bytes(one.bits) for one in Bitmap.objects.order_by("bucket")]
    assert membership.refresh(frame, T).is_empty()
    assert [bytes(one.bits) for one in Bitmap.objects.order_by("bucket")] == before


def test_a_membership_written_while_its_customer_was_erased_goes_with_the_rewriting() -> None:
    (german,) = segments("DE")
    frame = people(range(1, 3))
    erasure.erase("c-1", T, "asked for it")
    membership.refresh(frame, T + HOUR)
    assert by_rows(german) == {1, 2}
    erasure.rewrite(T + 2 * HOUR)
    assert by_rows(german) == {2}


def test_a_segment_that_cannot_be_answered_keeps_its_bits_while_others_come_and_go() -> None:
    german, _ = segments("DE", "AT")
    frame = people(range(4, 20))
    membership.refresh(frame, T)
    Segment.objects.filter(pk=german.pk).update(rule={"version": 1, "rule": {"field": "gone", "op": "is_true"}})
    Customer.objects.get(pk=6).delete()
    frame = people([1, 2, 3, *(n for n in range(4, 20) if n != 6)])
    membership.refresh(frame, T + HOUR)
    assert by_bits(german) == by_rows(german) == set(range(4, 20)) - {6}
    german.save()
    assert {row["kind"] for row in membership.refresh(frame, T + 2 * HOUR).to_dicts()} == {"entered"}
    assert by_bits(german) == by_rows(german) == set(range(1, 20)) - {6}


def test_totals_count_who_ever_entered_and_left() -> None:
    (german,) = segments("DE")
    frame = people(range(1, 9))
    membership.refresh(frame, T)
    membership.refresh(frame.with_columns(country=pl.lit("AT")).head(3), T + HOUR)
    membership.refresh(frame.head(1), T + 2 * HOUR)
    assert bitmaps.totals([german.pk]) == {german.pk: bitmaps.Totals(6, 9, 3)}
