"""In the admin: the history of a plan, one put back or copied, an edit while it runs, and approval by two."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from campaigns import approval, asking, launch
from campaigns.models import Campaign, Programme
from customers.models import AuditEntry, EventName
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers, lapse_model, planned

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NEW = [{**EMAIL_STEP, "subject": "Hello again"}]
FORM = {
    "name": "Winback",
    "trigger_kind": "score",
    "score": "lapse",
    "direction": "above",
    "enter": "0.7",
    "leave": "0.6",
    "action": "email",
    "written": "text",
    "subject": "Hello again",
    "body": EMAIL_STEP["body"],
    "topic": "newsletter",
    "control_share": "0",
    "goal_event": "Order Completed",
    "goal_days": "14",
}


@pytest.fixture
def one(settings: Settings) -> Campaign:
    settings.BUCKETS, settings.TIME_ZONE = 1, "UTC"
    Programme.objects.create(holdout_share=0.0)
    EventName.objects.create(name="Order Completed")
    lapse_model()
    made = campaign(state=Campaign.State.DRAFT)
    launch.launch(made, None, T0)
    return made


def person(name: str, *permissions: str) -> Client:
    user, client = User.objects.create(username=name, is_staff=True), Client()
    codes = ("view_campaign", *permissions)
    user.user_permissions.set(Permission.objects.filter(codename__in=codes, content_type__app_label="campaigns"))
    client.force_login(user)
    return client


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(client: Client, of: Campaign, rest: str = "change/", **told: Any) -> str:
    address = f"/admin/campaigns/campaign/{of.pk}/{rest}"
    answer = client.post(address, told, follow=True) if told else client.get(address)
    of.refresh_from_db()
    return answer.content.decode()


def press(client: Client, of: Campaign, name: str, said: str = "") -> str:
    """Press a button, which must be offered; give the page that follows."""
    assert f"/do/{name}/" in page(client, of)
    return page(client, of, f"do/{name}/", said=said)


def test_the_history_says_who_changed_what_and_a_version_stands_beside_the_present(boss: Client, one: Campaign) -> None:
    launch.edit(one, User.objects.create(username="ada"), T0, steps=NEW)
    history = page(boss, one, "versions/")
    assert "The subject “Hello” became “Hello again”." in history
    assert "<td>ada</td>" in history
    first = page(boss, one, "versions/1/")
    assert "Put version 1 back" in first
    assert first.count("<iframe") == 2
    assert "From it to the present plan" in first
    assert f"/admin/campaigns/campaign/{one.pk}/versions/" in page(boss, one)


def test_a_version_is_put_back_by_a_press_or_refused_with_a_sentence(boss: Client, one: Campaign) -> None:
    launch.edit(one, None, T0, steps=NEW)
    done = page(boss, one, "versions/1/revert/", yes="1")
    assert "Version 1 holds again, as version 3." in done
    assert one.steps == [EMAIL_STEP]
    assert "is that of version 1 already" in page(boss, one, "versions/1/revert/", yes="1")
    planned(customers(1)[0], one, state="claimed", token="x")
    assert "1 message is being handed over" in page(boss, one, "versions/2/revert/", yes="1")
    assert one.version == 3
    page(boss, one, "versions/2/revert/", while_sending="1")
    assert one.version == 4


def test_who_may_only_look_puts_nothing_back_and_copies_nothing(one: Campaign) -> None:
    launch.edit(one, None, T0, steps=NEW)
    viewer = person("vera")
    assert "put it back" not in page(viewer, one, "versions/")
    for rest in ("versions/1/revert/", "copy/"):
        assert viewer.post(f"/admin/campaigns/campaign/{one.pk}/{rest}", {"name": "B"}).status_code == 403
    assert viewer.get(f"/admin/campaigns/campaign/{one.pk}/versions/9/").status_code == 404


def test_a_version_is_copied_into_a_draft_with_a_key_of_its_own(boss: Client, one: Campaign) -> None:
    launch.edit(one, None, T0, steps=NEW)
    for expected in ("copy-of-winback", "copy-of-winback-2"):
        page(boss, one, "copy/", name="Copy of Winback", version="1")
        copy = Campaign.objects.latest("pk")
        assert (copy.key, copy.state, copy.steps, copy.edited_by) == (expected, "draft", [EMAIL_STEP], "boss")


def test_an_edit_says_who_is_in_it_already_and_waits_for_what_is_handed_over(boss: Client, one: Campaign) -> None:
    planned(customers(1)[0], one, state="claimed", token="x")
    told = boss.post(f"/admin/campaigns/campaign/check/?of={one.pk}", FORM).content.decode()
    assert "1 message is planned and not begun." in told
    refused = page(boss, one, "launch/", **FORM, _save="1")
    assert "1 message is being handed over at this moment" in refused
    assert 'value="Hello again"' in refused
    assert (one.version, one.steps) == (1, [EMAIL_STEP])
    page(boss, one, "launch/", **FORM, _save="1", while_sending="1")
    assert (one.version, one.steps[0]["subject"]) == (2, "Hello again")


def test_the_composer_asks_before_it_changes_what_is_handed_over(boss: Client, one: Campaign) -> None:
    planned(customers(1)[0], one, state="claimed", token="x")
    content = {"subject": "Hi", "language": "en", "blocks": [{"kind": "text", "text": "Come back."}]}
    address = f"/admin/campaigns/campaign/{one.pk}/compose/save/"
    refused = boss.post(address, {"content": content}, "application/json")
    assert (refused.status_code, "being handed over" in refused.json()["in_flight"]) == (409, True)
    assert (
        boss.post(address, {"content": content, "while_sending": True}, "application/json").json()["said"] == "Saved."
    )
    one.refresh_from_db()
    assert (one.version, one.steps[0]["content"]["subject"]) == (2, "Hi")


def test_a_decision_leads_to_the_version_it_was_made_by(boss: Client, one: Campaign) -> None:
    delivery = planned(customers(1)[0], one)
    told = boss.get(f"/admin/campaigns/decision/{delivery.decision_id}/change/").content.decode()
    assert f'href="/admin/campaigns/campaign/{one.pk}/versions/1/"' in told


def test_two_people_approve_and_start_a_draft(one: Campaign) -> None:
    customers(4)
    Programme.objects.update(approval_customers=3)
    two = campaign("other", state=Campaign.State.DRAFT, launched_at=None, edited_by="mia")
    mia, amy = person("mia", "change_campaign"), person("amy", "launch_campaign")
    assert "It is for up to 4 customers, and one person may decide about 3" in page(mia, two)
    assert "somebody else must answer" in press(mia, two, "ask-approval")
    assert "/do/approve/" not in page(mia, two)
    assert "It is refused." in press(amy, two, "refuse", "Too many.")
    assert "amy refused it" in press(mia, two, "ask-approval") or approval.waiting(two)
    assert "It is approved as it stands." in press(amy, two, "approve")
    launch.launch(two, User.objects.get(username="amy"), T0)
    what = [entry.what for entry in AuditEntry.objects.filter(about="other").order_by("pk")]
    asked = "campaign approval asked"
    assert what == [asked, "campaign approval refused", asked, "campaign approval granted", "campaign launched"]


def test_a_live_plan_above_the_limit_is_changed_after_a_second_person_said_yes(boss: Client, one: Campaign) -> None:
    customers(4)
    Programme.objects.update(approval_customers=3)
    refused = page(boss, one, "launch/", **FORM, _save="1")
    assert "Ask for the approval of a second person." in refused
    assert "Ask for approval of this change" in refused
    page(boss, one, "launch/", **FORM, _ask="1")
    assert (one.version, one.steps) == (1, [EMAIL_STEP])
    amy = person("amy", "launch_campaign")
    assert "The subject “Hello” became “Hello again”." in page(amy, one)
    press(amy, one, "approve")
    assert "The change holds from now on, as version 2." in press(boss, one, "put-approved")
    assert one.steps[0]["subject"] == "Hello again"
    assert one.versions.get(number=2).changed[0] == "As amy approved it for boss."


def test_a_pilot_above_the_limit_is_widened_with_two(boss: Client, one: Campaign) -> None:
    customers(4)
    launch.edit(one, None, T0, pilot_share=0.5)
    Programme.objects.update(approval_customers=3)
    assert "Ask for the approval" in press(boss, one, "widen-100")
    press(boss, one, "ask-wider")
    asking.answer(one, User.objects.create(username="amy"), T0, is_granted=True)
    press(boss, one, "widen-100")
    assert one.pilot_share == 1.0


def test_the_programme_asks_for_the_limits_of_one_person(boss: Client, one: Campaign) -> None:
    assert "What a second person must approve" in boss.get("/admin/campaigns/programme/1/change/").content.decode()
