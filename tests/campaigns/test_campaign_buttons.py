"""What the buttons of a campaign do, and what the answers of its form become."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns import brakes, deliver, slots
from campaigns.decide import decide
from campaigns.models import Campaign, Decision, Delivery, Programme, Slot
from customers import history
from customers.models import AuditEntry, Customer, EventName
from scoring.models import Target
from segments.models import Membership, Segment
from tests.campaigns.people import T0, campaign, customers, frame, no_changes

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
PLAN = {
    "name": "Say thank you",
    "key": "thanks",
    "action": "email",
    "subject": "Thank you",
    "body": "Hello",
    "topic": "newsletter",
    "control_share": "10",
    "goal_event": "Order Completed",
    "goal_days": "14",
}


@pytest.fixture
def boss(client: Client, settings: Settings) -> Client:
    settings.BUCKETS, settings.TIME_ZONE = 1, "UTC"
    Programme.objects.create(holdout_share=0.0, cap_messages=100)
    Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    EventName.objects.create(name="Order Completed")
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page(boss: Client, of: Campaign) -> str:
    return boss.get(f"/admin/campaigns/campaign/{of.pk}/change/").content.decode()


def press(boss: Client, of: Campaign, name: str) -> str:
    """Press a button, which must be offered; give the page that follows."""
    address = f"/admin/campaigns/campaign/{of.pk}/do/{name}/"
    assert address in page(boss, of)
    answer = boss.post(address, follow=True).content.decode()
    of.refresh_from_db()
    return answer


def crossed(of: Campaign, many: int) -> list[Customer]:
    """Let the score of so many customers cross the campaign's line."""
    people = customers(many)
    decide(frame(people, 0.1, "start"), no_changes(), T0)
    decide(frame(people, 0.9), no_changes(), T0 + HOUR)
    of.refresh_from_db()
    return people


def test_a_campaign_that_paused_itself_goes_on_at_a_press(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brakes, "FEWEST", 2)
    one = campaign(forecast=1.0)
    crossed(one, 5)
    assert one.state == "paused"
    assert deliver.deliver(T0 + 2 * HOUR) == {}
    shown = page(boss, one)
    assert "It paused itself: 5 customers would get it" in shown
    assert "/do/resume/" not in shown
    said = press(boss, one, "go-on")
    assert "5 messages that it held back are on their way." in said
    assert (one.state, one.paused_why) == ("live", "")
    assert Delivery.objects.filter(state="planned", due_at__lte=timezone.now()).count() == 5
    assert AuditEntry.objects.get(what=brakes.WENT_ON).by == User.objects.get()
    refused = boss.post(f"/admin/campaigns/campaign/{one.pk}/do/go-on/", follow=True).content.decode()
    assert "This cannot be done now." in refused


def test_send_now_acts_on_the_audience_and_says_on_how_many(boss: Client) -> None:
    vip = Segment.objects.create(
        key="vip",
        name="VIP",
        rule={"version": 1, "rule": {"field": "country", "op": "has_value"}},
        created_at=T0,
    )
    for who in customers(3):
        Membership.objects.create(segment=vip, customer=who, bucket=who.bucket, since=T0, as_of=T0)
    one = campaign(trigger={"kind": "hand"}, audience=vip, entry="every")
    shown = page(boss, one)
    assert "Send now to 3 customers" in shown
    assert "Begin now for the 3 customers of “VIP”" in shown
    assert "has begun" in press(boss, one, "by-hand")
    slot = Slot.objects.get()
    assert slot.author == User.objects.get()
    assert "It was started already" in press(boss, one, "by-hand")
    assert slots.run(slot.at) == {"deliver": 3}
    assert "/do/by-hand/" not in page(boss, campaign("other"))


def test_a_pilot_is_widened_step_by_step_and_to_those_who_match_already(boss: Client) -> None:
    one = campaign(pilot_share=0.05)
    crossed(one, 40)
    outside = Decision.objects.filter(outcome="ineligible").count()
    assert "Widen to 20" in page(boss, one)
    assert "is for 20" in press(boss, one, "widen-20")
    assert one.pilot_share == 0.2
    assert not Slot.objects.exists()
    waiting = Decision.objects.filter(outcome="ineligible").count()
    assert waiting == outside
    said = press(boss, one, "widen-100-also")
    assert f"is for everybody now. It acts on the {waiting} who match already." in said
    assert slots.act(Slot.objects.get().at + HOUR) == {"deliver": waiting}
    assert "/do/widen-" not in page(boss, one)


EVENT = {"trigger_kind": "event", "event": "Order Completed"}
DATE = {"trigger_kind": "date", "date_field": "birth_date", "date_hour": "9"}
DAILY = {"trigger_kind": "schedule", "at": "09:30", "every": "day"}


