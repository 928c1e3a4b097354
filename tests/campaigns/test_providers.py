"""What mail providers report, each in its own words and by its own proof, is acted on; what is forged is not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from campaigns import deliver, feedback, providers
from campaigns.channels import relays
from campaigns.models import Delivery, DeliveryAttempt
from customers import consent
from customers.models import Consent, Event, Suppression
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.once, pytest.mark.django_db]
SECRET, KEY = "cusp:correct-horse-battery", "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
FOLDER = Path(__file__).parent / "feedback"
PROVIDERS = sorted(path.stem for path in FOLDER.glob("*.json"))
WHEN = datetime(2026, 3, 1, 14, tzinfo=UTC)


@pytest.fixture(autouse=True)
def opened(settings: Settings) -> None:
    """Let providers prove their reports."""
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": KEY}


@pytest.fixture
def sent() -> Delivery:
    """Give a mail that was sent at T0 to c0."""
    (delivery,) = planned_mails(1)
    deliver.deliver(T0)
    return Delivery.objects.get(pk=delivery.pk)


def recorded(provider: str, kind: str, delivery: Delivery) -> Any:
    """Give a recorded report, about this delivery."""
    told = json.loads((FOLDER / f"{provider}.json").read_text().replace("DELIVERY", delivery.public_id))[kind]
    return signed(told) if provider == "mailgun" else told


def signed(report: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    told = {"timestamp": "1772373600", "token": "50dcec4a2d0ef27036c44ff39ce6324ae3b6d5a9d1d2d9ef8e"}
    text = (told["timestamp"] + told["token"]).encode()
    return report | {"signature": told | {"signature": hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}}


def post(client: Client, provider: str, report: Any, secret: str | None = SECRET) -> HttpResponse:
    """Post a report as its provider does."""
    headers = {} if secret is None else {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    if provider == "amazon-ses":
        headers |= {"X-Amz-Sns-Message-Type": report["Type"], "X-Amz-Sns-Message-Id": report["MessageId"]}
    body = report if isinstance(report, str) else json.dumps(report)
    return client.post(f"/feedback/{provider}/", body, content_type="application/json", headers=headers)  # type: ignore[return-value]


def again(delivery: Delivery, days: int = 100) -> Delivery:
    """Plan one more mail to the same customer."""
    at = T0 + timedelta(days=days)
    return people.planned(delivery.customer, delivery.decision.campaign, due=at)


def is_untouched() -> bool:
    names = ("Email Bounced", "Email Marked as Spam", "Unsubscribed")
    return not Suppression.objects.exists() and not Event.objects.filter(name__in=names).exists()


def test_seven_providers_are_heard() -> None:
    assert sorted(providers.VIEWS) == PROVIDERS
    assert len(PROVIDERS) == 7


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [("bounce", "Email Bounced", "bounced"), ("complaint", "Email Marked as Spam", "complained")],
)
def test_a_recorded_bounce_or_complaint_ends_as_suppression_and_a_refused_next_send(
    client: Client, sent: Delivery, provider: str, kind: str, name: str, reason: str
) -> None:
    report = recorded(provider, kind, sent)
    assert [post(client, provider, report).status_code for _ in range(2)] == [200, 200]
    event = Event.objects.get(name=name)
    assert event.customer_id == sent.customer_id
    assert abs(event.occurred_at - WHEN) < timedelta(seconds=1)
    assert event.properties["delivery"] == sent.public_id
    assert Suppression.objects.get().reason == reason
    refused = again(sent)
    assert deliver.deliver(refused.due_at) == {"cancelled": 1}
    assert Delivery.objects.get(pk=refused.pk).reason == "The address is suppressed."


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_forged_report_changes_nothing(client: Client, sent: Delivery, provider: str) -> None:
    report = recorded(provider, "bounce", sent)
    assert post(client, provider, report, secret=None).status_code == 401
    assert post(client, provider, report, secret="cusp:guessed-guessed-guessed").status_code == 403
    assert is_untouched()


@pytest.mark.parametrize("change", ["another key", "another time", "no signature", "no block"])
def test_a_report_of_mailgun_that_is_signed_wrongly_changes_nothing(
    client: Client, sent: Delivery, change: str
) -> None:
    report = recorded("mailgun", "bounce", sent)
    forged = {
        "another key": signed(report, key="key-of-somebody-else"),
        "another time": report | {"signature": report["signature"] | {"timestamp": "1772379999"}},
        "no signature": report | {"signature": {"timestamp": "1", "token": "1"}},
        "no block": {"event-data": report["event-data"]},
    }
    assert post(client, "mailgun", forged[change]).status_code == 403
    assert is_untouched()


def test_mailguns_signature_alone_proves_its_reports(client: Client, sent: Delivery, settings: Settings) -> None:
    settings.ANYMAIL = {"WEBHOOK_SECRET": "", "MAILGUN_WEBHOOK_SIGNING_KEY": KEY}
    report = recorded("mailgun", "bounce", sent)
    assert post(client, "mailgun", signed(report, "key-x"), secret=None).status_code == 403
    assert is_untouched()
    assert post(client, "mailgun", report, secret=None).status_code == 200
    assert consent.is_suppressed("email", "c0@example.test")


@pytest.mark.parametrize("provider", [*PROVIDERS, "unknown"])
def test_a_webhook_without_proof_is_closed(client: Client, sent: Delivery, settings: Settings, provider: str) -> None:
    settings.ANYMAIL = {"WEBHOOK_SECRET": "", "MAILGUN_WEBHOOK_SIGNING_KEY": ""}
    report = {"Type": "x", "MessageId": "x"} if provider == "unknown" else recorded(provider, "bounce", sent)
    assert post(client, provider, report).status_code == 404
    assert is_untouched()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_three_soft_bounces_in_a_row_close_an_address_and_fewer_do_not(
    client: Client, sent: Delivery, provider: str
) -> None:
    mails = [sent, again(sent), again(sent)]
    for mail in mails[:2]:
        assert [post(client, provider, recorded(provider, "soft", mail)).status_code for _ in range(2)] == [200, 200]
    assert set(Event.objects.filter(name="Email Bounced").values_list("properties__bounce", flat=True)) == {"soft"}
    assert not Suppression.objects.exists()
    post(client, provider, recorded(provider, "soft", mails[2]))
    assert consent.is_suppressed("email", "c0@example.test")


def bounced(delivery: Delivery, day: int, kind: str = "bounced") -> None:
    at = (T0 + timedelta(days=day)).isoformat()
    feedback.receive("email", {"event_type": kind, "delivery": delivery.public_id, "timestamp": at, "bounce": "soft"})


def test_a_mail_that_arrived_begins_the_row_of_soft_bounces_anew(sent: Delivery) -> None:
    mails = [sent, again(sent), again(sent), again(sent)]
    bounced(mails[0], 1)
    bounced(mails[1], 2)
    bounced(mails[1], 3, "delivered")
    bounced(mails[2], 4)
    bounced(mails[3], 5)
    assert not Suppression.objects.exists()


def test_soft_bounces_of_long_ago_are_no_row(sent: Delivery) -> None:
    for day, mail in ((1, sent), (8, again(sent)), (16, again(sent))):
        bounced(mail, day)
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_arrival_is_an_event_and_clears_a_doubt(client: Client, sent: Delivery, provider: str) -> None:
    Delivery.objects.update(state="uncertain", is_told=False)
    assert post(client, provider, recorded(provider, "delivered", sent)).status_code == 200
    assert Event.objects.filter(name="Email Delivered").count() == 1
    assert Delivery.objects.get().state == "sent"
    assert not Suppression.objects.exists()


def test_a_mail_is_found_by_what_the_provider_calls_it(client: Client, sent: Delivery) -> None:
    report = recorded("postmark", "bounce", sent) | {"Metadata": {}}
    assert post(client, "postmark", report).status_code == 200
    assert is_untouched(), "no mail of ours is called so"
    DeliveryAttempt.objects.filter(delivery=sent).update(provider_id=report["MessageID"])
    post(client, "postmark", report)
    assert consent.is_suppressed("email", "c0@example.test")


def test_openings_and_clicks_are_left_to_our_own_links(client: Client, sent: Delivery) -> None:
    report = recorded("postmark", "delivered", sent) | {"RecordType": "Open", "ReceivedAt": "2026-03-01T14:00:00Z"}
    assert post(client, "postmark", report).status_code == 200
    assert not Event.objects.filter(name="Email Opened").exists()


def test_leaving_at_the_provider_withdraws_the_topic(client: Client, sent: Delivery) -> None:
    report = recorded("sendgrid", "complaint", sent)
    report[0]["event"] = "unsubscribe"
    post(client, "sendgrid", report)
    assert not Consent.objects.get(customer=sent.customer, channel="email").is_granted


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", ["", "{", "null", "7", '"x"', "[7]", "[" * 100_000])
def test_a_report_that_cannot_be_read_is_no_fault_of_ours(
    client: Client, sent: Delivery, provider: str, body: str
) -> None:
    headers = {"Authorization": f"Basic {base64.b64encode(SECRET.encode()).decode()}"}
    answer = client.post(f"/feedback/{provider}/", body, content_type="application/json", headers=headers)
    assert answer.status_code in (400, 403)
    assert is_untouched()


def test_one_report_that_cannot_be_used_does_not_hold_up_the_others(
    client: Client, sent: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    good = recorded("sendgrid", "bounce", sent)
    bad = [good[0] | {"smtp-id": 7, "timestamp": None}, {"event": "bounce"}]
    assert post(client, "sendgrid", [*bad[1:], *good]).status_code == 200
    assert consent.is_suppressed("email", "c0@example.test")
    assert "was left out" in caplog.text


def test_a_report_without_end_is_refused(client: Client) -> None:
    assert post(client, "postmark", "x" * (providers.MOST_BYTES + 1)).status_code == 413
    assert client.get("/feedback/postmark/").status_code == 405


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("smtp.postmarkapp.com", {"X-PM-Metadata-delivery": "abc-1"}),
        ("smtp.sendgrid.net", {"X-SMTPAPI": '{"unique_args": {"delivery": "abc-1"}}'}),
        ("smtp.eu.mailgun.org", {"X-Mailgun-Variables": '{"delivery": "abc-1"}'}),
        ("in-v3.mailjet.com", {"X-MJ-EventPayload": '{"delivery": "abc-1"}'}),
        ("email-smtp.eu-central-1.amazonaws.com", {"X-Metadata": '{"delivery": "abc-1"}'}),
        ("mail.example.test", {}),
        ("notmailjet.com", {}),
        ("", {}),
    ],
)
def test_a_mail_names_its_delivery_as_the_provider_wants_it(host: str, headers: dict[str, str]) -> None:
    assert relays.headers(host, "abc-1") == headers
