"""A customer says herself what she wants to hear about, and that holds from then on."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client

from campaigns import deliver, links, preferences, unsubscribe
from campaigns.links import Purpose
from campaigns.models import Delivery
from customers import consent, merging, topics
from customers.models import Channel, Consent, ConsentChange, Customer, Event, Suppression, Topic
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]


@pytest.fixture
def strict() -> Client:
    """Give a client without cookies whose POSTs need a CSRF token."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def delivery() -> Delivery:
    """Give a planned mail about the newsletter, to somebody who may also choose sales."""
    Topic.objects.create(key="sales", name="Sales & offers", description="At most twice a month.", position=1)
    return planned_mails(1)[0]


def address_of(delivery: Delivery) -> str:
    return urlsplit(preferences.link(delivery.customer, delivery)).path


def standing(channel: str = "email") -> dict[str, bool]:
    return dict(Consent.objects.filter(channel=channel).values_list("topic", "is_granted"))


def chosen(*topics: str, shown: tuple[str, ...] = ("newsletter", "sales")) -> dict[str, object]:
    return {"topic": list(topics), "shown": list(shown), "scope": "topics"}


def test_every_mail_leads_to_the_page(delivery: Delivery) -> None:
    deliver.deliver(T0)
    assert address_of(delivery) in str(mail.outbox[0].alternatives[0][0])  # type: ignore[union-attr]


def test_the_page_shows_what_holds_and_changes_nothing(strict: Client, delivery: Delivery) -> None:
    before = list(ConsentChange.objects.values())
    page = strict.get(address_of(delivery)).content.decode()
    assert 'value="newsletter" checked' in page
    assert 'value="sales"><span>' in page.replace("\n", "")
    assert "Sales &amp; offers" in page
    assert "At most twice a month." in page
    assert strict.head(address_of(delivery)).status_code == 200
    assert list(ConsentChange.objects.values()) == before
    assert not Event.objects.exists()
    assert list(Topic.objects.values_list("key", flat=True)) == ["sales"]


def test_what_she_chooses_is_stored_with_its_history(strict: Client, delivery: Delivery) -> None:
    answer = strict.post(address_of(delivery), chosen("sales"))
    assert answer.status_code == 200
    assert answer.cookies == {}
    page = answer.content.decode()
    assert "From now on you get: Sales &amp; offers." in page
    assert "You no longer get: Newsletter." in page
    assert standing() == {"newsletter": False, "sales": True}
    assert standing("phone") == {"newsletter": True}
    changes = set(ConsentChange.objects.values_list("channel", "topic", "is_granted", "source"))
    assert changes == {("email", "newsletter", False, "preference page"), ("email", "sales", True, "preference page")}
    told = Event.objects.get(name="Preferences Changed").properties
    assert told == {"granted": ["sales"], "withdrawn": ["newsletter"], "delivery": delivery.public_id}
    assert Event.objects.get(name="Unsubscribed").properties["topic"] == "newsletter"


def test_saving_what_holds_says_that_nothing_changed(strict: Client, delivery: Delivery) -> None:
    assert b"Nothing has changed" in strict.post(address_of(delivery), chosen("newsletter")).content
    assert not ConsentChange.objects.exists()
    assert not Event.objects.exists()


def test_nothing_at_all_closes_the_address(strict: Client, delivery: Delivery) -> None:
    consent.grant(delivery.customer_id, "email", "sales", "a form", T0)
    answer = strict.post(address_of(delivery), chosen("newsletter", "sales") | {"scope": "nothing"})
    assert b"will not send you any mail again" in answer.content
    assert standing() == {"newsletter": False, "sales": False}
    assert Suppression.objects.get().reason == "unsubscribed"
    assert deliver.deliver(T0 + timedelta(days=400)) == {"cancelled": 1}
    assert not mail.outbox


def test_who_chooses_again_comes_back(strict: Client, delivery: Delivery) -> None:
    strict.post(address_of(delivery), {"scope": "nothing"})
    assert b"At present you get no mail from us at all" in strict.get(address_of(delivery)).content
    strict.post(address_of(delivery), chosen("newsletter"))
    assert consent.is_allowed(delivery.customer_id, "email", "newsletter")


@pytest.mark.parametrize("reason", ["bounced", "complained", "by_hand", "erased", "do_not_call"])
def test_an_address_that_is_closed_for_another_reason_stays_closed(
    strict: Client, delivery: Delivery, reason: str
) -> None:
    consent.suppress(Channel.EMAIL, "c0@example.test", reason, T0)
    page = strict.post(address_of(delivery), chosen("newsletter", "sales")).content
    assert b"We do not write to your address any more" in page
    assert consent.is_suppressed("email", "c0@example.test")


def test_only_topics_that_were_shown_are_touched(strict: Client, delivery: Delivery) -> None:
    Topic.objects.create(key="receipts", name="Receipts", is_offered=False)
    consent.grant(delivery.customer_id, "email", "receipts", "a form", T0)
    consent.grant(delivery.customer_id, "email", "new-arrivals", "a form", T0)
    strict.post(address_of(delivery), chosen("invented", "receipts", shown=("newsletter", "receipts", "invented")))
    assert standing() == {"newsletter": False, "receipts": True, "new-arrivals": True}


def test_a_topic_that_a_consent_names_appears_by_itself(strict: Client, delivery: Delivery) -> None:
    consent.grant(delivery.customer_id, "email", "new-arrivals", "a form", T0)
    page = strict.get(address_of(delivery)).content.decode()
    assert "<strong>New arrivals</strong>" in page
    assert [topics.note_seen() for _ in range(2)] == [2, 0]
    assert dict(Topic.objects.values_list("key", "name"))["new-arrivals"] == "New arrivals"


@pytest.mark.parametrize("change", ["cut", "nonsense", "unsubscribe", "rating"])
def test_a_link_that_is_not_ours_is_refused_clearly(strict: Client, delivery: Delivery, change: str) -> None:
    tokens = {
        "cut": address_of(delivery).split("/")[2][:-2],
        "nonsense": "nonsense",
        "unsubscribe": unsubscribe.link(delivery.customer, "newsletter", delivery).split("/")[-2],
        "rating": links.token(Purpose.RATING, delivery.customer.public_id, delivery.public_id),
    }
    for answer in (strict.get(f"/p/{tokens[change]}/"), strict.post(f"/p/{tokens[change]}/", {"scope": "nothing"})):
        assert answer.status_code == 404
        assert b"This link does not work" in answer.content
    assert standing() == {"newsletter": True}


def test_links_of_who_became_a_part_of_another_still_work(strict: Client, delivery: Delivery) -> None:
    kept = Customer.objects.create(external_id="kept", seed=1, bucket=1, email="kept@example.test", known_since=T0)
    leave = urlsplit(unsubscribe.link(delivery.customer, "newsletter", delivery)).path
    merging.merge("kept", "c0", T0)
    assert strict.get(address_of(delivery)).status_code == 200
    assert strict.post(leave, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not consent.is_allowed(kept.pk, "email", "newsletter")


def test_the_page_needs_nothing_from_elsewhere_and_names_every_control(strict: Client, delivery: Delivery) -> None:
    page = strict.get(address_of(delivery)).content.decode()
    for sign in ("<script", "http://", "https://", "<img", "<link"):
        assert sign not in page
    assert page.count('<label class="topic">') == page.count('type="checkbox"') == 2
    assert "<legend>" in page
