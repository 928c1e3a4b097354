"""Statements whose SQL is kept give what their query gives, whatever the values and however many there are."""

from datetime import UTC, datetime, timedelta

import pytest

from customers.models import Consent, Customer
from customers.statements import Change, Reading

pytestmark = [pytest.mark.door, pytest.mark.django_db]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _customer(number: int) -> Customer:
    return Customer.objects.create(
        external_id=f"c{number}", bucket=0, seed=number, known_since=AT, attributes={"number": number}
    )


def _consent(customer: Customer, since: datetime) -> None:
    Consent.objects.create(customer=customer, channel="email", topic="news", is_granted=True, source="x", since=since)


def test_each_call_finds_what_its_own_values_ask_for() -> None:
    people = [_customer(number) for number in range(4)]
    named = Reading(lambda ids, name: Customer.objects.filter(pk__in=ids, external_id=name))
    ids = [one.pk for one in people]
    assert named.rows(ids, "c1") == [people[1]]
    assert named.rows(ids, "c2") == [people[2]]
    assert named.rows(ids[:2], "c2") == []
    assert named.rows(ids[1:3], "c2")[0].attributes == {"number": 2}


def test_nothing_is_found_or_changed_by_an_empty_list() -> None:
    kept = _customer(1)
    assert Reading(lambda ids: Customer.objects.filter(pk__in=ids)).rows([]) == []
    Change(lambda ids, _: Customer.objects.filter(pk__in=ids), lambda _, city: {"city": city}).run([], "Oslo")
    kept.refresh_from_db()
    assert kept.city is None


def test_times_and_objects_read_along_are_whole() -> None:
    early, late = _customer(1), _customer(2)
    _consent(early, AT - timedelta(days=1))
    _consent(late, AT)
    given = Reading(lambda since: Consent.objects.filter(since__gte=since).select_related("customer").order_by("since"))
    assert [(one.since, one.customer.attributes) for one in given.rows(AT)] == [(AT, {"number": 2})]
    assert [one.customer for one in given.rows(AT - timedelta(days=2))] == [early, late]
    tuples = Reading(lambda since: Consent.objects.filter(since__gte=since).values_list("customer", "since"))
    assert tuples.rows(AT) == [(late.pk, AT)]


def test_a_change_writes_its_own_values_each_time() -> None:
    people = [_customer(number) for number in range(3)]
    moved = Change(lambda ids, _: Customer.objects.filter(pk__in=ids), lambda _, city: {"city": city, "country": None})
    moved.run([one.pk for one in people[:2]], "Oslo")
    moved.run([one.pk for one in people[1:]], "Rome")
    assert list(Customer.objects.order_by("pk").values_list("city", flat=True)) == ["Oslo", "Rome", "Rome"]
