"""Agents take calls from one queue, and what came of them is kept."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.contrib.auth.models import User

from campaigns import assignment, deliver
from campaigns.calls import desk, outcomes, queue, why
from campaigns.calls.outcomes import Said
from campaigns.calls.queue import CallRefused
from campaigns.models import Agent, Call, CallTask, Campaign, Decision, Delivery, OfferCode, Programme
from customers import consent
from customers.models import AuditEntry, Customer, Event, Source
from scoring.models import MeasuredRate, Target
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOON = T0 + timedelta(hours=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def target(**changes: Any) -> Target:
    given: dict[str, Any] = {"value": 50.0, "save_rate": 0.2, "contact_cost": 2.0}
    values = {"kind": "no_event", "event": "Order Completed", "horizon_days": 30, "created_at": T0, **given}
    return Target.objects.create(key="lapse", label="No order", **(values | changes))


def tasks(count: int = 1, scores: tuple[float | None, ...] = (), **changes: Any) -> list[CallTask]:
    made = planned_mails(count, steps=[people.CALL_STEP])
    for delivery, score in zip(made, scores, strict=False):
        Decision.objects.filter(pk=delivery.decision_id).update(score=score)
    Campaign.objects.update(**changes)
    deliver.deliver(T0)
    return list(CallTask.objects.order_by("delivery_id"))


def agent(name: str = "ann") -> User:
    return User.objects.get_or_create(username=name)[0]


def said(task: CallTask, outcome: str, at: datetime, note: str = "", again: datetime | None = None) -> CallTask:
    """Let Ann take a call and write down what came of it."""
    return outcomes.close(queue.claim(task, agent(), at), agent(), Said(outcome, note, again), at)


# Making


def test_the_queue_begins_with_the_highest_gain() -> None:
    target()
    made = tasks(4, (0.2, None, 0.9, 0.5))
    assert list(queue.queue(agent())) == [made[2], made[3], made[0], made[1]]
    assert [one.expected_gain for one in made] == [0.0, None, 7.0, 3.0]  # 0.2 of 50 won, less 2 for the call


def test_a_campaign_has_a_value_and_a_cost_of_its_own() -> None:
    target(value=None)
    (task,) = tasks(1, (0.5,), value=100.0, message_cost=4.0)
    assert task.expected_gain == 6.0


def test_a_share_that_was_measured_stands_in_for_one_that_nobody_gave() -> None:
    MeasuredRate.objects.create(
        target=target(save_rate=None), as_of=T0, value=0.1, low=0.05, high=0.2, campaigns=1, treated=9, control=9
    )
    (task,) = tasks(1, (0.5,))
    assert task.expected_gain == 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"value": None}, "nobody said what one customer"), ({"save_rate": None}, "neither given nor measured")],
)
def test_a_gain_that_nobody_knows_is_said_to_be_unknown(changes: dict[str, Any], words: str) -> None:
    target(**changes)
    (task,) = tasks(1, (0.5,))
    assert task.expected_gain is None
    assert words in desk.gain_words(task)


def test_a_gain_says_that_it_is_an_estimate() -> None:
    target()
    (task,) = tasks(1, (0.5,))
    assert "estimate" in desk.gain_words(task)
    assert why.gain(task.campaign, 0.5).words == (
        "An estimate: chance 0.50 x value 50.00 x 20 % won, less what the call costs (2.00)."
    )


def test_without_a_score_the_reasons_are_what_made_her_due_and_what_she_bought() -> None:
    made = planned_mails(1, steps=[people.CALL_STEP])
    Campaign.objects.update(trigger=people.segment_trigger())
    bought(made[0].customer, T0 - 5 * DAY, 20.0)
    bought(made[0].customer, T0 - 9 * DAY, 30.0)
    deliver.deliver(T0)
    assert CallTask.objects.get().reasons == [
        made[0].decision.reason,
        "The last order was 5 days ago.",
        "2 orders so far, worth 50.00.",
    ]


def bought(customer: Customer, at: datetime, value: float) -> None:
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "import"})
    Event.objects.create(
        customer=customer,
        source=source,
        message_id=f"order-{at}",
        name="Order Completed",
        occurred_at=at,
        known_at=at,
        value=value,
    )


def test_a_call_expires_after_a_week_or_as_long_as_its_campaign_waits() -> None:
    (task,) = tasks(1)
    assert task.expires_at == T0 + timedelta(days=7)
    CallTask.objects.all().delete()
    Delivery.objects.update(state="planned")
    Campaign.objects.update(when_limited="delay", delay_hours=30)
    deliver.deliver(T0)
    assert CallTask.objects.get().expires_at == T0 + timedelta(hours=30)


# Taking


def test_a_claimed_call_is_its_agents_own() -> None:
    first, second = tasks(2)
    ann, bob = agent("ann"), agent("bob")
    assert queue.claim(second, ann, NOON).agent == ann
    assert list(queue.queue(ann)) == [second, first]
    assert list(queue.queue(bob)) == [first]
    with pytest.raises(CallRefused, match="Somebody else has this call"):
        queue.claim(second, bob, NOON)


def test_a_call_given_back_is_open_to_others() -> None:
    (task,) = tasks(1)
    ann, bob = agent("ann"), agent("bob")
    queue.claim(task, ann, NOON)
    with pytest.raises(CallRefused, match="not yours"):
        queue.give_back(task, bob)
    queue.give_back(task, ann)
    assert queue.claim(task, bob, NOON).agent == bob


def test_a_claim_that_is_not_kept_up_goes_back_and_is_counted() -> None:
    (task,) = tasks(1)
    ann, bob = agent("ann"), agent("bob")
    queue.claim(task, ann, NOON)
    assert queue.keep(task, ann, NOON + queue.LEASE / 2)
    assert queue.abandoned(NOON + queue.LEASE) == 0
    assert queue.abandoned(NOON + 2 * queue.LEASE) == 1
    assert AuditEntry.objects.get(what=queue.ABANDONED).by == ann
    assert not queue.keep(task, ann, NOON + 2 * queue.LEASE)
    assert queue.claim(task, bob, NOON + 2 * queue.LEASE).agent == bob
    with pytest.raises(CallRefused, match="somebody else has it now"):
        outcomes.close(task, ann, Said("reached"), NOON + 2 * queue.LEASE)


def test_claiming_again_keeps_a_call_up_also_when_the_day_ends_meanwhile() -> None:
    (task,) = tasks(1)
    evening = T0 + timedelta(hours=7, minutes=50)  # 20:50 in Berlin
    queue.claim(task, agent(), evening)
    again = queue.claim(task, agent(), evening + queue.LEASE)
    assert (again.claimed_at, again.lease_until) == (evening, evening + 2 * queue.LEASE)


def test_an_outcome_counts_that_is_written_down_after_the_claim_ran_out() -> None:
    (task,) = tasks(1)
    queue.claim(task, agent(), NOON)
    queue.abandoned(NOON + HOUR)
    assert outcomes.close(task, agent(), Said("reached"), NOON + HOUR).outcome == "reached"


def test_an_agent_has_no_more_calls_than_agreed() -> None:
    first, second, third = tasks(3)
    Agent.objects.create(user=agent(), at_once=1, calls_a_day=2)
    queue.claim(first, agent(), NOON)
    with pytest.raises(CallRefused, match="You have one call already"):
        queue.claim(second, agent(), NOON)
    outcomes.close(first, agent(), Said("reached"), NOON)
    said(second, "reached", NOON)
    with pytest.raises(CallRefused, match="These were your 2 calls of today"):
        queue.claim(third, agent(), NOON)
    assert queue.claim(third, agent(), NOON + DAY).agent == agent()


def test_nobody_is_called_at_night() -> None:
    (task,) = tasks(1)
    night = T0 + timedelta(hours=9)  # 22:00 in Berlin
    with pytest.raises(
        CallRefused, match="may not be called at this hour of the customer’s: the next time is 2 Mar 2026, 07:00"
    ):
        queue.claim(task, agent(), night)
    found = queue.waiting(agent(), night, 5)
    assert (found.now, found.later) == ([], [(task, T0.replace(day=2, hour=7))])
    assert queue.waiting(agent(), NOON, 5).now == [task]


def test_the_next_call_is_the_best_one_where_it_is_day() -> None:
    target()
    asleep, awake = tasks(2, (0.9, 0.5))
    Customer.objects.filter(pk=asleep.customer_id).update(time_zone="Pacific/Auckland")
    assert queue.take_next(agent(), NOON) == awake
    with pytest.raises(CallRefused, match="Nobody is waiting who may be called now"):
        queue.take_next(agent(), NOON)


def test_one_customer_is_not_called_by_two_agents_at_once() -> None:
    (task,) = tasks(1)
    other = people.planned(task.customer, people.campaign("second", steps=[people.CALL_STEP]), "call", due=NOON)
    Programme.objects.update(cap_messages=9)
    deliver.deliver(NOON)
    queue.claim(task, agent("ann"), NOON)
    with pytest.raises(CallRefused, match="being called about something else"):
        queue.claim(CallTask.objects.get(delivery=other), agent("bob"), NOON)


def withdrawn(task: CallTask) -> None:
    consent.withdraw(task.customer_id, "phone", "newsletter", "a letter", NOON)


def closed(task: CallTask) -> None:
    consent.suppress("phone", str(task.customer.phone), "by_hand", NOON)


def held_out(task: CallTask) -> None:
    Programme.objects.update(holdout_share=0.9)
    Customer.objects.filter(pk=task.customer_id).update(seed=held_out_seed())


def held_out_seed() -> int:
    seeds = pl.Series(range(100), dtype=pl.Int64)
    return int(seeds.filter(assignment.held_out(seeds, 0.9))[0])


def stopped(task: CallTask) -> None:
    Campaign.objects.update(state="stopped")


@pytest.mark.parametrize(
    ("happened", "why_not"),
    [
        (withdrawn, "There is no consent for phone:newsletter."),
        (closed, "The address is suppressed."),
        (held_out, "Among the 90% whom all campaigns leave alone."),
        (stopped, "The campaign is stopped."),
    ],
)
def test_who_may_not_be_called_any_more_is_taken_out_of_the_queue(happened: Any, why_not: str) -> None:
    (task,) = tasks(1)
    happened(task)
    with pytest.raises(CallRefused, match="may not be called any more") as refused:
        queue.claim(CallTask.objects.get(), agent(), NOON)
    assert why_not in str(refused.value)
    task.refresh_from_db()
    assert (task.state, task.delivery.state, task.delivery.reason) == ("cancelled", "cancelled", why_not)


def test_a_paused_campaign_and_the_stop_button_hold_calls_up() -> None:
    (task,) = tasks(1)
    Campaign.objects.update(state="paused")
    with pytest.raises(CallRefused, match="is paused"):
        queue.claim(task, agent(), NOON)
    Campaign.objects.update(state="live")
    Programme.objects.update(is_sending_stopped=True)
    with pytest.raises(CallRefused, match="All sending is stopped"):
        queue.claim(task, agent(), NOON)
    task.refresh_from_db()
    assert task.state == "open"


def test_the_calls_of_who_was_erased_are_gone() -> None:
    (task,) = tasks(1)
    Customer.objects.all().delete()
    with pytest.raises(CallRefused, match="erased"):
        queue.claim(task, agent(), NOON)


def test_a_call_that_nobody_made_in_time_is_cancelled_and_its_delivery_says_so() -> None:
    (task,) = tasks(1)
    assert queue.expire(T0 + timedelta(days=6)) == 0
    assert queue.expire(T0 + timedelta(days=7)) == 1
    task.refresh_from_db()
    assert (task.state, task.delivery.state, task.delivery.reason) == ("cancelled", "cancelled", queue.EXPIRED)


def test_a_call_that_was_tried_before_it_expired_stays_counted() -> None:
    (task,) = tasks(1)
    said(task, "no_answer", NOON)
    queue.expire(T0 + timedelta(days=7))
    task.refresh_from_db()
    assert (task.state, task.delivery.state, task.delivery.reason) == ("cancelled", "sent", queue.EXPIRED)


# What came of it


def test_an_outcome_is_kept_and_becomes_an_event() -> None:
    (task,) = tasks(1)
    queue.claim(task, agent(), NOON)
    done = outcomes.close(task, agent(), Said("reached", "Likes blue."), NOON + timedelta(minutes=4))
    assert (done.state, done.outcome, done.note, done.tries) == ("done", "reached", "Likes blue.", 1)
    call = Call.objects.get()
    assert (call.number, call.agent, call.seconds, call.outcome) == (1, agent(), 240, "reached")
    event = Event.objects.get(name="Call Made")
    assert event.properties == {"campaign": "winback", "outcome": "reached", "try": 1}
    with pytest.raises(CallRefused, match="done already"):
        outcomes.close(task, agent(), Said("reached"), NOON)
    assert Event.objects.filter(name="Call Made").count() == 1


def test_an_outcome_that_is_said_twice_is_written_once() -> None:
    (task,) = tasks(1)
    queue.claim(task, agent(), NOON)
    for _ in range(2):
        outcomes.close(task, agent(), Said("refused", number=1), NOON)
    with pytest.raises(CallRefused, match="written down already, as: refused"):
        outcomes.close(task, agent(), Said("reached", number=1), NOON)
    with pytest.raises(CallRefused, match="is number 2, not 5"):
        outcomes.close(task, agent(), Said("reached", number=5), NOON)
    assert (Call.objects.count(), Event.objects.filter(name="Call Made").count()) == (1, 1)


def test_an_unknown_outcome_is_refused() -> None:
    (task,) = tasks(1)
    with pytest.raises(CallRefused, match="must be one of reached, no_answer"):
        said(task, "slept", NOON)


def test_nobody_writes_down_a_call_that_was_not_taken() -> None:
    (task,) = tasks(1)
    with pytest.raises(CallRefused, match=r"not yours\. Take it first"):
        outcomes.close(task, agent(), Said("reached"), NOON)


def test_who_does_not_answer_is_called_three_times_and_no_more() -> None:
    (task,) = tasks(1)
    later = NOON + timedelta(hours=4)
    first = said(task, "no_answer", NOON)
    assert (first.state, first.due_at, first.agent) == ("open", later, None)
    second = said(task, "no_answer", later)
    assert (second.state, second.due_at) == ("open", later + DAY)
    third = said(task, "no_answer", later + DAY)
    assert (third.state, third.outcome, third.tries) == ("done", "no_answer", 3)


def test_a_call_back_opens_the_call_again_when_it_is_due() -> None:
    (task,) = tasks(1)
    with pytest.raises(CallRefused, match="say when"):
        said(task, "call_back", NOON)
    with pytest.raises(CallRefused, match=r"Not then\. This customer may not be called at this hour"):
        said(task, "call_back", NOON, again=NOON + timedelta(hours=10))
    monday = NOON + 9 * DAY
    again = said(task, "call_back", NOON, "On Monday.", monday)
    assert (again.state, again.due_at, again.agent, again.note) == ("open", monday, None, "On Monday.")
    assert queue.expire(monday) == 0
    assert list(queue.queue(agent(), NOON)) == []
    assert list(queue.queue(agent(), monday)) == [task]
    said(task, "reached", monday, "Done.")
    assert CallTask.objects.get().note == "On Monday.\nDone."
    assert Event.objects.filter(name="Call Made").count() == 2


def test_who_asks_not_to_be_called_never_is_again_whatever_for() -> None:
    (task,) = tasks(1)
    Programme.objects.update(cap_messages=9)
    for key in ("second", "third"):
        people.planned(task.customer, people.campaign(key, steps=[people.CALL_STEP]), "call", due=NOON)
    deliver.deliver(NOON, limit=1)
    said(task, "do_not_call", NOON)
    for channel in ("phone", "sms"):
        assert consent.is_suppressed(channel, str(task.customer.phone))
    other = CallTask.objects.exclude(pk=task.pk).get()
    assert (other.state, other.delivery.reason) == ("cancelled", "The customer asked not to be called.")
    assert deliver.deliver(NOON) == {"cancelled": 1}
    assert "The address is suppressed." in Delivery.objects.values_list("reason", flat=True)


# The offer


def offered() -> CallTask:
    people.offer("ten")
    points = "Her code is {{ offer.code }}, worth {{ offer.value }}."
    planned_mails(1, steps=[{**people.CALL_STEP, "offer": "ten", "talking_points": points}])
    deliver.deliver(T0)
    return CallTask.objects.get()


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("reached", "given"), ("refused", "released"), ("do_not_call", "released"), ("no_answer", "reserved")],
)
def test_a_code_is_given_to_who_was_reached_and_to_nobody_else(outcome: str, state: str) -> None:
    task = offered()
    code = OfferCode.objects.get()
    assert (code.state, task.talking_points) == ("reserved", f"Her code is {code.code}, worth 10.")
    said(task, outcome, NOON)
    code.refresh_from_db()
    assert code.state == state
    assert Event.objects.filter(name="Offer Given").count() == (outcome == "reached")


def test_the_code_of_a_call_that_expired_is_free_again() -> None:
    offered()
    queue.expire(T0 + timedelta(days=7))
    assert OfferCode.objects.get().state == "released"
