"""Actions that contact nobody: attributes, lists, webhooks, nothing; decided, done and told like any other."""

import json
from datetime import time, timedelta
from typing import Any

import pytest

from campaigns import deliver, explain, programme
from campaigns.decide import decide
from campaigns.models import Campaign, Decision, Delivery, DeliveryAttempt, Programme, Webhook, WebhookMessage
from campaigns.reconcile import reconcile
from customers import snapshot
from customers.models import Attribute, AttributeChange, Consent, Customer, Event
from scoring.models import Target
from segments import definition
from segments.models import ListChange, ListMember, Membership, MembershipChange, Segment
from tests.campaigns import people, turns
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + timedelta(minutes=1)
GOLD = {"action": "attribute", "name": "plan", "value": "gold"}
NOTHING = {"action": "nothing"}


def attribute(name: str = "plan", type_: str = "text") -> None:
    Attribute.objects.create(name=name, type=type_)


def vips() -> Segment:
    return definition.save(Segment(key="vips", name="VIPs", kind=Segment.Kind.LIST), None, T0)


def hook() -> Webhook:
    return Webhook.objects.create(key="crm", name="CRM", url="https://crm.example.test/", secret="x", created_at=T0)


def acted(step: dict[str, Any], many: int = 1, **changes: Any) -> list[Customer]:
    """Let a campaign decide about customers without any consent or address, and deliver; nobody is held out."""
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    who = people.customers(many, channels=())
    Customer.objects.update(email=None, phone=None)
    campaign = people.campaign(steps=[step], **changes)
    crossed(who)
    assert reconcile(campaign, T0).decisions == many
    deliver.deliver(LATER)
    return who


def crossed(who: list[Customer]) -> None:
    """Let the lapse score of customers cross the line."""
    Target.objects.get_or_create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    decide(people.frame(who, 0.1, "start"), people.no_changes(), T0 - timedelta(hours=1))
    decide(people.frame(who, 0.9), people.no_changes(), T0)


def receipts() -> list[str]:
    return sorted(set(DeliveryAttempt.objects.values_list("receipt", flat=True)))


def test_an_attribute_is_set_without_consent_or_address_and_says_which_campaign_did_it() -> None:
    attribute()
    (who,) = acted(GOLD)
    who.refresh_from_db()
    assert who.attributes == {"plan": "gold"}
    change = AttributeChange.objects.get()
    assert (change.value, change.known_at, change.source, change.of_import) == ("gold", LATER, "campaign winback", None)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.channel, receipts()) == ("sent", "data", ["plan set to gold."])
    assert reconcile(Campaign.objects.get(), LATER).is_done
    assert not Event.objects.filter(name="Email Sent").exists()


def test_the_page_that_answers_why_tells_what_was_changed() -> None:
    attribute()
    (who,) = acted(GOLD)
    told = explain.sentences(who, Campaign.objects.get(), LATER)
    assert any("plan set to gold." in one for one in told)
    assert any("Change an attribute: done on" in one for one in told)
    assert not [one for one in told if "consent" in one or "no address" in one]


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        ("number", 3, 3),
        ("number", "{{ customer.attributes.visits | plus: 1 }}", 5.0),
        ("yes_no", True, True),
        ("yes_no", "no", False),
        ("date", "2026-12-24", "2026-12-24"),
        ("date", "{{ today }}", "2026-03-01"),
        ("text", "{{ customer.external_id | upcase }}", "C0"),
    ],
)
def test_a_value_is_set_in_the_type_of_its_attribute(type_: str, value: object, stored: object) -> None:
    attribute("told", type_)
    attribute("visits", "number")
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    (who,) = people.customers(1)
    Customer.objects.update(attributes={"visits": 4})
    campaign = people.campaign(steps=[{"action": "attribute", "name": "told", "value": value}])
    people.planned(who, campaign, "attribute")
    assert deliver.deliver(LATER) == {"sent": 1}
    assert AttributeChange.objects.get(name="told").value == stored


def test_a_value_that_does_not_fit_fails_and_changes_nothing() -> None:
    attribute("visits", "number")
    acted({"action": "attribute", "name": "visits", "value": "{{ customer.external_id }}"})
    assert not AttributeChange.objects.exists()
    assert Delivery.objects.get().state == "failed"
    assert receipts() == ["Not set: the attribute visits takes a number, and this is 'c0'."]


def test_customers_come_on_a_list_and_go_off_it_with_their_memberships() -> None:
    segment = vips()
    who = acted({"action": "list", "list": "vips", "does": "add"}, many=3)
    assert set(ListMember.objects.values_list("customer_id", flat=True)) == {one.pk for one in who}
    assert Membership.objects.filter(segment=segment).count() == 3
    change = ListChange.objects.get()
    assert (change.how, change.source, change.read, change.added) == ("added", "campaign winback", 3, 3)
    assert receipts() == ["On the list vips."]
    off = people.campaign("off", steps=[{"action": "list", "list": "vips", "does": "remove"}])
    people.planned(who[0], off, "list", due=LATER)
    assert deliver.deliver(LATER) == {"sent": 1}
    assert Membership.objects.filter(segment=segment).count() == 2
    moved = MembershipChange.objects.filter(customer=who[0]).order_by("as_of", "pk").values_list("kind", flat=True)
    assert list(moved) == ["entered", "left"]


