"""Nobody is contactable without a recorded consent, and a closed address stays closed."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from customers import consent
from customers.models import Consent, ConsentChange, Suppression
from tests.customers.people import make_customer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 1, 1, tzinfo=UTC)
LATER = T + timedelta(days=1)


def test_nobody_may_be_contacted_without_consent() -> None:
    customer = make_customer("a", email="a@example.test")
    assert not consent.is_allowed(customer.pk, "email", "news")
    consent.grant(customer.pk, "email", "news", "form", T)
    assert consent.is_allowed(customer.pk, "email", "news")
    assert not consent.is_allowed(customer.pk, "email", "offers")
    assert not consent.is_allowed(customer.pk, "sms", "news")


def test_consent_without_an_address_reaches_nobody() -> None:
    customer = make_customer("a")
    consent.grant(customer.pk, "email", "news", "form", T)
    assert not consent.is_allowed(customer.pk, "email", "news")
    assert consent.reachable("email", pl.Series([customer.pk])).to_list() == []


def test_a_withdrawal_holds_and_history_keeps_both() -> None:
    customer = make_customer("a", email="a@example.test")
    assert consent.grant(customer.pk, "email", "news", "form", T) == 1
    assert consent.grant(customer.pk, "email", "news", "form", LATER) == 0
    assert consent.withdraw(customer.pk, "email", "news", "link", LATER) == 1
    assert not consent.is_allowed(customer.pk, "email", "news")
    assert list(ConsentChange.objects.order_by("at").values_list("is_granted", flat=True)) == [True, False]


def test_an_older_message_does_not_undo_a_newer_one() -> None:
    customer = make_customer("a", email="a@example.test")
    consent.withdraw(customer.pk, "email", "news", "link", LATER)
    assert consent.grant(customer.pk, "email", "news", "form", T) == 0
    assert not Consent.objects.get().is_granted


def test_a_closed_address_is_closed_in_any_spelling() -> None:
    customer = make_customer("a", email="Ann@Example.test")
    consent.grant(customer.pk, "email", "news", "form", T)
    assert consent.reachable("email", pl.Series([customer.pk])).to_list() == [customer.pk]
    consent.suppress("email", "ann@example.TEST", Suppression.Reason.BOUNCED, T)
    consent.suppress("email", "ann@example.test ", Suppression.Reason.COMPLAINED, LATER)
    assert Suppression.objects.get().reason == "bounced"
    assert not consent.is_allowed(customer.pk, "email", "news")
    assert consent.reachable("email", pl.Series([customer.pk])).to_list() == []
    assert "ann@" not in Suppression.objects.get().hint


def test_hashes_of_a_column_are_those_of_its_addresses() -> None:
    hashes = consent.hashes_of("email", pl.Series(["A@b.test", None]))
    assert hashes.to_list() == [consent.hash_of("email", "a@b.test"), None]


def test_the_last_word_of_a_batch_wins() -> None:
    customer = make_customer("a")
    rows = [(customer.pk, "email", "news", True, "x"), (customer.pk, "email", "news", False, "y")]
    changes = pl.DataFrame(rows, schema=consent.CHANGES, orient="row")
    assert consent.record(changes, T) == 1
    assert not Consent.objects.get().is_granted
