"""Above a limit a second person must say yes, to exactly this plan; who asked or edited never does."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from campaigns import approval, asking, brakes, revert
from campaigns.launch import LaunchError, Unapproved, edit, launch, pause, resume, widen
from campaigns.models import Approval, Campaign, Offer, Programme
from customers import audit, keys
from customers.models import Alert, AuditEntry, Consent
from segments import definition
from segments.models import Segment
from tests.campaigns.people import EMAIL_STEP, OFFER_STEP, T0, campaign, customers, lapse_model, offer

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
RULE = {"version": 1, "rule": {"field": "country", "op": "has_value"}}
OTHER_RULE = {"version": 1, "rule": {"field": "city", "op": "has_value"}}


@pytest.fixture(autouse=True)
def world() -> None:
    Programme.objects.create(holdout_share=0.0, approval_customers=5)
    lapse_model()
    customers(10)


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def bob() -> User:
    return User.objects.create_superuser("bob")


def draft(by: str = "ada", **changes: Any) -> Campaign:
    return campaign(state=Campaign.State.DRAFT, launched_at=None, edited_by=by, **changes)


def stand(of: Campaign) -> str:
    need = approval.needed(of)
    return need.stand if need else "none"


def test_a_launch_above_the_limit_waits_for_a_second_person_and_then_goes(ada: User, bob: User) -> None:
    one = draft()
    with pytest.raises(Unapproved, match="It is for up to 10 customers, and one person may decide about 5"):
        launch(one, ada, T0)
    asking.ask(one, ada, T0)
    with pytest.raises(Unapproved, match=r"ada asked for approval on .*; somebody else must answer"):
        launch(one, bob, T0)
    asking.answer(one, bob, T0 + HOUR, is_granted=True)
    launch(one, ada, T0 + HOUR)
    assert Campaign.objects.get().state == "live"
    told = AuditEntry.objects.order_by("pk").values_list("what", "by__username")
    assert list(told) == [
        ("campaign approval asked", "ada"),
        ("campaign approval granted", "bob"),
        ("campaign launched", "ada"),
    ]


def test_below_the_limits_nobody_is_asked(ada: User) -> None:
    one = draft(pilot_share=0.5)
    assert approval.needed(one) is None
    with pytest.raises(LaunchError, match="within the limits"):
        asking.ask(one, ada, T0)
    launch(one, ada, T0)


@pytest.mark.parametrize(("budget", "needs"), [(None, True), (100.5, True), (100.0, False)])
def test_a_larger_budget_than_the_limit_or_none_needs_a_second_person(budget: float | None, needs: bool) -> None:
    Programme.objects.update(approval_customers=None, approval_budget=100.0)
    assert (approval.needed(draft(budget=budget)) is not None) == needs


def test_who_asked_or_edited_last_cannot_answer_even_as_a_superuser(ada: User, bob: User) -> None:
    one = draft(by="bob")
    asking.ask(one, ada, T0)
    for who, did in ((ada, "asked for this approval"), (bob, "changed the plan last")):
        with pytest.raises(LaunchError, match=f"Who {did} cannot answer"):
            asking.answer(one, who, T0, is_granted=True)
    assert stand(one) == "asked"
    asking.answer(one, User.objects.create(username="cyd"), T0, is_granted=True)
    assert stand(one) == "granted"


def test_a_key_answers_neither_what_it_asked_nor_what_its_maker_asked(ada: User) -> None:
    one = draft(by="")
    key, _ = keys.create("shop", ["campaigns:send"], T0)
    audit.note(T0, ada, "key made", key.name)
    for asker in (key, ada):
        Approval.objects.all().delete()
        asking.ask(one, asker, T0)
        for who in (key, ada):
            with pytest.raises(LaunchError, match="cannot answer"):
                asking.answer(one, who, T0, is_granted=True)
    other, _ = keys.create("other", ["campaigns:send"], T0)
    assert asking.answer(one, other, T0, is_granted=True).by == "key other"


def test_a_refusal_says_why_and_holds_until_the_plan_is_another(ada: User, bob: User) -> None:
    one = draft()
    asking.ask(one, ada, T0)
    with pytest.raises(LaunchError, match="reason: say why"):
        asking.answer(one, bob, T0, is_granted=False)
    asking.answer(one, bob, T0, is_granted=False, reason="Too many.")
    with pytest.raises(Unapproved, match=r"bob refused it on .*: Too many\."):
        launch(one, ada, T0)
    edit(one, ada, T0, budget=5.0)
    assert stand(one) == "unasked"


def change_mail(one: Campaign) -> None:
    edit(one, None, T0, steps=[{**OFFER_STEP, "subject": "More for you"}])


def change_variant(one: Campaign) -> None:
    edit(one, None, T0, variants=[{"key": "b", "share": 0.4, "step": EMAIL_STEP}])


def change_offer(one: Campaign) -> None:
    Offer.objects.update(value=50.0)


def change_audience(one: Campaign) -> None:
    vip = Segment.objects.get()
    vip.rule = OTHER_RULE
    definition.save(vip, None, T0)


def change_pilot(one: Campaign) -> None:
    edit(one, None, T0, pilot_share=0.9)


CHANGES = [change_mail, change_variant, change_offer, change_audience, change_pilot]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_granted", [True, False])
def test_any_change_of_plan_mail_variant_offer_or_audience_makes_an_approval_void(
    ada: User, bob: User, change: Any, is_granted: bool
) -> None:
    offer()
    vip = definition.save(Segment(key="vip", name="VIP", rule=RULE, created_at=T0), None, T0)
    Programme.objects.update(approval_customers=None, approval_budget=1.0)
    one = draft(steps=[OFFER_STEP], variants=[{"key": "b", "share": 0.5, "step": EMAIL_STEP}], audience=vip)
    asking.ask(one, ada, T0)
    if is_granted:
        asking.answer(one, bob, T0, is_granted=True)
    change(one)
    one.refresh_from_db()
    assert stand(one) == "void"
    with pytest.raises(Unapproved, match=r"is void, since the plan, its offer or its segment was changed\. Ask again"):
        launch(one, ada, T0)
    with pytest.raises(LaunchError, match="void" if not is_granted else "Nobody asked"):
        asking.answer(one, bob, T0, is_granted=True)


def test_a_launch_goes_by_the_plan_that_stands_then_not_by_the_one_that_was_read(ada: User, bob: User) -> None:
    one = draft()
    asking.ask(one, ada, T0)
    asking.answer(one, bob, T0, is_granted=True)
    read_before = Campaign.objects.get()
    edit(one, ada, T0, steps=[{**EMAIL_STEP, "subject": "Anything"}])
    with pytest.raises(Unapproved, match="void"):
        launch(read_before, bob, T0)
    assert Campaign.objects.get().state == "draft"


def test_a_name_and_the_choice_of_an_approved_variant_leave_it_as_it_is(ada: User, bob: User) -> None:
    one = draft(variants=[{"key": "b", "share": 0.5, "step": EMAIL_STEP}])
    asking.ask(one, ada, T0)
    asking.answer(one, bob, T0, is_granted=True)
    edit(one, ada, T0, name="Better", chosen_variant="b", winner="off")
    assert stand(one) == "granted"


def test_a_wider_pilot_a_revert_an_edit_and_a_resumption_are_asked_about_too(ada: User, bob: User) -> None:
    one = draft(pilot_share=0.5)
    launch(one, ada, T0)
    with pytest.raises(Unapproved):
        widen(one, 1.0, ada, T0, fires_for_waiting=False)
    with pytest.raises(Unapproved):
        edit(one, ada, T0, pilot_share=1.0)
    asking.ask(one, ada, T0, {"pilot_share": 1.0})
    asking.answer(one, bob, T0, is_granted=True)
    widen(one, 1.0, ada, T0, fires_for_waiting=False)
    edit(one, ada, T0, pilot_share=0.4)
    with pytest.raises(Unapproved, match="Ask"):
        edit(one, ada, T0, pilot_share=0.9)
    revert.revert(one, 2, ada, T0)
    pause(one, ada, T0)
    edit(one, ada, T0, budget=9.0)
    with pytest.raises(Unapproved):
        resume(one, ada, T0)
    assert Campaign.objects.get().state == "paused"


def test_a_live_plan_above_the_limit_is_changed_only_as_it_was_approved(ada: User, bob: User) -> None:
    one = draft()
    asking.ask(one, ada, T0)
    asking.answer(one, bob, T0, is_granted=True)
    launch(one, ada, T0)
    new = [{**EMAIL_STEP, "subject": "Anything"}]
    with pytest.raises(Unapproved):
        edit(one, ada, T0, steps=new)
    asking.ask(one, ada, T0, {"steps": new})
    with pytest.raises(Unapproved):
        edit(one, ada, T0, steps=new)
    asking.answer(one, bob, T0, is_granted=True)
    with pytest.raises(Unapproved):
        edit(one, ada, T0, steps=[{**EMAIL_STEP, "subject": "Something else"}])
    assert edit(one, ada, T0, steps=new).version == 2


def test_what_paused_itself_and_was_changed_meanwhile_does_not_go_on_without_approval(ada: User) -> None:
    one = campaign(edited_by="ada", forecast=1.0)
    brakes.pause(one, "Far too many.", T0)
    edit(one, ada, T0, budget=9.0)
    with pytest.raises(brakes.BrakeError, match="Ask for the approval"):
        brakes.go_on(one, ada, T0)


def test_an_alert_stands_while_it_is_waited_for_and_goes_with_the_answer_or_a_change(ada: User, bob: User) -> None:
    one = draft()
    asking.ask(one, ada, T0)
    alert = Alert.objects.get()
    assert alert.sentence.startswith("ada asks a second person to approve “Winback”. It is for up to 10 customers")
    edit(one, ada, T0, budget=5.0)
    asking.ask(one, ada, T0)
    alert.refresh_from_db()
    assert alert.state == "open"
    asking.answer(one, bob, T0, is_granted=True)
    alert.refresh_from_db()
    assert alert.state == "done"


def test_who_did_not_agree_is_not_counted() -> None:
    Consent.objects.filter(channel="email").exclude(customer__external_id="c0").update(is_granted=False)
    assert approval.needed(draft()) is None
    Programme.objects.update(approval_customers=0)
    assert stand(draft(key="other")) == "unasked"
