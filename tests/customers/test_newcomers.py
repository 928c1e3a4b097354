"""Customers who are new are stored whole, or not at all."""

from datetime import UTC, datetime

import polars as pl
import pytest
from django.db import connection

from customers import newcomers
from customers.models import AttributeChange, Consent, ConsentChange, Customer, Identity
from tests.customers.people import make_customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def told(*ids: str) -> newcomers.Told:
    """Give a country, a changed plan, an address and a permission of each."""
    facts = [
        (one, name, value, day)
        for one in ids
        for name, value, day in (
            ("country", '"DE"', NOW),
            ("plan", '"basic"', NOW.replace(month=1)),
            ("plan", '"basic"', NOW.replace(month=2)),
            ("plan", '"pro"', NOW),
            ("gone", None, NOW),
        )
    ]
    return newcomers.Told(
        pl.DataFrame({"external_id": ids, "email": [f"{one}@example.org" for one in ids]}),
        pl.DataFrame(facts, schema=["external_id", "name", "value", "known_at"], orient="row"),
        pl.DataFrame({"external_id": ids}).with_columns(
            channel=pl.lit("email"), topic=pl.lit("news"), is_granted=True, source=pl.lit("till")
        ),
    )


def new(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"external_id": ids}).with_columns(known_since=pl.lit(NOW).dt.convert_time_zone("UTC"))


def test_a_newcomer_has_her_facts_address_and_permission_at_once() -> None:
    newcomers.store(new("ada", "bob"), told("ada"), NOW, None)
    ada, bob = Customer.objects.order_by("external_id")
    assert (ada.email, ada.country, ada.attributes) == ("ada@example.org", "DE", {"plan": "pro"})
    assert (bob.email, bob.country, bob.attributes) == (None, None, {})
    changes = AttributeChange.objects.order_by("name", "known_at").values_list("customer", "name", "value")
    assert list(changes) == [(ada.pk, "country", "DE"), (ada.pk, "plan", "basic"), (ada.pk, "plan", "pro")]
    assert Identity.objects.filter(kind="external", value="ada").get().customer == ada
    assert Consent.objects.get().customer == ConsentChange.objects.get().customer == ada


def test_who_was_stored_by_somebody_else_meanwhile_is_left_to_the_slower_way() -> None:
    make_customer("ada")
    assert newcomers.store(new("ada", "bob"), told("ada", "bob"), NOW, None).is_empty()
    assert not Customer.objects.filter(external_id="bob").exists()
    assert not AttributeChange.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_of_portions_stored_side_by_side_each_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(newcomers.PORTION, "postgresql", 2)
    make_customer("dora")
    names = ["ada", "bob", "carl", "dora", "emil", "fred", "gina"]
    done: list[tuple[int, int]] = []
    stored = newcomers.store(new(*names), told(*names), NOW, None, lambda *so_far: done.append(so_far))
    fresh = ["ada", "bob", "emil", "fred", "gina"]
    assert stored["external_id"].to_list() == fresh
    assert done == [(2, 7), (6, 7), (7, 7)]
    assert dict(Customer.objects.exclude(external_id="dora").values_list("external_id", "pk")) == dict(
        stored.iter_rows()
    )
    for table in (Identity, Consent, ConsentChange):
        theirs = table.objects.filter(customer__in=stored["customer_id"].to_list())
        assert set(theirs.values_list("customer__external_id", flat=True)) == set(fresh)
        assert not table.objects.filter(customer__external_id="carl").exists()
    assert AttributeChange.objects.count() == 3 * len(fresh)
