"""What the receiving side reports becomes events, closes addresses, and clears doubts."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns import deliver, feedback
from campaigns.feedback import FeedbackRefused
from campaigns.models import Delivery
from customers import consent
from customers.models import Consent, Event
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
WHEN = T0 + timedelta(hours=2)


def sent() -> Delivery:
    (delivery,) = planned_mails(1)
    deliver.deliver(T0)
    return delivery


def report(delivery: Delivery, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "event_type": kind,
        "message_id": f"<{delivery.public_id}@example.test>",
        "timestamp": WHEN.isoformat(),
        **more,
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("delivered", "Email Delivered"),
        ("opened", "Email Opened"),
        ("clicked", "Email Link Clicked"),
        ("bounced", "Email Bounced"),
        ("complained", "Email Marked as Spam"),
        ("unsubscribed", "Unsubscribed"),
    ],
)
def test_a_report_is_an_event_once(kind: str, name: str) -> None:
    delivery = sent()
    assert [feedback.receive("email", report(delivery, kind)) for _ in range(2)] == [name, name]
    event = Event.objects.get(name=name)
    assert (event.customer_id, event.occurred_at) == (delivery.customer_id, WHEN)


def test_two_clicks_are_two_events() -> None:
    delivery = sent()
    for number in range(2):
        feedback.receive("email", report(delivery, "clicked", click_url=f"https://shop.example/{number}"))
    urls = {event.properties["url"] for event in Event.objects.filter(name="Email Link Clicked")}
    assert urls == {"https://shop.example/0", "https://shop.example/1"}


@pytest.mark.parametrize("kind", ["bounced", "complained"])
def test_a_bounce_or_complaint_closes_the_address(kind: str) -> None:
    feedback.receive("email", report(sent(), kind))
    assert consent.is_suppressed("email", "c0@example.test")


def test_an_open_or_click_closes_nothing() -> None:
    delivery = sent()
    feedback.receive("email", report(delivery, "opened"))
    feedback.receive("email", report(delivery, "clicked"))
    assert consent.is_allowed(delivery.customer_id, "email", "newsletter")


def test_an_unsubscribe_at_the_provider_withdraws_the_topic() -> None:
    delivery = sent()
    feedback.receive("email", report(delivery, "unsubscribed"))
    assert not Consent.objects.get(customer=delivery.customer, channel="email").is_granted


def test_a_delivery_in_doubt_is_cleared_by_a_report() -> None:
    delivery = sent()
    Event.objects.all().delete()
    Delivery.objects.update(state="uncertain", is_told=False)
    feedback.receive("email", report(delivery, "delivered"))
    assert Delivery.objects.get().state == "sent"
    assert set(Event.objects.values_list("name", flat=True)) == {"Email Sent", "Email Delivered"}


def test_a_report_about_somebody_elses_mail_is_left_alone() -> None:
    sent()
    payload = {"event_type": "bounced", "message_id": "<other@elsewhere>", "timestamp": WHEN}
    assert feedback.receive("email", payload) is None
    assert not Event.objects.filter(name="Email Bounced").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event_type": "exploded"}, "event_type: expects one of delivered, opened"),
        ({"message_id": ""}, "message_id: is missing"),
        ({"message_id": 7}, "message_id: expects a text, got int"),
        ({"timestamp": "yesterday"}, "timestamp: expects a time with its zone, got 'yesterday'"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "timestamp: expects a time with its zone"),
        ({"timestamp": "2026-01-01T00:00:00"}, "timestamp: expects a time with its zone"),
    ],
)
def test_a_report_that_cannot_be_read_is_refused_with_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FeedbackRefused, match=message):
        feedback.receive("email", report(sent(), "bounced") | change)
    assert not Event.objects.filter(name="Email Bounced").exists()
    assert not consent.is_suppressed("email", "c0@example.test")


def test_another_channel_or_shape_is_refused() -> None:
    with pytest.raises(FeedbackRefused, match="channel: there is no feedback for 'phone'"):
        feedback.receive("phone", report(sent(), "bounced"))
    with pytest.raises(FeedbackRefused, match="expects an object, got list"):
        feedback.receive("email", [])
