"""The pages on which every decision and delivery is looked up, and what is in doubt is settled."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from campaigns import customer_story, uncertain
from campaigns.models import Decision, Delivery, DeliveryAttempt, MailLink, Touch, WebhookAttempt, WebhookMessage
from customers import consent
from customers.models import Alert, AuditEntry
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.campaigns.webhooks.receivers import webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
State = Delivery.State
IN_DOUBT: dict[str, Any] = {"state": State.UNCERTAIN, "began_at": T0, "reason": "The connection was lost."}


def allowed(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def listed(client: Client, model: str, **query: Any) -> set[int]:
    answer = client.get(reverse(f"admin:campaigns_{model}_changelist"), query)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def test_decisions_are_found_by_campaign_outcome_arm_variant_cause_and_day(boss: Client) -> None:
    (ada, bob) = people.customers(2)
    main = people.campaign(variants=[{"key": "b", "share": 0.5, "step": people.EMAIL_STEP}])
    other = people.campaign("other")
    first = people.planned(ada, main).decision
    second = people.planned(bob, other, due=T0 + timedelta(days=1)).decision
    changed = {"outcome": "control", "arm": "control", "variant": "b", "cause": "time"}
    Decision.objects.filter(pk=second.pk).update(**changed)
    for query in (
        {"campaign__id__exact": other.pk},
        {"outcome__exact": "control"},
        {"arm": "control"},
        {"variant": "b"},
        {"cause": "time"},
        {"day": "2026-03-02"},
        {"q": "c1"},
        {"q": "C1@example.test"},
    ):
        assert listed(boss, "decision", **query) == {second.pk}, query
    assert listed(boss, "decision", day="2026-03-01") == {first.pk}
    assert listed(boss, "decision", day="no day") == {first.pk, second.pk}
    assert listed(boss, "delivery", campaign=main.pk) == {first.deliveries.get().pk}


def test_the_page_of_a_delivery_shows_attempts_headers_and_who_touched_it(boss: Client) -> None:
    (ada,) = people.customers(1)
    delivery = people.planned(ada, people.campaign(), state=State.SENT)
    DeliveryAttempt.objects.create(delivery=delivery, number=1, began_at=T0, result="accepted", receipt="250 Taken")
    link = MailLink.objects.create(sha256="0" * 64, url="https://shop.test/sale")
    Touch.objects.create(delivery=delivery, kind="click", at=T0, link=link, method="GET", is_machine=False)
    Touch.objects.create(
        delivery=delivery, kind="open", at=T0, method="GET", agent="<Scanner>", is_machine=True, why="It asks first."
    )
    page = boss.get(reverse("admin:campaigns_delivery_change", args=[delivery.pk])).content.decode()
    for said in ("250 Taken", "https://shop.test/sale", "a machine: It asks first.", "a person", "&lt;Scanner&gt;"):
        assert said in page
    assert f"Message-ID: &lt;{delivery.public_id}@" in page


def test_a_selection_in_doubt_is_settled_with_a_reason_and_noted(boss: Client) -> None:
    campaign, (ada, bob, eve) = people.campaign(), people.customers(3)
    first, second, third = (people.planned(one, campaign, **IN_DOUBT) for one in (ada, bob, eve))
    address = reverse("admin:campaigns_delivery_uncertain")
    page = boss.get(address).content.decode()
    assert "3 messages in doubt" in page
    assert "The connection was lost." in page
    boss.post(address, {"delivery": [first.pk, second.pk], "what": "arrived", "reason": "  "})
    assert uncertain.waiting().count() == 3
    boss.post(address, {"delivery": [first.pk, second.pk], "what": "arrived", "reason": "It is in the log."})
    assert set(Delivery.objects.filter(state=State.SENT)) == {first, second}
    boss.post(address, {"delivery": [third.pk], "what": "again", "reason": "It is not in the log."})
    assert Delivery.objects.filter(customer=eve, state=State.PLANNED).count() == 1
    assert "No message is in doubt" in boss.get(address).content.decode()
    notes = AuditEntry.objects.filter(what="delivery resolved").order_by("pk")
    assert [note.detail["reason"] for note in notes] == ["It is in the log."] * 2 + ["It is not in the log."]
    assert {note.by.get_username() for note in notes if note.by} == {"boss"}


def test_one_in_doubt_is_settled_on_its_own_page(boss: Client) -> None:
    (ada,) = people.customers(1)
    delivery = people.planned(ada, people.campaign(), **IN_DOUBT)
    boss.post(reverse("admin:campaigns_delivery_do", args=[delivery.pk, "arrived"]), {"said": "She answered."})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.resolution) == (State.SENT, "She answered.")


def test_who_may_only_look_settles_nothing(client: Client) -> None:
    (ada,) = people.customers(1)
    delivery = people.planned(ada, people.campaign(), **IN_DOUBT)
    clerk, address = allowed(client, "view_delivery"), reverse("admin:campaigns_delivery_uncertain")
    assert "You may see these, and not settle them." in clerk.get(address).content.decode()
    settled = {"delivery": [delivery.pk], "what": "arrived", "reason": "Because."}
    assert clerk.post(address, settled).status_code == 403
    clerk.post(reverse("admin:campaigns_delivery_do", args=[delivery.pk, "arrived"]), {"said": "Because."})
    assert uncertain.waiting().count() == 1


def test_the_inbox_has_one_alert_while_any_delivery_is_in_doubt() -> None:
    campaign, known = people.campaign(), people.customers(2)
    first, second = (people.planned(one, campaign, **IN_DOUBT) for one in known)
    uncertain.sweep(T0)
    uncertain.sweep(T0 + timedelta(minutes=1))
    alert = Alert.objects.get()
    assert (alert.kind, alert.state) == (Alert.Kind.SENDING, Alert.State.OPEN)
    assert alert.sentence.startswith("2 messages are in doubt")
    assert alert.link == reverse("admin:campaigns_delivery_uncertain")
    uncertain.resolve([first.pk], None, T0, "It is in the log.", arrived=True)
    alert.refresh_from_db()
    assert alert.sentence.startswith("One message is in doubt")
    uncertain.resolve([second.pk], None, T0, "It is in the log.", arrived=True)
    alert.refresh_from_db()
    assert alert.state == Alert.State.DONE


def test_the_page_of_a_customer_tells_the_story_of_one_kind_or_of_all(boss: Client) -> None:
    (ada,) = people.customers(1)
    delivery = people.planned(ada, people.campaign(), state=State.SENT, ended_at=T0)
    consent.grant(ada.pk, "email", "sale", "on the phone", T0 + timedelta(days=1))
    address = reverse("admin:customers_customer_change", args=[ada.pk])
    page = boss.get(address).content.decode()
    assert "The story so far" in page
    assert page.index("Agreed: E-mail, sale") < page.index("E-mail of Winback: sent")
    assert "what happened when" in page
    assert "Scores over time" in page
    only = boss.get(address, {"kind": "consents"}).content.decode()
    assert "Agreed: E-mail, sale" in only
    assert "E-mail of Winback: sent" not in only
    assert delivery.pk


def test_why_and_why_not_is_answered_for_all_live_campaigns_and_for_one(boss: Client) -> None:
    (ada, bob) = people.customers(2)
    people.planned(ada, people.campaign(trigger={"kind": "hand"}))
    address = reverse("admin:campaigns_decision_explain")
    assert "Say who, by external id or e-mail address." in boss.get(address).content.decode()
    assert "No customer has the id" in boss.get(address, {"customer": "nobody"}).content.decode()
    of_all = boss.get(address, {"customer": str(bob.email)}).content.decode()
    assert "never considered" in of_all
    assert "customer=c1&amp;campaign=winback" in of_all
    of_one = boss.get(address, {"customer": "c0", "campaign": "winback"}).content.decode()
    assert "The draw was 0.5000: arm treated" in of_one
    assert "What would have to change" in of_one


def test_the_page_of_a_campaign_says_what_is_open_with_links_to_the_rows(boss: Client) -> None:
    campaign, (ada, _) = people.campaign(trigger={"kind": "hand"}), people.customers(2)
    delivery = people.planned(ada, campaign)
    address = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    page = boss.get(address).content.decode()
    assert "not done" in page
    found = re.search(r'deliveries planned</td><td><a class="cusp-link" href="([^"]+)"', page)
    assert found is not None
    rows = boss.get(html.unescape(found[1])).context["cl"].result_list
    assert [row.pk for row in rows] == [delivery.pk]
    Delivery.objects.update(state=State.SENT)
    assert (
        "Nothing is open: every decision and every delivery has come to its end." in boss.get(address).content.decode()
    )


def test_who_may_not_see_customers_is_not_told_why(client: Client) -> None:
    clerk = allowed(client, "view_decision")
    assert clerk.get(reverse("admin:campaigns_decision_explain"), {"customer": "c0"}).status_code == 403


@pytest.mark.parametrize(
    ("state", "said"),
    [("planned", "handed over, not taken yet"), ("taken", "taken"), ("failed", "given up")],
)
def test_a_delivery_to_another_program_stands_as_its_message_does(boss: Client, state: str, said: str) -> None:
    (ada,) = people.customers(1)
    campaign = people.campaign(steps=[{"action": "webhook", "webhook": "crm"}])
    delivery = people.planned(ada, campaign, "webhook", state=State.SENT, ended_at=T0)
    to = webhook("crm")
    message = WebhookMessage.objects.create(
        webhook=to, type="campaign.acted", body="{}", delivery=delivery, state=state, created_at=T0, due_at=T0
    )
    WebhookAttempt.objects.create(message=message, number=1, at=T0, status=503, answer="Closed for today")
    page = boss.get(reverse("admin:campaigns_delivery_change", args=[delivery.pk])).content.decode()
    assert said.capitalize() in page
    assert "503: Closed for today" in page
    assert ("It can be sent again on its own page" in page) == (state == "failed")
    assert reverse("admin:campaigns_webhookmessage_change", args=[message.pk]) in page
    for address in (
        reverse("admin:campaigns_delivery_changelist"),
        reverse("admin:campaigns_decision_change", args=[delivery.decision_id]),
    ):
        assert said.capitalize() in boss.get(address).content.decode()
    assert [one.words for one in customer_story.story(ada, "deliveries")] == [f"Webhook of {campaign}: {said}"]
