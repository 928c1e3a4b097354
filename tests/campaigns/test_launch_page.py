"""The one page on which a campaign is planned, checked and started."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import Settings

from campaigns import asking, launch
from campaigns.models import Campaign, Delivery, MailDesign, Programme, Slot
from config import roles
from customers.models import AuditEntry
from segments.models import Segment
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ADD = "/admin/campaigns/campaign/add/"
SCORE = {"trigger_kind": "score", "score": "lapse", "direction": "above", "enter": "0.7", "leave": "0.6"}
ENTERS = {"trigger_kind": "segment", "segment": "regulars"}


@pytest.fixture
def boss(client: Client, settings: Settings) -> Client:
    settings.BUCKETS, settings.TIME_ZONE = 4, "UTC"
    world.fill()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def opened(boss: Client, asked: dict[str, str]) -> dict[str, Any]:
    """Open the page by a link, and give what a browser would post of it."""
    return posted(boss.get(ADD, asked).context["adminform"].form)


def posted(form: Any) -> dict[str, Any]:
    shown = {name: form[name].value() for name in form.fields}
    told = {name: field.prepare_value(shown[name]) for name, field in form.fields.items()}
    return {
        "edition": form.edition_shown,
        **{name: value for name, value in told.items() if value not in (None, False)},
    }


def page_of(campaign: Campaign) -> str:
    return f"/admin/campaigns/campaign/{campaign.pk}/launch/"


def drafted(boss: Client, **changes: str) -> Campaign:
    boss.post(ADD, {**opened(boss, SCORE), **changes})
    return Campaign.objects.get(state="draft")


def person(role: str) -> Client:
    roles.make()
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    found = Client()
    found.force_login(user)
    return found


@pytest.mark.parametrize("asked", [SCORE, ENTERS], ids=["score", "segment"])
def test_what_a_link_fills_in_may_start_as_it_stands(boss: Client, asked: dict[str, str]) -> None:
    told = opened(boss, asked)
    assert told["name"]
    said = boss.post(ADD, {**told, "_start": "1"}, follow=True).content.decode()
    stored = Campaign.objects.get(name=told["name"])
    assert f"{stored.name} is live." in said.replace("&amp;", "&")
    assert "What happens next" in said
    assert (stored.state, stored.control_share, stored.entry, stored.cooldown_days) == ("live", 0.1, "days", 30)
    assert re.fullmatch(r"[a-z0-9-]+", stored.key)
    assert not stored.fires_on_start
    assert AuditEntry.objects.filter(what="campaign launched", about=stored.key).exists()


def test_an_offer_that_nobody_wrote_shows_its_code(boss: Client) -> None:
    told = opened(boss, ENTERS)
    boss.post(ADD, {**told, "action": "offer", "offer": "ten", "_start": "1"})
    stored = Campaign.objects.get(state="live", trigger__segment="regulars", steps__0__action="offer")
    assert "{{ offer.code }}" in stored.steps[0]["body"]


def test_those_who_match_already_and_a_pilot_are_asked_about_with_the_number(boss: Client) -> None:
    told = opened(boss, SCORE)
    shown = boss.post("/admin/campaigns/campaign/check/", told).content.decode()
    plan = drafted(boss)
    matching = launch.waiting(plan)
    assert matching > 1
    assert f"{matching} customers match already. Is it for them, too?" in shown
    answers = {**posted(boss.get(page_of(plan)).context["adminform"].form), "whom": "also", "how_many": "few"}
    said = boss.post(page_of(plan), {**answers, "_start": "1"}, follow=True).content.decode()
    plan.refresh_from_db()
    assert (plan.state, plan.pilot_share, plan.fires_on_start) == ("live", 0.05, True)
    assert f"{matching} customers match already; it acts on them in the next cycle." in said


def test_a_campaign_by_hand_may_be_sent_at_once(boss: Client) -> None:
    regulars = Segment.objects.get(key="regulars")
    told = {**opened(boss, {"trigger_kind": "hand"}), "name": "Now", "audience": str(regulars.pk)}
    shown = boss.post("/admin/campaigns/campaign/check/", told).content.decode()
    assert "It goes by hand, to " in shown
    boss.post(ADD, {**told, "whom": "also", "_start": "1"})
    assert Slot.objects.get().campaign.key == "now"


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"score": ""}, "score", "Choose a score."),
        ({"trigger_kind": ""}, "trigger_kind", "Choose what makes a customer due."),
        ({"body": "Hello {{ customer.first_name }}"}, "body", "not every customer has customer.first_name"),
        ({"control_share": "95"}, "control_share", "less than or equal to 90"),
        ({"name": ""}, "name", "This field is required."),
        ({"how_many": "own", "pilot_share": "0"}, "pilot_share", "0.001"),
        ({"trigger_kind": "hand", "audience": ""}, "audience", "Choose the segment that it acts on."),
    ],
)
def test_what_is_wrong_is_said_by_the_check_with_a_link_and_refused_at_the_start(
    boss: Client, wrong: dict[str, str], field: str, said: str
) -> None:
    told = {**opened(boss, SCORE), **wrong}
    shown = boss.post("/admin/campaigns/campaign/check/", told).content.decode()
    assert f'data-to="{field}"' in shown
    assert said.lower() in shown.lower()
    assert "to mend before it can start" in shown
    before = Campaign.objects.count()
    form = boss.post(ADD, {**told, "_start": "1"}).context["adminform"].form
    assert said in " ".join(form.errors[field])
    assert Campaign.objects.count() == before


def test_a_design_is_ready_to_send_once_its_buttons_lead_somewhere(boss: Client) -> None:
    content = {
        "subject": "Ours",
        "blocks": [{"kind": "button", "label": "Come in", "url": "https://www.example.com/"}],
    }
    MailDesign.objects.create(key="ours", name="Ours", content=content, created_at=world.T, changed_at=world.T)
    told = {**opened(boss, SCORE), "written": "blocks", "design": "ours"}
    form = boss.post(ADD, {**told, "_start": "1"}).context["adminform"].form
    assert "write your own address" in form.errors["leads_to"][0]
    boss.post(ADD, {**told, "leads_to": "https://shop.invalid/spring", "_start": "1"})
    stored = Campaign.objects.get(name=told["name"])
    assert (stored.state, stored.steps[0]["content"]["blocks"][0]["url"]) == ("live", "https://shop.invalid/spring")


def test_without_scripts_a_press_shows_the_check_and_stores_nothing(boss: Client) -> None:
    before = Campaign.objects.count()
    answer = boss.post(ADD, {**opened(boss, SCORE), "_check": "1"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Nothing stands against it." in page
    assert "match already. Is it for them, too?" in page
    assert Campaign.objects.count() == before


def test_a_plan_that_was_changed_in_another_tab_is_said_and_not_started(boss: Client) -> None:
    plan = drafted(boss)
    told = posted(boss.get(page_of(plan)).context["adminform"].form)
    launch.edit(plan, None, world.T, goal_days=3)
    form = boss.post(page_of(plan), {**told, "_start": "1"}).context["adminform"].form
    assert "Somebody changed this campaign after you opened it" in form.non_field_errors()[0]
    plan.refresh_from_db()
    assert (plan.state, plan.goal_days) == ("draft", 3)


def test_who_may_not_launch_is_told_whom_to_ask(boss: Client) -> None:
    plan, marketer = drafted(boss), person("marketer")
    page = marketer.get(page_of(plan)).content.decode()
    assert "You may not launch. Ask somebody who may: boss." in page
    assert 'name="_start"' not in page
    form = marketer.get(page_of(plan)).context["adminform"].form
    assert marketer.post(page_of(plan), {**posted(form), "_start": "1"}).status_code == 403
    plan.refresh_from_db()
    assert plan.state == "draft"


def test_who_may_only_launch_reads_the_check_and_starts_what_was_read(boss: Client) -> None:
    plan, approver = drafted(boss), person("approver")
    page = approver.get(page_of(plan)).content.decode()
    assert "Nothing stands against it." in page
    assert 'name="subject"' not in page
    edition = launch.edition(plan)
    launch.edit(plan, None, world.T, goal_days=3)
    refused = approver.post(page_of(plan), {"edition": edition, "_start": "1"}, follow=True).content.decode()
    assert "it is not started" in refused
    plan.refresh_from_db()
    told = {"edition": launch.edition(plan), "how_many": "few", "_start": "1"}
    approver.post(page_of(plan), told)
    plan.refresh_from_db()
    assert (plan.state, plan.pilot_share) == ("live", 0.05)


@pytest.mark.parametrize("state", ["live", "paused"])
def test_what_runs_is_saved_as_a_new_version_and_not_started_again(boss: Client, state: str) -> None:
    plan = drafted(boss)
    launch.launch(plan, None, world.T)
    if state == "paused":
        launch.pause(plan, None, world.T)
    answer = boss.get(page_of(plan))
    page = answer.content.decode()
    assert f"It is {state}: what you save holds at once, as version 2." in page
    assert 'name="_start"' not in page
    boss.post(page_of(plan), {**posted(answer.context["adminform"].form), "goal_days": "7"})
    plan.refresh_from_db()
    assert (plan.state, plan.goal_days, plan.version) == (state, 7, 2)


def test_a_stopped_campaign_has_no_page_to_change_it(boss: Client) -> None:
    plan = drafted(boss)
    launch.stop(plan, None, world.T)
    assert "was stopped for good" in boss.get(page_of(plan), follow=True).content.decode()


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"kind": "event", "event": "Order Completed"}, "Within seconds of what a customer does"),
        ({"kind": "schedule", "every": "day", "at": "09:30"}, "It acts on its whole audience on "),
        ({"kind": "hand"}, "“Send now” begins it"),
        ({"kind": "segment", "segment": "regulars", "edge": "entered"}, "nobody gets it for that"),
    ],
)
def test_the_page_of_what_is_live_says_what_happens_next_and_when(
    boss: Client, trigger: dict[str, str], said: str
) -> None:
    one = Campaign.objects.get(key="win-back")
    Campaign.objects.filter(pk=one.pk).update(trigger=trigger)
    assert said in boss.get(f"/admin/campaigns/campaign/{one.pk}/change/").content.decode()


def test_what_needs_a_second_person_is_asked_for_and_started_once_it_is_approved(boss: Client) -> None:
    Programme.objects.update(approval_customers=0)
    told = opened(boss, SCORE)
    shown = boss.post("/admin/campaigns/campaign/check/", told).content.decode()
    assert 'data-need="ask"' in shown
    form = boss.post(ADD, {**told, "_start": "1"}).context["adminform"].form
    assert "Ask for the approval of a second person." in form.non_field_errors()[0]
    boss.post(ADD, {**told, "_ask": "1"})
    plan = Campaign.objects.get(name=told["name"])
    asked = plan.approvals.get()
    assert (plan.state, asked.asked_by, asked.is_granted) == ("draft", "boss", None)
    approver = person("approver")
    asking.answer(plan, User.objects.get(username="approver"), world.T, is_granted=True)
    page = approver.get(page_of(plan)).content.decode()
    assert "approver approved it" in page
    approver.post(page_of(plan), {"edition": launch.edition(plan), "_start": "1"})
    plan.refresh_from_db()
    assert plan.state == "live"


def test_the_check_tells_what_the_size_can_show_and_which_line_pays(boss: Client) -> None:
    world.take_snapshot()
    shown = boss.post("/admin/campaigns/campaign/check/", opened(boss, SCORE)).content.decode()
    assert "What it can show" in shown
    assert "The line that pays" in shown
    assert "If it acted now" in shown
    assert "Match now" in shown


def test_names_of_customers_are_shown_to_those_who_may_see_customers(boss: Client) -> None:
    world.take_snapshot()
    Programme.objects.update(holdout_share=0.0, cap_messages=100)
    told = {**opened(boss, ENTERS), "control_share": "0"}
    assert "<b>c-000" in boss.post("/admin/campaigns/campaign/check/", told).content.decode()
    plan = drafted(boss, control_share="0")
    page = person("approver").get(page_of(plan)).content.decode()
    assert "c-000" not in page


def test_a_change_while_messages_go_out_is_said_and_made_only_where_it_is_asked_for(boss: Client) -> None:
    plan = Campaign.objects.get(key="win-back")
    Delivery.objects.filter(decision__campaign=plan).update(state="sending")
    form = boss.get(page_of(plan)).context["adminform"].form
    told = {**posted(form), "subject": "Come back"}
    shown = boss.post(f"/admin/campaigns/campaign/check/?of={plan.pk}", told).content.decode()
    assert "Those who are already in it" in shown
    assert "being sent right now: as begun, by the version before" in shown
    refused = boss.post(page_of(plan), told)
    assert "being handed over at this moment" in refused.context["adminform"].form.non_field_errors()[0]
    assert 'name="while_sending"' in refused.content.decode()
    plan.refresh_from_db()
    assert plan.version == 1
    boss.post(page_of(plan), {**told, "while_sending": "1"})
    plan.refresh_from_db()
    assert (plan.version, plan.steps[0]["subject"]) == (2, "Come back")


def test_a_change_of_what_is_live_beyond_the_limits_needs_a_second_person(boss: Client) -> None:
    plan = Campaign.objects.get(key="win-back")
    Programme.objects.update(approval_budget=100.0)
    told = posted(boss.get(page_of(plan)).context["adminform"].form)
    form = boss.post(page_of(plan), {**told, "budget": "500"}).context["adminform"].form
    assert "is more than the 100.00 of one person" in form.non_field_errors()[0]
    assert boss.post(page_of(plan), {**told, "name": "Another"}).status_code == 302


def test_a_draft_shows_its_newest_back_test_and_the_way_to_another(boss: Client) -> None:
    plan = drafted(boss)
    told = posted(boss.get(page_of(plan)).context["adminform"].form)
    shown = boss.post(f"/admin/campaigns/campaign/check/?of={plan.pk}", told).content.decode()
    assert "Nothing was tried yet" in shown
    assert f"/admin/campaigns/campaign/{plan.pk}/backtest/" in shown
    new = boss.post("/admin/campaigns/campaign/check/", opened(boss, SCORE)).content.decode()
    assert "Save it as a draft to try it on the last weeks" in new