def test_a_webhook_is_told_of_the_customer_once() -> None:
    hook()
    (who,) = acted({"action": "webhook", "webhook": "crm", "data": {"greeting": "Hi {{ customer.first_name }}"}})
    message = WebhookMessage.objects.get()
    delivery = Delivery.objects.get()
    assert (message.type, message.delivery, delivery.state) == ("campaign.acted", delivery, "sent")
    assert json.loads(message.body)["data"] == {
        "customer": who.external_id,
        "campaign": "winback",
        "delivery": delivery.public_id,
        "data": {"greeting": "Hi First0"},
    }
    Delivery.objects.update(state="planned", due_at=LATER)
    assert deliver.deliver(LATER) == {"sent": 1}
    assert WebhookMessage.objects.count() == 1


def test_nothing_is_measured_all_the_same() -> None:
    acted(NOTHING, many=4)
    assert Delivery.objects.filter(state="sent", action="nothing").count() == 4
    assert receipts() == ["Nothing was to be done."]


def test_who_is_held_out_or_control_is_left_as_she_is() -> None:
    attribute()
    who = people.customers(60, channels=())
    people.campaign(steps=[GOLD], control_share=0.4)
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.3})
    crossed(who)
    deliver.deliver(LATER)
    outcomes = dict(Decision.objects.values_list("customer_id", "outcome"))
    assert set(outcomes.values()) == {"deliver", "control", "held_out"}
    gold = set(Customer.objects.filter(attributes__plan="gold").values_list("pk", flat=True))
    assert gold == {pk for pk, outcome in outcomes.items() if outcome == "deliver"}


def test_neither_caps_nor_quiet_hours_hold_up_what_contacts_nobody_and_it_counts_against_no_cap() -> None:
    attribute()
    Programme.objects.update_or_create(
        pk=1, defaults={"holdout_share": 0.0, "cap_messages": 1, "quiet_from": time(0), "quiet_until": time(23, 59)}
    )
    (who,) = people.customers(1)
    Customer.objects.update(time_zone="Europe/Berlin")
    mails, changes = people.campaign("mails"), people.campaign(steps=[GOLD])
    for _ in range(2):
        people.planned(who, mails, state="sent", began_at=T0)
        people.planned(who, changes, "attribute")
    assert deliver.deliver(LATER) == {"sent": 2}
    Programme.objects.update(quiet_from=None, quiet_until=None)
    Delivery.objects.filter(decision__campaign=mails).delete()
    people.planned(who, mails)
    assert deliver.deliver(LATER) == {"sent": 1}


def test_all_sending_stopped_stops_changes_too() -> None:
    attribute()
    programme.current()
    (who,) = people.customers(1)
    people.planned(who, people.campaign(steps=[GOLD]), "attribute")
    Programme.objects.update(is_sending_stopped=True)
    assert deliver.deliver(LATER) == {}
    assert not AttributeChange.objects.exists()


def test_what_a_killed_worker_left_is_done_again_and_changes_once() -> None:
    attribute()
    acted(GOLD)
    gone = LATER - timedelta(days=1)
    Delivery.objects.update(state="sending", lease_until=gone)
    assert deliver.sweep(LATER).planned == 1
    assert deliver.deliver(LATER) == {"sent": 1}
    assert AttributeChange.objects.count() == 1


def test_a_list_or_attribute_that_is_gone_fails_with_its_name() -> None:
    acted({"action": "list", "list": "gone", "does": "add"})
    assert (Delivery.objects.get().state, receipts()) == ("failed", ["There is no list 'gone'."])


def test_a_campaign_that_changes_what_its_own_segment_reads_fires_once() -> None:
    attribute()
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    (who,) = people.customers(1)
    rule = {"field": "attributes.plan", "op": "is", "value": "silver"}
    campaign = turns.watch("silver", rule, steps=[GOLD], entry=Campaign.Entry.EVERY)
    turns.turn(0)
    turns.tell(who, 0.5, plan='"silver"')
    assert turns.turn(1) == {"deliver": 1}
    for hours in (2, 3):
        assert turns.turn(hours) == {}
    who.refresh_from_db()
    assert who.attributes == {"plan": "gold"}
    assert turns.inside(campaign) == set()
    seen = snapshot.load(snapshot.latest() or T0, columns=["attributes.plan"])
    assert seen["attributes.plan"].to_list() == ["gold"]
    turns.tell(who, 3.5, plan='"silver"')
    assert turns.turn(4) == {"deliver": 1}
    assert Consent.objects.filter(customer=who).exists()
