"""The books of a campaign: sums that must be equal, and what is open before anything is called done."""

import random
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from campaigns import decide
from campaigns.models import Decision, Delivery, Programme, Slot, TriggerState
from campaigns.reconcile import Reconciliation, reconcile
from scoring.models import Target
from tests.campaigns import people
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
State, Outcome = Delivery.State, Decision.Outcome
OPEN_STATES = {State.PLANNED, State.CLAIMED, State.SENDING, State.UNCERTAIN}


def opened(books: Reconciliation) -> dict[str, int]:
    return {one.words: one.number for one in books.open}


def test_a_campaign_whose_mails_have_all_ended_is_done() -> None:
    campaign, (ada, bob) = people.campaign(), people.customers(2)
    people.planned(ada, campaign, state=State.SENT)
    people.planned(bob, campaign, state=State.CANCELLED, reason="The campaign was stopped.")
    books = reconcile(campaign, T0)
    assert books.is_done
    assert (books.due, books.outcomes, books.deliveries) == (2, {"deliver": 2}, {"sent": 1, "cancelled": 1})
    assert books.sentence().startswith("Done: due 2, decisions 2, deliveries 2")


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_a_delivery_on_its_way_or_in_doubt_is_listed_and_nothing_is_called_done(state: Delivery.State) -> None:
    campaign, (ada, bob) = people.campaign(), people.customers(2)
    people.planned(ada, campaign, state=State.SENT)
    people.planned(bob, campaign, state=state)
    books = reconcile(campaign, T0)
    assert not books.is_done
    assert opened(books) == {f"deliveries {state}": 1}
    assert books.open[0].filter == (("state", state),)
    assert f"deliveries {state}: 1" in books.sentence()


def test_a_decision_to_deliver_without_a_delivery_breaks_the_sum() -> None:
    campaign, (ada,) = people.campaign(), people.customers(1)
    people.planned(ada, campaign).delete()
    books = reconcile(campaign, T0)
    assert [(one.left, one.right) for one in books.balances if not one.is_equal] == [(1, 0)]
    assert opened(books) == {"decisions to deliver without a delivery": 1}


def test_a_crossing_that_fired_without_a_decision_is_found() -> None:
    campaign, known = people.campaign(), people.customers(2)
    Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    Programme.objects.create(holdout_share=0.0)
    decide.decide(people.frame(known, 0.1, "start"), people.no_changes(), T0)
    decide.decide(people.frame(known, 0.9), people.no_changes(), T0 + timedelta(hours=1))
    Delivery.objects.update(state=State.SENT)
    assert reconcile(campaign, T0).is_done
    Decision.objects.first().delete()  # type: ignore[union-attr]
    books = reconcile(campaign, T0)
    assert (books.due, books.decisions) == (2, 1)
    assert opened(books) == {"crossings without a decision": 1}


def test_a_deferred_decision_is_open_and_its_planned_delivery_is_not_counted_again() -> None:
    campaign, (ada,) = people.campaign(), people.customers(1)
    people.planned(ada, campaign)
    Decision.objects.update(outcome=Outcome.DEFERRED)
    assert opened(reconcile(campaign, T0)) == {"decisions deferred": 1}


def test_an_end_without_a_reason_and_a_mail_that_was_not_decided_are_found() -> None:
    campaign, (ada, bob) = people.campaign(), people.customers(2)
    people.planned(ada, campaign, state=State.FAILED)
    people.planned(bob, campaign, state=State.SENT)
    Decision.objects.filter(customer=bob).update(outcome=Outcome.CONTROL)
    assert opened(reconcile(campaign, T0)) == {
        "deliveries ended without a reason": 1,
        "deliveries sent that were not decided": 1,
    }


def test_a_time_to_act_that_has_come_is_open_until_it_is_done() -> None:
    campaign = people.campaign()
    slot = Slot.objects.create(campaign=campaign, at=T0)
    assert not reconcile(campaign, T0).is_done
    assert reconcile(campaign, T0 - timedelta(minutes=1)).is_done
    Slot.objects.filter(pk=slot.pk).update(done_at=T0)
    assert reconcile(campaign, T0).is_done


@pytest.mark.parametrize("seed", range(12))
def test_for_any_history_the_sums_hold_and_done_is_said_only_when_no_row_is_open(seed: int) -> None:
    chance = random.Random(seed)
    campaign, other = people.campaign(), people.campaign("other")
    for customer in people.customers(6):
        for number in range(chance.randint(0, 3)):
            delivery = people.planned(customer, campaign, reason="It ended so.")
            delivery.state = chance.choice([State.SENT] * 6 + [State.FAILED, State.CANCELLED, *sorted(OPEN_STATES)])
            delivery.save()
            if delivery.state in (State.CANCELLED, State.PLANNED) and chance.random() < 0.5:
                Decision.objects.filter(pk=delivery.decision_id).update(
                    outcome=chance.choice([Outcome.DEFERRED, Outcome.CAPPED, Outcome.INELIGIBLE])
                )
            TriggerState.objects.update_or_create(
                campaign=campaign,
                customer=customer,
                defaults={"bucket": 0, "is_inside": True, "since": T0, "as_of": T0, "round": number + 1},
            )
        people.planned(customer, other)  # another campaign's rows are not counted
    books = reconcile(campaign, T0)
    decisions = Decision.objects.filter(campaign=campaign)
    deliveries = Delivery.objects.filter(decision__campaign=campaign)
    assert books.due == books.decisions == decisions.count()
    assert sum(books.deliveries.values()) == deliveries.count()
    assert all(one.is_equal for one in books.balances)
    waiting = deliveries.filter(state__in=OPEN_STATES).count()
    deferred = decisions.filter(outcome=Outcome.DEFERRED).exclude(deliveries__state=State.PLANNED).count()
    assert sum(one.number for one in books.open) == waiting + deferred
    assert books.is_done == (waiting + deferred == 0)


def test_the_command_refuses_while_anything_is_open() -> None:
    campaign, (ada,) = people.campaign(), people.customers(1)
    delivery = people.planned(ada, campaign)
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 campaigns are not done"):
        call_command("reconcile", stdout=out)
    assert "winback: Not done: due 1, decisions 1, deliveries 1; deliveries planned: 1." in out.getvalue()
    Delivery.objects.filter(pk=delivery.pk).update(state=State.SENT)
    call_command("reconcile", "winback", stdout=out)
    assert "winback: Done" in out.getvalue()
    with pytest.raises(CommandError, match='no campaign "nope"'):
        call_command("reconcile", "nope")
