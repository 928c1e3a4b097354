"""Every plan that a campaign had is kept, in words, and can be put back; what goes out is one version, whole."""

import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from campaigns import composer, in_flight, plan, plan_words, revert, versions
from campaigns.decide import decide
from campaigns.launch import InFlight, LaunchError, edit, launch, pause, resume, widen
from campaigns.models import Campaign, CampaignVersion, Delivery, Programme, TriggerState
from campaigns.revert import Called
from campaigns.trigger_words import Names
from customers.models import AuditEntry
from scoring.models import ModelVersion
from segments import definition
from segments.models import Segment
from segments.rules import Fields
from tests.campaigns.people import (
    EMAIL_STEP,
    T0,
    campaign,
    customers,
    frame,
    lapse_model,
    no_changes,
    planned,
    score_trigger,
)

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
RULE = {"version": 1, "rule": {"field": "country", "op": "has_value"}}
NEW_MAIL = {**EMAIL_STEP, "subject": "Hello again"}
OTHER_MAIL = {**EMAIL_STEP, "subject": "Good day"}


@pytest.fixture(autouse=True)
def world() -> None:
    Programme.objects.create(holdout_share=0.0)
    lapse_model()


def draft(**changes: Any) -> Campaign:
    return campaign(state=Campaign.State.DRAFT, launched_at=None, **changes)


def told(of: Campaign) -> list[tuple[int, str, list[str]]]:
    return [(one.number, one.by, one.changed) for one in versions.of(of)]


def test_a_launch_an_edit_and_a_wider_pilot_are_each_one_version_with_who_and_what() -> None:
    ada, bob = User.objects.create(username="ada"), User.objects.create(username="bob")
    one = draft(pilot_share=0.05)
    edit(one, ada, T0, control_share=0.2)
    assert told(one) == []
    launch(one, bob, T0)
    edit(one, ada, T0 + HOUR, steps=[NEW_MAIL], budget=500.0)
    widen(one, 0.2, bob, T0 + 2 * HOUR, fires_for_waiting=False)
    assert told(one) == [
        (3, "bob", ["The pilot: 5.0\u00a0% became 20.0\u00a0%."]),
        (2, "ada", ["The subject “Hello” became “Hello again”.", "The budget: none became 500.00."]),
        (1, "bob", [versions.LAUNCHED]),
    ]
    stored = Campaign.objects.get()
    assert (stored.version, versions.of(one)[0].plan) == (3, plan.of(stored))
    assert [one.at for one in versions.of(stored)] == [T0 + 2 * HOUR, T0 + HOUR, T0]


def test_a_mail_that_is_composed_and_a_variants_mail_are_versions_too() -> None:
    other = {"key": "b", "share": 0.5, "step": EMAIL_STEP}
    one = draft(variants=[other])
    launch(one, None, T0)
    content = {"subject": "Hi", "language": "en", "blocks": [{"kind": "text", "text": "Come back."}]}
    composer.store(composer.place_of(one, "b"), composer.Written(content), User.objects.create(username="ada"), T0)
    assert told(one)[0][1:] == (
        "ada",
        [
            "Variant b: The subject “Hello” became “Hi”.",
            "Variant b: The text “<p>We miss you.</p>” became “nothing”.",
            "Variant b was changed in its content.",
        ],
    )


def test_what_changes_nothing_is_no_version_and_what_is_refused_leaves_none() -> None:
    one = campaign()
    edit(one, None, T0, steps=[EMAIL_STEP])
    with pytest.raises(LaunchError):
        edit(one, None, T0, trigger={})
    assert (Campaign.objects.get().version, told(one)) == (1, [])


def test_only_another_trigger_sets_the_states_anew() -> None:
    people, one = customers(2), campaign()
    decide(frame(people, 0.1), no_changes(), T0)
    edit(one, None, T0, steps=[NEW_MAIL])
    assert decide(frame(people, [0.9, 0.1]), no_changes(), T0 + HOUR) == {"deliver": 1}
    edit(one, None, T0, trigger=score_trigger(0.5, 0.4))
    assert not decide(frame(people, 0.9), no_changes(), T0 + 2 * HOUR)
    assert TriggerState.objects.filter(is_inside=True).count() == 2


def test_an_earlier_version_is_put_back_as_a_new_one_and_its_plan_is_the_same() -> None:
    ada, one = User.objects.create(username="ada"), draft()
    launch(one, None, T0)
    edit(one, None, T0, steps=[NEW_MAIL], trigger=score_trigger(0.5, 0.4), name="Other")
    revert.revert(one, 1, ada, T0 + HOUR)
    newest, _, first = versions.of(one)
    assert (newest.number, newest.by, newest.changed[0]) == (3, "ada", "It was put back to version 1.")
    assert newest.plan == first.plan == plan.of(Campaign.objects.get())
    assert AuditEntry.objects.latest("pk").what == "campaign reverted"
    with pytest.raises(LaunchError, match="is that of version 1 already"):
        revert.revert(one, 1, ada, T0)
    with pytest.raises(LaunchError, match="no version 9"):
        revert.revert(one, 9, ada, T0)


