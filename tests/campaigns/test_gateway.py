"""SMS and push messages go through a gateway, within consent, caps and quiet hours; STOP and receipts come back."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from campaigns import deliver, outages
from campaigns.models import Campaign, Delivery, DeliveryAttempt, FrequencyCap, Gateway, Offer, OfferCode, Programme
from customers import consent, devices
from customers.models import Consent, Customer, Event, Identity, Suppression
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.campaigns.webhooks.receivers import SECRET, Receiver, receiving, saying, webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + timedelta(minutes=1)
SMS = {"action": "sms", "text": "Hi {{ customer.first_name | default: 'you' }}!"}
PUSH = {"action": "push", "title": "New", "text": "Look at this", "url": "https://shop.example.test/new"}


@pytest.fixture(autouse=True)
def house(settings: Any) -> None:
    settings.WEBHOOK_ALLOW = ["127.0.0.0/8"]
    Programme.objects.create(holdout_share=0.0, cap_messages=5, cap_days=7)


@pytest.fixture
def taken() -> Iterator[Receiver]:
    with receiving(saying(202, body=b'{"id": "m-1"}')) as server:
        carry(server)
        yield server


def carry(server: Receiver) -> None:
    hook = webhook("gate", url=server.url)
    for channel in ("sms", "push"):
        Gateway.objects.create(channel=channel, webhook=hook)


def planned(step: dict[str, Any], channel: str = "sms", **changes: Any) -> Delivery:
    (who,) = people.customers(1, channels=("email", channel))
    return people.planned(who, people.campaign(steps=[step], **changes), step["action"])


def told(server: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body)["data"] for _, body in server.got]


def reports(type_: str, **data: Any) -> Callable[[], Any]:
    """Give a signed report that can be posted again and again."""
    hook = Gateway.objects.first()
    assert hook is not None
    body = json.dumps({"type": type_, "timestamp": timezone.now().isoformat(), "data": data})
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "r-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(SECRET).sign("r-1", at, body),
    }
    path = f"/gateway/{hook.webhook.public_id}/"
    return lambda: Client().post(path, body, content_type="application/json", headers=headers)


def test_an_sms_is_handed_to_its_gateway_signed_under_the_id_of_its_delivery(taken: Receiver) -> None:
    delivery = planned(SMS)
    Programme.objects.update(sms_opt_out="Reply STOP to stop")
    assert deliver.deliver(LATER) == {"sent": 1}
    ((headers, body),) = taken.got
    assert headers["webhook-id"] == delivery.public_id
    assert Signer(SECRET).verify(body, headers)["type"] == "message.sms"
    (data,) = told(taken)
    assert (data["to"], data["text"]) == ("+49300000000", "Hi First0!\nReply STOP to stop")
    assert DeliveryAttempt.objects.get().provider_id == "m-1"
    event = Event.objects.get()
    assert (event.name, event.properties["delivery"]) == ("SMS Sent", delivery.public_id)
    assert deliver.deliver(LATER + timedelta(hours=1)) == {}


def test_an_sms_speaks_the_language_of_its_customer_and_shows_her_code(taken: Receiver) -> None:
    people.offer()
    text = {"action": "sms", "text": "Code {{ offer.code }}", "offer": "ten"}
    planned({**text, "languages": {"de": {"text": "Ihr Code {{ offer.code }}, {{ offer.value }} weniger"}}})
    Customer.objects.update(language="de-AT")
    assert deliver.deliver(LATER) == {"sent": 1}
    code = OfferCode.objects.get()
    assert (code.state, Offer.objects.count()) == ("given", 1)
    assert told(taken)[0]["text"] == f"Ihr Code {code.code}, 10 weniger"


@pytest.mark.parametrize(
    ("consents", "address", "is_closed", "said"),
    [
        ((), "+49301234567", False, "There is no consent for sms:newsletter."),
        (("sms",), None, False, "There is no phone number."),
        (("sms",), "+49301234567", True, "The address is suppressed."),
    ],
)
def test_nobody_gets_an_sms_without_consent_number_or_with_a_closed_one(
    consents: tuple[str, ...], address: str | None, is_closed: bool, said: str, taken: Receiver
) -> None:
    planned(SMS)
    Consent.objects.exclude(channel__in=consents).delete()
    Customer.objects.update(phone=address)
    if is_closed and address:
        consent.suppress("sms", address, Suppression.Reason.BY_HAND, T0)
    assert deliver.deliver(LATER) == {"cancelled": 1}
    assert (Delivery.objects.get().reason, taken.got) == (said, [])


def test_an_sms_counts_with_mails_against_the_cap_of_all_channels(taken: Receiver) -> None:
    delivery = planned(SMS)
    Programme.objects.update(cap_messages=1)
    people.planned(delivery.customer, people.campaign("mails"), state="sent", began_at=T0)
    assert deliver.deliver(LATER) == {"cancelled": 1}
    assert "the cap is 1" in Delivery.objects.get(pk=delivery.pk).reason
    assert taken.got == []


def test_a_cap_of_sms_leaves_mails_alone(taken: Receiver) -> None:
    first = planned(SMS)
    FrequencyCap.objects.create(channel="sms", messages=1, days=7)
    people.planned(first.customer, Campaign.objects.get(), "sms")
    people.planned(first.customer, people.campaign("mails"))
    assert deliver.deliver(LATER) == {"sent": 2, "cancelled": 1}
    assert len(taken.got) == 1


def test_no_sms_begins_in_the_quiet_hours(taken: Receiver) -> None:
    planned(SMS, when_limited="delay")
    Customer.objects.update(time_zone="UTC")
    Programme.objects.update(quiet_from=time(11), quiet_until=time(14))
    assert deliver.deliver(LATER) == {"planned": 1}
    assert (Delivery.objects.get().due_at, taken.got) == (T0.replace(hour=14), [])


def test_all_devices_get_a_push_message_and_a_dead_one_is_forgotten() -> None:
    with receiving(saying(200, body=b'{"id": "p", "unknown": ["token-b", "not-hers"]}')) as server:
        carry(server)
        delivery = planned(PUSH, "push")
        for token in ("token-a", "token-b"):
            Identity.objects.create(customer=delivery.customer, kind="device", value=token, known_at=T0)
        assert deliver.deliver(LATER) == {"sent": 1}
        (data,) = told(server)
    assert data["to"] == ["token-a", "token-b"]
    assert (data["title"], data["url"]) == ("New", "https://shop.example.test/new")
    assert devices.of([delivery.customer_id]) == {delivery.customer_id: ["token-a"]}
    assert Event.objects.get().name == "Push Sent"


def test_who_has_no_device_gets_no_push_message(taken: Receiver) -> None:
    planned(PUSH, "push")
    assert deliver.deliver(LATER) == {"cancelled": 1}
    assert Delivery.objects.get().reason == "There is no device that takes messages."


def drop(connection: socket.socket, number: int) -> None:
    """Take the request and hang up."""
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("behave", "state", "said"),
    [
        (saying(400, body=b'{"error": "too long"}'), "failed", "The gateway answers 400 too long."),
        (saying(404), "failed", "The gateway answers 404."),
        (saying(429), "planned", "The gateway answers 429."),
        (saying(503), "planned", "The gateway answers 503."),
        (saying(302), "planned", "The gateway answers 302."),
        (drop, "uncertain", "The gateway was told, and its answer is lost"),
    ],
)
def test_an_answer_means_refused_later_or_unknown(
    behave: Callable[[socket.socket, int], None], state: str, said: str
) -> None:
    with receiving(behave) as server:
        carry(server)
        planned(SMS)
        assert deliver.deliver(LATER) == {state: 1}
        again = deliver.deliver(LATER + timedelta(seconds=1))
    assert again == {}
    assert said in DeliveryAttempt.objects.get().receipt
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("status", [404, 410])
def test_a_number_that_the_gateway_does_not_know_is_closed_for_sms_alone(status: int) -> None:
    with receiving(saying(status, body=b'{"error": "unknown_address"}')) as server:
        carry(server)
        planned(SMS)
        assert deliver.deliver(LATER) == {"failed": 1}
    assert list(Suppression.objects.values_list("channel", "reason")) == [("sms", "bounced")]


def test_while_the_gateway_cannot_be_reached_messages_wait_and_no_attempt_is_lost() -> None:
    hook = webhook("gate", url="http://127.0.0.1:9/")
    Gateway.objects.create(channel="sms", webhook=hook)
    planned(SMS)
    assert deliver.deliver(LATER) == {"planned": 1}
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("planned", 0)
    assert outages.is_closed("sms", LATER + timedelta(seconds=1))
    assert not DeliveryAttempt.objects.exists()


def test_without_a_gateway_messages_wait_and_say_what_is_missing() -> None:
    planned(SMS)
    assert deliver.deliver(LATER) == {"planned": 1}
    assert "No gateway carries SMS" in Delivery.objects.get().reason


def test_stop_ends_every_consent_for_sms_and_closes_the_number(taken: Receiver) -> None:
    delivery = planned(SMS)
    consent.grant(delivery.customer_id, "sms", "sales", "a form", T0)
    post = reports("message.received", **{"from": "+49300000000", "text": " Stop. "})
    assert [post().json() for _ in range(2)] == [{"told": "Unsubscribed"}] * 2
    granted = Consent.objects.filter(is_granted=True).values_list("channel", flat=True)
    assert list(granted) == ["email"]
    assert Suppression.objects.get().reason == "unsubscribed"
    assert Event.objects.filter(name="Unsubscribed").count() == 1
    assert deliver.deliver(LATER) == {"cancelled": 1}


def test_another_answer_is_an_event_and_ends_nothing(taken: Receiver) -> None:
    planned(SMS)
    reports("message.received", **{"from": "+49300000000", "text": "Thanks, stop by soon"})()
    assert Event.objects.get().name == "SMS Received"
    assert Consent.objects.filter(channel="sms", is_granted=True).exists()


def test_a_receipt_settles_what_was_uncertain_and_is_one_event(taken: Receiver) -> None:
    delivery = planned(SMS)
    Delivery.objects.update(state="uncertain", began_at=T0)
    post = reports("message.delivered", delivery=delivery.public_id)
    assert [post().status_code for _ in range(2)] == [200, 200]
    assert Delivery.objects.get().state == "sent"
    assert Event.objects.filter(name="SMS Delivered").count() == 1


def test_a_forged_report_changes_nothing(taken: Receiver) -> None:
    delivery = planned(SMS)
    Delivery.objects.update(state="uncertain")
    body = json.dumps({"type": "message.delivered", "data": {"delivery": delivery.public_id}})
    path = f"/gateway/{Gateway.objects.all()[0].webhook.public_id}/"
    at = datetime.now(UTC)
    forged = {"webhook-id": "x", "webhook-timestamp": str(int(at.timestamp()))}
    other = Signer("whsec_" + "A" * 43 + "=").sign("x", at, body)
    for signature in ("", "v1,AAAA", other):
        headers = {**forged, "webhook-signature": signature}
        assert Client().post(path, body, content_type="application/json", headers=headers).status_code == 401
    assert (Delivery.objects.get().state, Event.objects.count()) == ("uncertain", 0)
    assert Client().post("/gateway/nobody/", body, content_type="application/json").status_code == 404


@pytest.mark.parametrize("data", [{"delivery": 3}, {"delivery": "x" * 400}])
def test_a_report_that_cannot_be_read_is_refused_with_its_place(data: dict[str, Any], taken: Receiver) -> None:
    answer = reports("message.failed", **data)()
    assert (answer.status_code, answer.json()["message"].startswith("data.delivery: expects a text")) == (400, True)
    assert reports("message.lost", **data)().status_code == 400
