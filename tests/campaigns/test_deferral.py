"""A message that may not begin waits, goes, or is given up; and its decision says what became of it."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from campaigns import caps, deferral, quiet
from campaigns.models import Campaign, Decision, Delivery, FrequencyCap, Programme
from customers.models import Customer
from tests.campaigns.people import T0, campaign, customers, planned

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CAP = "2 messages in 7 days, planned ones included; the cap is 2, with room from 2026-03-02 12:00 UTC."


@pytest.fixture
def one() -> Customer:
    Programme.objects.create(holdout_share=0.0, cap_messages=2, cap_days=7)
    (customer,) = customers(1)
    return customer


def waiting(customer: Customer, of: Campaign, until: datetime = T0, **changes: Any) -> Delivery:
    """Plan a message whose decision is deferred."""
    delivery = planned(customer, of, due=until, priority=of.priority, **changes)
    Decision.objects.filter(pk=delivery.decision_id).update(
        outcome="deferred",
        reason="Due. Waits until 2026-03-01 12:00 UTC: Quiet hours.",
        expires_at=T0 + 3 * DAY,
        as_of=T0 - HOUR,
    )
    return Delivery.objects.select_related("decision__campaign").get(pk=delivery.pk)


def begun(customer: Customer, of: Campaign, *moments: datetime, action: str = "email") -> None:
    for at in moments:
        planned(customer, of, action, state="sent", began_at=at)


def judged(delivery: Delivery, at: datetime = T0) -> deferral.Ruling:
    ours, customer = Programme.objects.get(), delivery.customer
    every = caps.current(ours)
    found = deferral.messages([customer.pk], at, every)
    limits = deferral.Limits(every, found[customer.pk], lambda moment: quiet.allowed_at(customer, moment, ours))
    ruling = deferral.judge(delivery, limits, at)
    deferral.settle(delivery, ruling)
    return ruling


def decision() -> Decision:
    return Decision.objects.exclude(campaign__key="other").get()


def test_what_waited_goes_when_nothing_limits_it(one: Customer) -> None:
    assert judged(waiting(one, campaign())).outcome == "deliver"
    assert decision().outcome == "deliver"
    assert decision().reason == "Due. Waited until 2026-03-01 12:00 UTC: Quiet hours."


def test_what_finds_a_cap_full_waits_until_there_is_room(one: Customer) -> None:
    begun(one, campaign("other"), T0 - 6 * DAY, T0 - DAY)
    delivery = waiting(one, campaign())
    assert judged(delivery) == ("deferred", CAP, T0 + DAY)
    assert (decision().outcome, decision().due_at) == ("deferred", T0 + DAY)
    assert decision().reason == f"Due. Waits until 2026-03-02 12:00 UTC: {CAP}"
    assert judged(delivery, T0 + DAY).outcome == "deliver"
    assert decision().reason == f"Due. Waited until 2026-03-02 12:00 UTC: {CAP}"


def test_what_would_wait_too_long_is_given_up(one: Customer) -> None:
    begun(one, campaign("other"), T0 - 3 * DAY, T0 - DAY)
    assert judged(waiting(one, campaign())).outcome == "capped"
    assert decision().outcome == "capped"
    assert decision().reason.startswith("Due. Given up: 2 messages in 7 days")


def test_what_comes_to_be_judged_too_late_is_given_up(one: Customer) -> None:
    assert judged(waiting(one, campaign()), T0 + 3 * DAY).outcome == "ineligible"
    assert decision().reason == "Due. Given up: It could not go before 2026-03-04 12:00 UTC."


def test_in_quiet_hours_it_waits_for_the_morning_after_the_cap(one: Customer) -> None:
    Programme.objects.update(quiet_from=time(21), quiet_until=time(8))
    Customer.objects.update(time_zone="Asia/Tokyo")  # T0 is nine in the evening
    one.refresh_from_db()
    delivery = waiting(one, campaign())
    assert judged(delivery) == ("deferred", deferral.QUIET, T0 + 11 * HOUR)
    begun(one, campaign("other"), T0 - 7 * DAY + 20 * HOUR, T0 - DAY, T0 - 7 * DAY)
    capped = judged(delivery, T0 + 12 * HOUR)
    assert (capped.outcome, capped.due_at) == ("deferred", T0 + 20 * HOUR)
    Customer.objects.update(time_zone="Europe/Berlin")
    one.refresh_from_db()
    assert judged(Delivery.objects.get(pk=delivery.pk), T0 + 12 * HOUR).due_at == T0 + 20 * HOUR


@pytest.mark.parametrize(("when_limited", "outcome"), [("drop", "capped"), ("delay", "deferred")])
def test_what_was_decided_to_go_waits_only_where_its_campaign_does(
    one: Customer, when_limited: str, outcome: str
) -> None:
    begun(one, campaign("other"), T0 - 6 * DAY, T0 - DAY)
    delivery = planned(one, campaign(when_limited=when_limited))
    assert judged(delivery).outcome == outcome
    assert decision().outcome == ("deliver" if when_limited == "drop" else "deferred")


def test_a_cap_of_a_channel_and_topic_counts_no_other(one: Customer) -> None:
    Programme.objects.update(cap_messages=9)
    FrequencyCap.objects.create(channel="email", topic="newsletter", messages=1, days=1)
    other = campaign("other", topic="bills")
    begun(one, other, T0 - HOUR)
    begun(one, campaign("calls"), T0 - HOUR, action="call")
    delivery = planned(one, campaign("news"))
    assert judged(delivery).outcome == "deliver"
    begun(one, campaign("more"), T0 - HOUR)
    assert judged(delivery).limit == (
        "1 e-mail about newsletter in 1 day, planned ones included; the cap is 1, with room from 2026-03-02 11:00 UTC."
    )


def test_what_waited_leaves_room_for_what_campaigns_before_it_have_planned(one: Customer) -> None:
    Programme.objects.update(cap_messages=1)
    delivery = waiting(one, campaign(priority=20, delay_hours=999))
    before = planned(one, campaign("other", priority=10), due=T0 + HOUR, priority=10)
    assert judged(delivery, T0 + HOUR).outcome == "capped"  # a week later is later than it waits
    Delivery.objects.filter(pk=before.pk).update(priority=30)
    assert judged(waiting(one, campaign("again", priority=20)), T0 + HOUR).outcome == "deliver"