def test_a_version_whose_segment_is_gone_is_refused_with_the_place_and_nothing_is_moved() -> None:
    vip = Segment.objects.create(key="vip", name="VIP", rule=RULE, created_at=T0)
    one = draft(audience=vip)
    launch(one, None, T0)
    edit(one, None, T0, audience=None)
    definition.delete(vip)
    gone = 'audience: there is no segment "vip" any more'
    with pytest.raises(LaunchError, match=gone):
        revert.revert(one, 1, None, T0)
    with pytest.raises(LaunchError, match=gone):
        revert.duplicate(one, Called("B", "b"), None, T0, 1)
    assert (Campaign.objects.get().version, len(told(one))) == (2, 2)


def test_a_version_is_checked_like_any_plan_before_it_is_put_back() -> None:
    one = draft()
    launch(one, None, T0)
    edit(one, None, T0, trigger={"kind": "event", "event": "Order Completed"})
    ModelVersion.objects.update(state="retired")
    with pytest.raises(LaunchError, match="has no live model"):
        revert.revert(one, 1, None, T0)
    assert Campaign.objects.get().trigger["kind"] == "event"


def test_a_version_becomes_a_draft_of_its_own() -> None:
    ada, one = User.objects.create(username="ada"), draft()
    launch(one, None, T0)
    edit(one, None, T0, steps=[NEW_MAIL])
    copy = revert.duplicate(one, Called("Again", "again"), ada, T0, 1)
    assert (copy.state, copy.key, copy.name, copy.steps, copy.version) == ("draft", "again", "Again", [EMAIL_STEP], 1)
    assert revert.duplicate(one, Called("Now", "now"), ada, T0).steps == [NEW_MAIL]
    with pytest.raises(LaunchError, match="another campaign has the key again"):
        revert.duplicate(one, Called("Again", "again"), ada, T0)


def test_what_was_launched_before_versions_were_kept_begins_with_its_present_one() -> None:
    one, _ = campaign(version=7), draft(key="other")
    begin = importlib.import_module("campaigns.migrations.0023_versions_of_launched_campaigns").begin
    begin(apps, None)
    begin(apps, None)
    stored = CampaignVersion.objects.get()
    assert (stored.campaign, stored.number, stored.plan, stored.at) == (one, 7, plan.of(one), one.launched_at)
    assert Campaign.objects.get(pk=one.pk).trigger_version == 7


@pytest.mark.parametrize("state", [Delivery.State.CLAIMED, Delivery.State.SENDING])
def test_what_goes_out_is_not_changed_while_it_is_handed_over_unless_that_is_asked_for(state: str) -> None:
    people, one = customers(3), campaign()
    planned(people[0], one)
    planned(people[1], one, state=state, token="x")
    with pytest.raises(InFlight, match=r"1 message is being handed over at this moment: .* Nothing is saved"):
        edit(one, None, T0, steps=[NEW_MAIL])
    assert Campaign.objects.get().steps == [EMAIL_STEP]
    assert not CampaignVersion.objects.exists()
    assert edit(one, None, T0, budget=5.0).version == 2
    assert edit(one, None, T0, steps=[NEW_MAIL], while_sending=True).version == 3


def test_it_is_said_what_happens_to_those_who_are_already_in() -> None:
    people, one = customers(4), campaign()
    decide(frame(people, 0.9), no_changes(), T0)
    for who, state in zip(people, ("planned", "planned", "claimed", "sending"), strict=True):
        planned(who, one, state=state)
    now = in_flight.count(one)
    assert now == in_flight.Already(planned=2, claimed=1, sending=1, deferred=0, calls=0, inside=4)
    assert in_flight.said(now, ["steps"]) == [
        "3 messages are planned and not begun.",
        "A message says what the plan says when it begins: these go out by the new version, whole.",
        "1 message is being sent right now: as begun, by the version before.",
        "Where the action is another, or the variant that was drawn is no more, the message is cancelled.",
        "4 customers are inside its line, and stay so: nobody is considered again for it.",
    ]
    assert "everybody is looked at anew in silence" in in_flight.said(now, ["trigger"])[-1]


def test_a_pause_and_what_follows_are_no_versions() -> None:
    one = draft()
    launch(one, None, T0)
    pause(one, None, T0)
    resume(one, None, T0)
    assert len(told(one)) == 1


def test_every_field_of_a_plan_has_words() -> None:
    one, other = Campaign(key="a", name="A"), Campaign(key="b", name="B")
    names = Names({}, {}, Fields({}))
    for name in plan.FIELDS:
        if name not in ("trigger", "steps", "variants", "audience"):
            said = plan_words.compared(
                plan.of(one), {**plan.of(other), "name": "A", name: 7 if name != "name" else "B"}, names
            )
            assert len(said) == 1, name
