"""Agents take calls from one queue, and what came of them is kept."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from campaigns import calls, deliver
from campaigns.calls import CallRefused
from campaigns.models import CallTask, Decision, OfferCode
from customers import consent
from customers.models import Event
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOON = T0 + timedelta(hours=1)


def tasks(count: int, scores: tuple[float | None, ...] = ()) -> list[CallTask]:
    made = planned_mails(count, steps=[people.CALL_STEP])
    for delivery, score in zip(made, scores, strict=False):
        Decision.objects.filter(pk=delivery.decision_id).update(score=score)
    deliver.deliver(T0)
    return list(CallTask.objects.order_by("delivery_id"))


def agent(name: str = "ann") -> User:
    return User.objects.create_user(name)


def test_the_queue_begins_with_the_highest_gain() -> None:
    made = tasks(4, (0.2, None, 0.9, 0.5))
    assert list(calls.queue(agent())) == [made[2], made[3], made[0], made[1]]


def test_a_claimed_call_is_its_agents_own() -> None:
    first, second = tasks(2, (0.9, 0.1))
    ann, bob = agent("ann"), agent("bob")
    assert calls.claim(second, ann, NOON).agent == ann
    assert list(calls.queue(ann)) == [second, first]
    assert list(calls.queue(bob)) == [first]
    with pytest.raises(CallRefused, match="Somebody else has this call"):
        calls.claim(second, bob, NOON)


def test_a_call_given_back_is_open_to_others() -> None:
    (task,) = tasks(1)
    ann, bob = agent("ann"), agent("bob")
    calls.claim(task, ann, NOON)
    with pytest.raises(CallRefused, match="not yours"):
        calls.give_back(task, bob)
    calls.give_back(task, ann)
    assert calls.claim(task, bob, NOON).agent == bob


def test_an_outcome_is_kept_and_becomes_an_event() -> None:
    (task,) = tasks(1)
    done = calls.close(calls.claim(task, agent(), NOON), "reached", "Likes blue.", NOON)
    assert (done.state, done.outcome, done.note, done.ended_at) == ("done", "reached", "Likes blue.", NOON)
    event = Event.objects.get(name="Call Made")
    assert (event.customer_id, event.properties["outcome"], event.occurred_at) == (task.customer_id, "reached", NOON)
    with pytest.raises(CallRefused, match="done already"):
        calls.close(task, "reached", "", NOON)
    assert Event.objects.filter(name="Call Made").count() == 1


def test_an_unknown_outcome_is_refused() -> None:
    (task,) = tasks(1)
    with pytest.raises(CallRefused, match="must be one of reached, no_answer"):
        calls.close(task, "slept", "", NOON)


def test_a_call_back_opens_the_call_again_when_it_is_due() -> None:
    (task,) = tasks(1)
    ann = agent()
    with pytest.raises(CallRefused, match="say when"):
        calls.close(calls.claim(task, ann, NOON), "call_back", "", NOON)
    monday = NOON + timedelta(days=2)
    again = calls.close(task, "call_back", "On Monday.", NOON, monday)
    assert (again.state, again.due_at, again.agent, again.note) == ("open", monday, None, "On Monday.")
    assert list(calls.queue(ann, NOON)) == []
    assert list(calls.queue(ann, monday)) == [task]
    calls.close(task, "reached", "Done.", monday)
    assert CallTask.objects.get().note == "On Monday.\nDone."
    assert Event.objects.filter(name="Call Made").count() == 2


def test_who_asks_not_to_be_called_never_is_again() -> None:
    (task,) = tasks(1)
    calls.close(calls.claim(task, agent(), NOON), "do_not_call", "", NOON)
    assert consent.is_suppressed("phone", str(task.customer.phone))
    second = people.planned(task.customer, people.campaign("second", steps=[people.CALL_STEP]), "call", due=NOON)
    assert deliver.deliver(NOON) == {"cancelled": 1}
    second.refresh_from_db()
    assert second.reason == "The address is suppressed."


def test_a_call_in_the_queue_stops_with_the_consent() -> None:
    (task,) = tasks(1)
    consent.withdraw(task.customer_id, "phone", "newsletter", "a letter", NOON)
    with pytest.raises(CallRefused, match="may not be called"):
        calls.claim(task, agent(), NOON)


def test_a_code_that_is_told_on_the_phone_is_not_given_before_anybody_was_called() -> None:
    people.offer("ten")
    points = "Her code is {{ offer.code }}, worth {{ offer.value }}."
    planned_mails(1, steps=[{**people.CALL_STEP, "offer": "ten", "talking_points": points}])
    deliver.deliver(T0)
    code = OfferCode.objects.get()
    assert code.state == "reserved"
    assert CallTask.objects.get().talking_points == f"Her code is {code.code}, worth 10."
