"""A customer leaves with one click; nothing else that touches the link changes anything."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import mail, signing
from django.test import Client

from campaigns import deliver, unsubscribe
from campaigns.models import Delivery
from customers import consent
from customers.models import Consent, Event, Suppression
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def strict() -> Client:
    """Give a client without cookies whose POSTs need a CSRF token."""
    return Client(enforce_csrf_checks=True)


def address_of(delivery: Delivery) -> str:
    return urlsplit(unsubscribe.link(delivery.customer, delivery.decision.campaign.topic, delivery)).path


def is_granted(delivery: Delivery) -> bool:
    return Consent.objects.get(customer=delivery.customer, channel="email").is_granted


def test_one_click_from_the_mail_itself_unsubscribes(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    deliver.deliver(T0)
    header = str(mail.outbox[0].extra_headers["List-Unsubscribe"])
    answer = strict.post(urlsplit(header.strip("<>")).path, ONE_CLICK)
    assert (answer.status_code, answer.cookies) == (200, {})
    assert not is_granted(delivery)
    event = Event.objects.get(name="Unsubscribed")
    assert event.customer_id == delivery.customer_id
    assert event.properties == {"topic": "newsletter", "delivery": delivery.public_id}


def test_looking_at_the_page_changes_nothing(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    for answer in (strict.get(address_of(delivery)), strict.head(address_of(delivery))):
        assert answer.status_code == 200
    assert is_granted(delivery)
    assert not Event.objects.exists()
    assert b"Do you want to unsubscribe?" in strict.get(address_of(delivery)).content


def test_unsubscribing_between_plan_and_delivery_means_nothing_is_sent(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    strict.post(address_of(delivery), ONE_CLICK)
    assert deliver.deliver(T0 + timedelta(days=400)) == {"cancelled": 1}
    assert not mail.outbox


def test_unsubscribing_twice_is_the_same_as_once(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    assert [strict.post(address_of(delivery), ONE_CLICK).status_code for _ in range(2)] == [200, 200]
    assert Event.objects.filter(name="Unsubscribed").count() == 1


def test_everything_closes_the_address(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    answer = strict.post(address_of(delivery), {"scope": "everything"})
    assert b"will not send you any mail again" in answer.content
    assert Suppression.objects.get().reason == "unsubscribed"
    assert consent.is_suppressed("email", "c0@example.test")


def test_only_the_mails_own_topic_is_withdrawn(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    consent.grant(delivery.customer_id, "email", "receipts", "a form", T0)
    strict.post(address_of(delivery), ONE_CLICK)
    standing = dict(Consent.objects.filter(channel="email").values_list("topic", "is_granted"))
    assert standing == {"newsletter": False, "receipts": True}


@pytest.mark.parametrize("change", ["cut", "forged", "other purpose", "nonsense"])
def test_a_link_that_is_not_ours_is_refused_clearly(strict: Client, change: str) -> None:
    (delivery,) = planned_mails(1)
    about = [delivery.customer.public_id, "newsletter", delivery.public_id]
    token = address_of(delivery).split("/")[2]
    tokens = {
        "cut": token[:-3],
        "forged": signing.Signer(key="another key", salt=unsubscribe.PURPOSE, sep=".").sign_object(about),
        "other purpose": signing.Signer(salt="campaigns.click", sep=".").sign_object(about),
        "nonsense": "nonsense",
    }
    for answer in (strict.get(f"/u/{tokens[change]}/"), strict.post(f"/u/{tokens[change]}/", ONE_CLICK)):
        assert answer.status_code == 404
        assert b"This link does not work" in answer.content
    assert is_granted(delivery)


def test_a_signed_text_of_another_shape_is_refused(strict: Client) -> None:
    token = signing.Signer(salt=unsubscribe.PURPOSE, sep=".").sign_object({"a": 1})
    assert strict.get(f"/u/{token}/").status_code == 404


def test_a_customer_who_is_gone_is_refused_clearly(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    address = address_of(delivery)
    delivery.customer.delete()
    assert strict.post(address, ONE_CLICK).status_code == 404


def test_the_link_names_nobody_in_plain_words() -> None:
    (delivery,) = planned_mails(1)
    delivery.customer.external_id = "zerlina-quastenberg"
    delivery.customer.save(update_fields=["external_id"])
    link = unsubscribe.link(delivery.customer, "newsletter", delivery)
    assert "zerlina" not in link.lower()
    assert "example.test" not in link


def test_the_page_needs_nothing_from_elsewhere(strict: Client) -> None:
    (delivery,) = planned_mails(1)
    page = strict.get(address_of(delivery)).content.decode()
    for sign in ("<script", "http://", "https://", "<img", "<link"):
        assert sign not in page
