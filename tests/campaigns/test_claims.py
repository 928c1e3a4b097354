"""Due messages are taken by priority, and no more of a channel than it may send."""

from datetime import timedelta

import pytest
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as some

from campaigns import claims, deliver
from campaigns.models import Delivery, Throughput
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

SOON = T0 + timedelta(minutes=1)
door = pytest.mark.door
db = pytest.mark.django_db


@given(some.integers(1, 100_000), some.lists(some.floats(0, 20), max_size=60))
def test_no_minute_has_more_than_so_many(per_minute: int, pauses: list[float]) -> None:
    """Workers who take all there is, at any times, over a minute."""
    holds, a_second = claims.rate(per_minute)
    tokens, at, taken = holds, 0.0, 0
    for pause in [0.0, *pauses]:
        at += pause
        if at >= 60:
            break
        tokens = min(holds, tokens + pause * a_second)
        taken += int(tokens + 1e-9)
        tokens -= int(tokens + 1e-9)
    assert taken <= per_minute


@door
@db
def test_the_lowest_priority_number_goes_first_and_then_what_is_due_first() -> None:
    late, early, urgent, not_yet = planned_mails(4)
    Delivery.objects.filter(pk=late.pk).update(due_at=T0 + timedelta(seconds=2))
    Delivery.objects.filter(pk=urgent.pk).update(priority=1, due_at=T0 + timedelta(seconds=3))
    Delivery.objects.filter(pk=not_yet.pk).update(priority=1, due_at=SOON + timedelta(seconds=1))
    assert claims.take("email", "t", SOON, 10) == [urgent.pk, early.pk, late.pk]


@door
@db
def test_a_channel_takes_no_more_than_its_tokens_by_the_databases_clock() -> None:
    planned_mails(60)
    Throughput.objects.create(channel="email", per_minute=240)
    assert len(claims.take("email", "t", SOON, 100)) == 20
    Throughput.objects.update(tokens=0.0, filled_at=F("filled_at") - timedelta(seconds=1))
    assert 3 <= len(claims.take("email", "u", SOON, 100)) <= 20
    Throughput.objects.update(tokens=0.0, filled_at=F("filled_at") + timedelta(hours=1))  # a clock that was put back
    assert claims.take("email", "v", SOON, 100) == []


@door
@db
def test_a_channel_at_its_end_holds_up_no_other() -> None:
    mails = planned_mails(3)
    Throughput.objects.create(channel="email", per_minute=1)
    people.planned(mails[0].customer, people.campaign("calls", steps=[people.CALL_STEP]), "call")
    assert deliver.deliver(SOON) == {"sent": 2}
    assert Delivery.objects.get(channel="phone").state == "sent"


@door
@db
def test_what_is_refused_at_the_gate_gives_its_token_back() -> None:
    mails = planned_mails(5)
    Delivery.objects.filter(pk=mails[0].pk).update(priority=1)
    type(mails[0].customer).objects.filter(pk=mails[0].customer_id).update(email=None)
    Throughput.objects.create(channel="email", per_minute=12)
    assert deliver.deliver(SOON) == {"cancelled": 1, "sent": 1}
