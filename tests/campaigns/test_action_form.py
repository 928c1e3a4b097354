"""The campaign form offers every action in plain words and shows how it would look; a fault is said at its field."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaigns import launch
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, Gateway, Offer, Programme
from customers.models import Attribute, EventName
from segments import definition
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.campaigns.webhooks.receivers import webhook

pytestmark = [pytest.mark.door, pytest.mark.once, pytest.mark.django_db]
PLAN = {
    "name": "Gold",
    "key": "gold",
    "trigger_kind": "hand",
    "control_share": "10",
    "goal_event": "Order Completed",
    "goal_days": "14",
    "topic": "newsletter",
}


@pytest.fixture(autouse=True)
def there() -> None:
    EventName.objects.create(name="Order Completed", is_counted=True)
    Attribute.objects.create(name="plan", type="text")
    Attribute.objects.create(name="visits", type="number")
    Attribute.objects.create(name="vip", type="yes_no")
    webhook("crm")
    Offer.objects.create(key="ten", name="Ten off", value=10.0)
    definition.save(Segment(key="vips", name="VIPs", kind=Segment.Kind.LIST), None, T0)


def filled(action: str, **answers: Any) -> CampaignForm:
    audience = Segment.objects.get(key="vips").pk
    return CampaignForm({**PLAN, "audience": audience, "action": action, **answers}, instance=Campaign(created_at=T0))


@pytest.mark.parametrize(
    ("action", "answers", "step"),
    [
        ("sms", {"sms_text": "Hi"}, {"text": "Hi"}),
        (
            "sms",
            {
                "sms_text": "{{ offer.code }}",
                "offer": "ten",
                "said_0_language": "de",
                "said_0_text": "{{ offer.code }}!",
            },
            {"text": "{{ offer.code }}", "offer": "ten", "languages": {"de": {"text": "{{ offer.code }}!"}}},
        ),
        (
            "push",
            {"push_title": "New", "push_text": "Look", "push_url": "https://shop.example.test/"},
            {"title": "New", "text": "Look", "url": "https://shop.example.test/"},
        ),
        (
            "webhook",
            {"webhook": "crm", "data_0_name": "who", "data_0_text": "{{ customer.email }}"},
            {"webhook": "crm", "data": {"who": "{{ customer.email }}"}},
        ),
        ("attribute", {"attribute_name": "plan", "attribute_value": "gold"}, {"name": "plan", "value": "gold"}),
        ("attribute", {"attribute_name": "visits", "attribute_value": "3"}, {"name": "visits", "value": 3}),
        ("attribute", {"attribute_name": "vip", "attribute_value": "yes"}, {"name": "vip", "value": True}),
        ("list", {"list_key": "vips", "list_does": "remove"}, {"list": "vips", "does": "remove"}),
        ("nothing", {}, {}),
    ],
)
def test_the_answers_become_the_step_and_are_shown_again(
    action: str, answers: dict[str, str], step: dict[str, Any]
) -> None:
    form = filled(action, **answers)
    assert form.is_valid(), form.errors
    stored = form.save()
    assert stored.steps == [{"action": action, **step}]
    again = CampaignForm(instance=stored)
    assert {name: str(again.initial[name]).removesuffix(".0") for name in answers} == answers


@pytest.mark.parametrize(
    ("action", "answers", "field", "said"),
    [
        ("sms", {}, "sms_text", "is missing"),
        ("sms", {"sms_text": "{{ customer.naem }}"}, "sms_text", "did you mean customer.name?"),
        ("sms", {"sms_text": "Hi", "offer": "ten"}, "sms_text", "must show {{ offer.code }}"),
        ("sms", {"sms_text": "x" * 1531}, "sms_text", "is longer than 1,530 characters"),
        ("sms", {"sms_text": "Hi", "said_0_language": "German", "said_0_text": "Hallo"}, "said_0_language", "as de"),
        ("push", {"push_title": "New"}, "push_text", "is missing"),
        ("push", {"push_title": "N", "push_text": "L", "push_url": "javascript://x"}, "push_url", "must begin with"),
        ("webhook", {}, "webhook", "is missing"),
        ("webhook", {"webhook": "crm", "data_0_name": "a b", "data_0_text": "x"}, "data_0_text", "takes letters"),
        ("attribute", {"attribute_value": "gold"}, "attribute_name", "is missing"),
        ("attribute", {"attribute_name": "visits", "attribute_value": "many"}, "attribute_value", "expects a number"),
        ("list", {"list_does": "add"}, "list_key", "is missing"),
    ],
)
def test_a_fault_is_said_at_its_field(action: str, answers: dict[str, str], field: str, said: str) -> None:
    form = filled(action, **answers)
    assert not form.is_valid()
    assert said in " ".join(map(str, form.errors[field]))


@pytest.mark.parametrize(
    ("action", "answers", "shown"),
    [
        ("sms", {"sms_text": "Hi {{ customer.first_name }}"}, ("Hi Ada", "Reply STOP", "of 160 characters: one SMS")),
        ("webhook", {"webhook": "crm", "data_0_name": "who", "data_0_text": "{{ customer.email }}"}, ("ada@example",)),
        ("attribute", {"attribute_name": "plan", "attribute_value": "gold"}, ("is set to <strong>gold", "plan is set")),
        ("list", {"list_key": "vips", "list_does": "add"}, ("comes on the list",)),
        ("nothing", {}, ("nothing is done",)),
    ],
)
def test_the_plan_is_told_with_what_it_would_look_like(
    action: str, answers: dict[str, str], shown: tuple[str, ...]
) -> None:
    Programme.objects.create(sms_opt_out="Reply STOP to stop")
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    audience = Segment.objects.get(key="vips").pk
    answer = boss.post("/admin/campaigns/campaign/check/", {**PLAN, "audience": audience, "action": action, **answers})
    page = answer.content.decode()
    for one in shown:
        assert one in page


def test_an_sms_is_launched_only_where_a_gateway_carries_it() -> None:
    plan = people.campaign("texts", state="draft", trigger={"kind": "hand"}, steps=[{"action": "sms", "text": "Hi"}])
    plan.audience = Segment.objects.get(key="vips")
    plan.save()
    with pytest.raises(launch.LaunchError, match="no gateway carries SMS"):
        launch.check(plan)
    Gateway.objects.create(channel="sms", webhook=webhook("gate"))
    assert launch.check(plan)
