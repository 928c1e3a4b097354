"""Customers who are new are stored whole, or not at all."""

from datetime import UTC, datetime

import polars as pl
import pytest

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