@pytest.mark.parametrize(
    ("answers", "trigger"),
    [
        (EVENT, {"kind": "event", "event": "Order Completed"}),
        (
            {**EVENT, "where_0_name": "value", "where_0_op": "least", "where_0_value": "50"},
            {
                "kind": "event",
                "event": "Order Completed",
                "where": [{"field": "value", "op": ">=", "value": 50.0}],
            },
        ),
        (
            {**DATE, "date_side": "on", "yearly": "on"},
            {"kind": "date", "field": "birth_date", "days": 0, "hour": 9, "yearly": True},
        ),
        (
            {**DATE, "date_side": "before", "date_days": "7"},
            {"kind": "date", "field": "birth_date", "days": -7, "hour": 9, "yearly": False},
        ),
        (
            {**DATE, "date_side": "after", "date_days": "3"},
            {"kind": "date", "field": "birth_date", "days": 3, "hour": 9, "yearly": False},
        ),
        (DAILY, {"kind": "schedule", "every": "day", "at": "09:30"}),
        ({**DAILY, "every": "week", "weekday": "5"}, {"kind": "schedule", "every": "week", "on": 5, "at": "09:30"}),
        (
            {**DAILY, "every": "month", "month_day": "28"},
            {"kind": "schedule", "every": "month", "on": 28, "at": "09:30"},
        ),
    ],
)
def test_the_answers_become_the_trigger_and_stand_in_the_form_again(
    boss: Client, answers: dict[str, str], trigger: dict[str, Any]
) -> None:
    history.sync()
    vip = Segment.objects.create(
        key="vip", name="VIP", rule={"version": 1, "rule": {"field": "country", "op": "has_value"}}, created_at=T0
    )
    posted = {**PLAN, **answers, "audience": str(vip.pk)}
    answer = boss.post("/admin/campaigns/campaign/add/", posted)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    stored = Campaign.objects.get()
    assert stored.trigger == trigger
    form = boss.get(f"/admin/campaigns/campaign/{stored.pk}/launch/").context["adminform"].form
    shown = {name: form[name].value() for name in answers}
    for name, value in answers.items():
        told = shown[name].strftime("%H:%M") if name == "at" and not isinstance(shown[name], str) else shown[name]
        if name == "yearly":
            assert told is True
        elif name.endswith("_value"):
            assert float(told) == float(value)
        else:
            assert str(told) == value
    boss.post(f"/admin/campaigns/campaign/{stored.pk}/launch/", {**posted, "name": "Another"})
    stored.refresh_from_db()
    assert (stored.name, stored.trigger) == ("Another", trigger)


@pytest.mark.parametrize(
    ("answers", "field", "said"),
    [
        ({**EVENT, "event": ""}, "event", "Choose an event."),
        ({**DATE, "date_side": "before"}, "date_days", "Write how many days."),
        ({**DATE, "date_hour": "24"}, "date_hour", "23"),
        ({**DAILY, "at": ""}, "at", "Write the time of day."),
        ({**DAILY, "at": "25:00"}, "at", "valid time"),
    ],
)
def test_a_faulty_answer_is_said_at_its_field(boss: Client, answers: dict[str, str], field: str, said: str) -> None:
    form = boss.post("/admin/campaigns/campaign/add/", {**PLAN, **answers}).context["adminform"].form
    assert said in " ".join(form.errors[field])
    assert not Campaign.objects.exists()


def test_rows_are_added_as_many_as_are_wanted_without_saving(boss: Client) -> None:
    """As without scripts: each press of the button gives the form again, with what was answered and one row more."""
    told = {**PLAN, **EVENT, "variant_0_key": "b", "variant_0_share": "10"}
    for number in (4, 5):
        form = boss.post("/admin/campaigns/campaign/add/", {**told, "_row": "variant"}).context["adminform"].form
        assert len(form.variant_rows) == number
        assert form.non_field_errors() == ["There is one more row now. Nothing is saved yet."]
        assert list(form.errors) == ["__all__"]
        assert form["variant_0_key"].value() == "b"
        told |= {f"variant_{row}_{part}": "" for row in range(1, number) for part in ("key", "share")}
    shown = boss.post("/admin/campaigns/campaign/add/", {**told, "_row": "where"}).context["adminform"].form
    assert len(shown.conditions) == 4
    assert not Campaign.objects.exists()
    told |= {f"variant_{row}_key": f"v{row}" for row in range(5)} | {f"variant_{row}_share": "10" for row in range(5)}
    told |= {f"where_{row}_name": "value" for row in range(4)} | {f"where_{row}_op": "least" for row in range(4)}
    told |= {f"where_{row}_value": str(row) for row in range(4)}
    answer = boss.post("/admin/campaigns/campaign/add/", told)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    stored = Campaign.objects.get()
    assert [one["key"] for one in stored.variants] == ["v0", "v1", "v2", "v3", "v4"]
    assert [one["value"] for one in stored.trigger["where"]] == [0, 1, 2, 3]
    form = boss.get(f"/admin/campaigns/campaign/{stored.pk}/launch/").context["adminform"].form
    assert [row[0].value() for row in form.variant_rows] == ["v0", "v1", "v2", "v3", "v4"]
    assert form["where_3_value"].value() == "3"


def test_no_more_rows_than_twenty_are_given(boss: Client) -> None:
    told = {**PLAN, **EVENT, "variant_99_key": "x", "variant_12345_key": "y", "_row": "variant"}
    form = boss.post("/admin/campaigns/campaign/add/", told).context["adminform"].form
    assert len(form.variant_rows) == 20
