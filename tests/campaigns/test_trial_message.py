"""An SMS is tried on one's own phone: marked as a test, counted nowhere, and not without end."""

import json
from collections.abc import Mapping

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaigns import trial_message
from campaigns.models import Campaign, Delivery, Gateway, Programme
from campaigns.trial_message import TrialError
from customers.calling import Answer
from customers.models import AuditEntry, Event
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.campaigns.webhooks.receivers import webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]


class Taking:
    """A gateway that takes everything."""

    def __init__(self) -> None:
        self.got: list[dict[str, object]] = []

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.got.append(json.loads(body)["data"])
        return Answer(202)


@pytest.fixture
def plan() -> Campaign:
    Programme.objects.create()
    Gateway.objects.create(channel="sms", webhook=webhook("gate"))
    return people.campaign("texts", state="draft", steps=[{"action": "sms", "text": "Hi {{ customer.first_name }}"}])


def test_a_test_goes_to_ones_own_phone_and_counts_nowhere(plan: Campaign) -> None:
    taking, boss = Taking(), User.objects.create_superuser("boss")
    assert "took it" in trial_message.send(plan, "+49 (30) 123-4567", boss, T0, taking)
    assert taking.got == [{"to": "+49301234567", "text": "[Test] Hi Ada", "is_test": True}]
    assert not Delivery.objects.exists()
    assert not Event.objects.exists()
    assert AuditEntry.objects.get().what == trial_message.SENT


def test_twenty_tests_an_hour_are_enough(plan: Campaign) -> None:
    taking, boss = Taking(), User.objects.create_superuser("boss")
    for _ in range(20):
        trial_message.send(plan, "+49301234567", boss, T0, taking)
    with pytest.raises(TrialError, match="within the hour"):
        trial_message.send(plan, "+49301234567", boss, T0, taking)


def test_what_cannot_be_sent_says_why(plan: Campaign) -> None:
    taking, boss = Taking(), User.objects.create_superuser("boss")
    with pytest.raises(TrialError, match="Write a number as"):
        trial_message.send(plan, "12", boss, T0, taking)
    Programme.objects.update(is_sending_stopped=True)
    with pytest.raises(TrialError, match="All sending is stopped"):
        trial_message.send(plan, "+49301234567", boss, T0, taking)
    Programme.objects.update(is_sending_stopped=False)
    Gateway.objects.all().delete()
    with pytest.raises(TrialError, match="No gateway carries SMS"):
        trial_message.send(plan, "+49301234567", boss, T0, taking)
    assert taking.got == []


def test_the_page_of_the_campaign_offers_it(plan: Campaign) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    page = client.get(f"/admin/campaigns/campaign/{plan.pk}/change/").content.decode()
    assert "Your number, as +49301234567" in page
    answer = client.post(f"/admin/campaigns/campaign/{plan.pk}/try/", {"to": "me"}, follow=True)
    assert "Write a number as +49301234567." in answer.content.decode()
